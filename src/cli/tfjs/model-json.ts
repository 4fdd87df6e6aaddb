/** A `model.json` of TensorFlow.js: what it says of the model and its weights. Nothing here needs TensorFlow.js. */
import { readFileSync } from "node:fs";
import { describeValue, FormatError } from "../../errors.ts";
import { isRecord } from "../../plain.ts";

/** One array, as `weightsManifest` describes it. */
export interface WeightSpec {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly quantization?: { readonly dtype: string };
}

/** What a model.json says. */
export interface ModelJson {
  readonly format?: unknown;
  readonly generatedBy?: unknown;
  readonly convertedBy?: unknown;
  readonly modelTopology: object;
  readonly groups: readonly { readonly paths: readonly string[]; readonly weights: readonly WeightSpec[] }[];
}

const bytesPerElement: Readonly<Record<string, number>> = {
  float32: 4,
  int32: 4,
  complex64: 8,
  float16: 2,
  uint16: 2,
  uint8: 1,
  bool: 1,
};

/** Throws about the model at `path`. */
export function fail(code: FormatError["code"], path: string, problem: string): never {
  throw new FormatError(
    code,
    `${path} is not a valid model of TensorFlow.js: ${problem}. No model was changed. Save it again with model.save.`,
    { file: path },
  );
}

function isSpec(value: unknown): value is WeightSpec {
  if (!isRecord(value)) return false;
  const { name, shape, dtype, quantization } = value;
  return (
    typeof name === "string" &&
    Array.isArray(shape) &&
    shape.every((size) => Number.isSafeInteger(size) && size >= 0) &&
    typeof dtype === "string" &&
    (quantization === undefined || (isRecord(quantization) && typeof quantization["dtype"] === "string"))
  );
}

/** Reads and checks a model.json; the files of weights are not looked at. @throws FormatError where it is damaged */
export function parseModelJson(path: string): ModelJson {
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    if (error instanceof SyntaxError) fail("bad_header", path, error.message);
    throw error;
  }
  if (!isRecord(json) || !isRecord(json["modelTopology"]))
    fail("bad_header", path, "it has no modelTopology");
  const manifest = json["weightsManifest"];
  if (!Array.isArray(manifest)) fail("bad_header", path, "it has no weightsManifest");
  const groups = manifest.map((group: unknown) => {
    const { paths, weights } = isRecord(group) ? group : {};
    if (!Array.isArray(paths) || !paths.every((each) => typeof each === "string")) {
      fail("bad_header", path, "a group of its weightsManifest has no paths");
    }
    if (!Array.isArray(weights) || !weights.every(isSpec)) {
      fail("bad_header", path, "weightsManifest has a weight without a name, a shape or a dtype");
    }
    return { paths, weights };
  });
  return { ...json, modelTopology: json["modelTopology"], groups };
}

/** Size of a weight in its file. */
export function bytesOf(path: string, { name, shape, dtype, quantization }: WeightSpec): number {
  const stored = quantization?.dtype ?? dtype;
  const each = Object.hasOwn(bytesPerElement, stored) ? bytesPerElement[stored] : undefined;
  if (each === undefined)
    fail("unknown_dtype", path, `${JSON.stringify(name)} has dtype ${describeValue(stored)}`);
  return each * shape.reduce((product, size) => product * size, 1);
}
