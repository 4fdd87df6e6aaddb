/** A `model.json` of TensorFlow.js and the weights beside it, as files: nothing here needs TensorFlow.js. */
import { readFileSync } from "node:fs";
import { dirname, isAbsolute, join, normalize } from "node:path";
import { describeValue, FormatError } from "../../errors.ts";
import { isRecord } from "../../plain.ts";
import type { InFile, Inspected } from "../inspect/inspected.ts";

/** One array, as `weightsManifest` describes it. */
interface WeightSpec {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly quantization?: { readonly dtype: string };
}

/** What a model.json says. */
interface ModelJson {
  readonly format?: unknown;
  readonly generatedBy?: unknown;
  readonly convertedBy?: unknown;
  readonly modelTopology: object;
  readonly groups: readonly { readonly paths: readonly string[]; readonly weights: readonly WeightSpec[] }[];
}

/** What TensorFlow.js loads a model from. */
export interface ModelArtifacts {
  readonly modelTopology: object;
  readonly weightSpecs: readonly WeightSpec[];
  readonly weightData: ArrayBuffer;
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

function fail(code: FormatError["code"], path: string, problem: string): never {
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

function parse(path: string): ModelJson {
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
function bytesOf(path: string, { name, shape, dtype, quantization }: WeightSpec): number {
  const stored = quantization?.dtype ?? dtype;
  const each = bytesPerElement[stored];
  if (each === undefined)
    fail("unknown_dtype", path, `${JSON.stringify(name)} has dtype ${describeValue(stored)}`);
  return each * shape.reduce((product, size) => product * size, 1);
}

/** What a model.json says about its weights. Their files are not looked at. */
export function readModelJson(path: string): Inspected {
  const { format, generatedBy, convertedBy, groups } = parse(path);
  const parameters = groups.flatMap(({ weights }) =>
    weights.map((spec): InFile => {
      const { name, shape, dtype, quantization } = spec;
      const stored = quantization === undefined ? dtype : `${quantization.dtype} (quantized ${dtype})`;
      return { name, shape, dtype: stored, bytes: bytesOf(path, spec) };
    }),
  );
  const notes = Object.entries({ format, generatedBy, convertedBy }).filter(
    (entry): entry is [string, string] => typeof entry[1] === "string",
  );
  return { file: path, format: "TensorFlow.js model", notes: Object.fromEntries(notes), parameters };
}

function readGroup(path: string, files: readonly string[], expected: number): Buffer {
  const parts = files.map((file) => {
    const inside = normalize(file);
    if (isAbsolute(inside) || inside.startsWith(".."))
      fail("bad_index", path, `${JSON.stringify(file)} is outside of its folder`);
    try {
      return readFileSync(join(dirname(path), inside));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      return fail("missing_file", path, `${JSON.stringify(file)} is not beside it`);
    }
  });
  const all = Buffer.concat(parts);
  if (all.length !== expected) {
    fail("truncated", path, `${files.join(", ")} have ${all.length} bytes, and its weights ${expected}`);
  }
  return all;
}

/**
 * A layers model with all its weights.
 *
 * @throws FormatError where the files are damaged, not there, or a graph model
 */
export function readArtifacts(path: string): ModelArtifacts {
  const { format, modelTopology, groups } = parse(path);
  if (format === "graph-model") {
    fail(
      "bad_header",
      path,
      "it is a graph model, and needs a configuration of its own with tf.loadGraphModel",
    );
  }
  const data = groups.map(({ paths, weights }) =>
    readGroup(
      path,
      paths,
      weights.reduce((sum, spec) => sum + bytesOf(path, spec), 0),
    ),
  );
  const weightData = new Uint8Array(Buffer.concat(data)).buffer;
  return { modelTopology, weightSpecs: groups.flatMap(({ weights }) => weights), weightData };
}
