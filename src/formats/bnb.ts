/** Quantized parameters of bitsandbytes in safetensors files: codes, scales and state of each as one. */
import type { Bnb4Bit } from "../quantized/bnb-4bit.ts";
import type { BnbInt8 } from "../quantized/bnb-int8.ts";
import { GROUP, type NestedAbsmax } from "../quantized/nested-absmax.ts";
import { type BnbKeys, groupKeys, misfit } from "./bnb-keys.ts";
import { type BnbDType, type BnbState, readState } from "./bnb-state.ts";
import { tableOf } from "./bnb-table.ts";
import type { TensorInfo } from "./header.ts";
import { quoted } from "./json.ts";
import type { Safetensors } from "./safetensors.ts";
import type { FileDType, FileTensor } from "./tensor.ts";

/** How a file has a 4-bit parameter, beside its values: for writing it again. */
export interface BnbLayout {
  /** What bitsandbytes decodes it to. Default: `"float32"`. */
  readonly dtype?: BnbDType;
  /** What the packed codes are called: the same bytes. Default: `"uint8"`. */
  readonly storage?: FileDType;
  /** Whether they are [1, n], as old files have them, and not [n, 1]. Default: false. */
  readonly isTransposed?: boolean;
  /** Whether code 8 of FP4 is −0 in the file's table, and not 0. Default: false. */
  readonly hasNegativeZero?: boolean;
}

/** A parameter of a file, quantized or not. */
export interface ParameterInFile<P extends BnbInt8 | Bnb4Bit | FileTensor = BnbInt8 | Bnb4Bit | FileTensor> {
  /** `"bnb-int8"`, `"bnb-nf4"`, `"bnb-fp4"`; of an ordinary tensor its dtype. */
  readonly format: BnbInt8["format"] | Bnb4Bit["format"] | FileDType;
  readonly shape: readonly number[];
  /** Of 4-bit parameters: for `bnbTensors`. */
  readonly layout: BnbLayout | undefined;
  /** Reads it into buffers of its own, which are the caller's. The file must still be open. */
  read(): Promise<P>;
}

/** Longest `quant_state`, in bytes. */
const MOST = 65_536;

/**
 * The parameters of a file of which bitsandbytes has quantized some, by name: `….weight`, without the names of the parts.
 * States and tables are read and checked, nothing else yet.
 *
 * Source: bitsandbytes at 95f9af3.
 *
 * @param file - as `openSafetensors` and `openShardedSafetensors` open it; borrowed for as long as parameters are read
 * @throws FormatError `bad_quantization` for parts that are missing, do not fit or would be left over; `truncated`
 * @throws UnsupportedError `dtype` for a file that is quantized in another way, by its name
 * @example
 * import { bytesOf, openSafetensors, writeSafetensors } from "surgical-theater/formats";
 * import { bnbParameters, bnbTensors, encodeQuantized } from "surgical-theater/quantized";
 *
 * const kernel = encodeQuantized(new Float32Array(64).fill(0.5), [8, 8], { format: "bnb-nf4" });
 * const file = await openSafetensors(await bytesOf(writeSafetensors(bnbTensors("q.weight", kernel))));
 * const model: Record<string, unknown> = {};
 * for (const [name, parameter] of await bnbParameters(file)) model[name] = await parameter.read();
 * await file.close();
 * console.log(Object.keys(model)); // [ 'q.weight' ], of five tensors
 */
export async function bnbParameters(file: Safetensors): Promise<ReadonlyMap<string, ParameterInFile>> {
  const parameters = new Map<string, ParameterInFile>();
  for (const [name, keys] of groupKeys(file.tensors)) {
    parameters.set(name, await parameterOf(file, name, keys));
  }
  return parameters;
}

async function parameterOf(file: Safetensors, name: string, keys: BnbKeys): Promise<ParameterInFile> {
  if (keys.kind === "int8") return int8(file, name, keys);
  if (keys.kind !== "plain") return fourBit(file, name, keys, keys.kind);
  const { dtype, shape } = file.tensors.get(name)!;
  return { format: dtype, shape, layout: undefined, read: async () => file.read(name) };
}

/** What is known of a tensor. @throws FormatError unless it has this dtype and shape */
function expected(file: Safetensors, key: string, dtype: FileDType, shape: readonly number[]): TensorInfo {
  const info = file.tensors.get(key)!;
  if (info.dtype === dtype && String(info.shape) === String(shape)) return info;
  const found = `${info.dtype} [${info.shape.join(", ")}]`;
  throw misfit(`${quoted(key)} is ${found}, and must be ${dtype} [${shape.join(", ")}]`, info);
}

/** The data of a tensor that {@link expected} has seen. */
async function dataOf<D extends FileDType>(file: Safetensors, key: string): Promise<FileTensor<D>["data"]> {
  return (await file.read(key)).data as FileTensor<D>["data"];
}

async function int8(
  file: Safetensors,
  name: string,
  { scb, weightFormat }: BnbKeys & { kind: "int8" },
): Promise<ParameterInFile<BnbInt8>> {
  const { shape } = file.tensors.get(name)!;
  const [outputs = 0, inputs = 0] = shape;
  expected(file, name, "int8", [outputs, inputs]);
  expected(file, scb, "float32", [outputs]);
  if (weightFormat !== undefined) {
    const info = expected(file, weightFormat, "uint8", []);
    const [order] = await dataOf<"uint8">(file, weightFormat);
    if (order !== 0) throw misfit(`${quoted(weightFormat)} is ${order}, and only 0, rows, is read`, info);
  }
  return {
    format: "bnb-int8",
    shape,
    layout: undefined,
    read: async () => ({
      format: "bnb-int8",
      shape: [outputs, inputs],
      codes: await dataOf<"int8">(file, name),
      scb: await dataOf<"float32">(file, scb),
    }),
  };
}

async function fourBit(
  file: Safetensors,
  name: string,
  { state: key, isNested }: BnbKeys & { kind: "nf4" | "fp4" },
  quantType: "nf4" | "fp4",
): Promise<ParameterInFile<Bnb4Bit>> {
  const state = await stateOf(file, key, quantType);
  const { format, blockSize, shape, dtype, nestedOffset } = state;
  if ((nestedOffset !== undefined) !== isNested) {
    throw misfit(
      `${quoted(key)} and the tensors beside it do not agree on nested scales`,
      file.tensors.get(key),
    );
  }
  const elements = shape.reduce((product, size) => product * size, 1);
  const { storage, isTransposed } = packing(file, name, state, Math.ceil(elements / 2));
  const blocks = Math.ceil(elements / blockSize);
  expected(file, `${name}.absmax`, isNested ? "uint8" : "float32", [blocks]);
  if (isNested) {
    expected(file, `${name}.nested_absmax`, "float32", [Math.ceil(blocks / GROUP)]);
    await checkMap(file, `${name}.nested_quant_map`);
  }
  const hasNegativeZero = await checkTable(file, `${name}.quant_map`, format);
  const read = async (): Promise<Bnb4Bit> => {
    const { buffer } = await dataOf(file, name);
    const absmax = isNested
      ? await nested(file, name, nestedOffset!)
      : await dataOf<"float32">(file, `${name}.absmax`);
    return { format, shape, codes: new Uint8Array(buffer), blockSize, absmax };
  };
  return { format, shape, layout: { dtype, storage, isTransposed, hasNegativeZero }, read };
}

async function stateOf(file: Safetensors, key: string, quantType: "nf4" | "fp4"): Promise<BnbState> {
  const info = file.tensors.get(key)!;
  expected(file, key, "uint8", [info.bytes]);
  if (info.bytes > MOST)
    throw misfit(`${quoted(key)} has ${info.bytes} bytes, and ${MOST} are allowed`, info);
  const text = await dataOf<"uint8">(file, key);
  return readState(text, quantType, (problem, at) => misfit(`${quoted(key)}: ${problem}`, info, at));
}

/** How codes are packed: bytes, or any other elements of as many bytes. */
function packing(
  file: Safetensors,
  name: string,
  { format, shape }: BnbState,
  bytes: number,
): { readonly storage: FileDType; readonly isTransposed: boolean } {
  const info = file.tensors.get(name)!;
  const [rows, columns] = info.shape;
  if (info.shape.length === 2 && (rows === 1 || columns === 1) && info.bytes === bytes) {
    return { storage: info.dtype, isTransposed: columns !== 1 };
  }
  const found = `${info.dtype} [${info.shape.join(", ")}]`;
  throw misfit(
    `${quoted(name)} is ${found}, and ${format} [${shape.join(", ")}] is ${bytes} bytes, as [n, 1]`,
    info,
  );
}

/** Throws unless a table is the format's. Gives whether its code 8 is −0. */
async function checkTable(file: Safetensors, key: string, format: Bnb4Bit["format"]): Promise<boolean> {
  const info = expected(file, key, "float32", [16]);
  const table = await dataOf<"float32">(file, key);
  const right = tableOf(format);
  const wrong = table.findIndex(
    (value, i) => !(Object.is(value, right[i]) || (value === 0 && right[i] === 0 && i === 8)),
  );
  if (wrong < 0) return Object.is(table[8], -0);
  throw misfit(
    `${quoted(key)} has ${table[wrong]} for code ${wrong}, which is not ${format}`,
    info,
    4 * wrong,
  );
}

/** Throws unless values ascend: the nearest is searched for by halves. */
async function checkMap(file: Safetensors, key: string): Promise<void> {
  const info = expected(file, key, "float32", [256]);
  const map = await dataOf<"float32">(file, key);
  const wrong = map.findIndex((value, i) => !(Number.isFinite(value) && (i === 0 || value >= map[i - 1]!)));
  if (wrong >= 0) throw misfit(`${quoted(key)} does not ascend at ${wrong}`, info, 4 * wrong);
}

async function nested(file: Safetensors, name: string, offset: number): Promise<NestedAbsmax> {
  return {
    codes: await dataOf<"uint8">(file, `${name}.absmax`),
    map: await dataOf<"float32">(file, `${name}.nested_quant_map`),
    absmax: await dataOf<"float32">(file, `${name}.nested_absmax`),
    offset: Float32Array.of(offset),
  };
}
