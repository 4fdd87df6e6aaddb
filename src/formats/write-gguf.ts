/** Writes GGUF files, in chunks. */
import { describeValue, UnsupportedError } from "../errors.ts";
import { didYouMean } from "../hints.ts";
import { type GgufEntry, ggufHeader, utf8 } from "./gguf-bytes.ts";
import { alignmentOf, isAlignment } from "./gguf-header.ts";
import { type GgufValue, idOfType } from "./gguf-metadata.ts";
import { type GgufTensor, padded, writable } from "./gguf-types.ts";
import { fileCarrierOf } from "./tensor.ts";
import type { Chunks } from "./write.ts";

/** A tensor to write: plain elements, or a parameter in Q8_0 or Q4_0. Its arrays are lent until the chunk after it. */
export type GgufTensorToWrite = { readonly name: string } & GgufTensor;

/** Values of metadata. A plain string is one; numbers need their type. */
export type GgufMetadata =
  | ReadonlyMap<string, GgufValue | string>
  | Readonly<Record<string, GgufValue | string>>;

/**
 * A GGUF file of version 3, as chunks: the header, then each tensor with its padding, in the order given, as ggml writes
 * them. Where a tensor is quantized, `general.quantization_version` is added.
 *
 * @param metadata - in this order; `general.architecture` is what readers of models look for. `general.alignment`, a
 *   `uint32`, is kept to
 * @throws TypeError, RangeError, UnsupportedError at once for what cannot be written
 * @example
 * import { bytesOf } from "surgical-theater/formats";
 * import { openGguf, writeGguf } from "surgical-theater/quantized";
 *
 * const w = { name: "w", dtype: "float32", shape: [2], data: Float32Array.of(1, 2) } as const;
 * const metadata = { "general.architecture": "toy", "toy.block_count": { type: "uint32", value: 1 } } as const;
 * const file = await openGguf(await bytesOf(writeGguf([w], metadata)));
 * console.log(file.metadata.get("toy.block_count")?.value); // 1
 */
export function writeGguf(tensors: Iterable<GgufTensorToWrite>, metadata: GgufMetadata = {}): Chunks {
  const values = new Map<string, GgufValue>();
  const given = [...(metadata instanceof Map ? metadata : Object.entries(metadata))] as [
    string,
    GgufValue | string,
  ][];
  for (const [key, value] of given) {
    values.set(key, checkValue(key, typeof value === "string" ? { type: "string", value } : value));
  }
  const entries = [...tensors].map(check);
  const names = new Set<string>();
  for (const { name } of entries) {
    if (names.has(name)) throw new RangeError(`The tensor ${JSON.stringify(name)} is there twice.`);
    names.add(name);
  }
  if (entries.some(({ type }) => type.values > 1) && !values.has("general.quantization_version")) {
    values.set("general.quantization_version", { type: "uint32", value: 2 });
  }
  const alignment = alignmentOf(values);
  return chunksOf(ggufHeader(entries, values, alignment), entries, alignment);
}

async function* chunksOf(header: Uint8Array, tensors: readonly GgufEntry[], alignment: number): Chunks {
  yield header;
  for (const { array } of tensors) {
    yield new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    const rest = padded(array.byteLength, alignment) - array.byteLength;
    if (rest > 0) yield new Uint8Array(rest);
  }
}

function check(tensor: GgufTensorToWrite): GgufEntry {
  const { name, shape } = tensor;
  const at = describeValue(name);
  if (typeof name !== "string" || utf8.encode(name).length > 63) {
    throw new TypeError(`${at} cannot be the name of a tensor: it must be a string of 63 bytes or less.`);
  }
  const dtype: unknown = "format" in tensor ? tensor.format : tensor.dtype;
  const type = writable.get(dtype as string);
  if (type === undefined) {
    const hint = typeof dtype === "string" ? didYouMean(dtype, writable.keys()) : "";
    const message = `${at}: ${describeValue(dtype)} cannot be written to a GGUF file.${hint} Known: ${[...writable.keys()].join(", ")}.`;
    throw new UnsupportedError("dtype", message);
  }
  const isShape =
    Array.isArray(shape) &&
    shape.length <= 4 &&
    shape.every((size) => Number.isSafeInteger(size) && size >= 0);
  const elements = isShape ? shape.reduce((product: number, size: number) => product * size, 1) : NaN;
  if (!isShape || (shape.at(-1) ?? 1) % type.values !== 0) {
    throw new RangeError(`${at}: ${type.dtype} ${JSON.stringify(shape)} is no shape that can be written.`);
  }
  const array: ArrayBufferView | undefined = "format" in tensor ? tensor.blocks : tensor.data;
  const carrier = "format" in tensor ? "Uint8Array" : fileCarrierOf(tensor.dtype);
  const tag = (array as Partial<Uint8Array> | undefined)?.[Symbol.toStringTag];
  const bytes = (elements / type.values) * type.bytes;
  if (tag !== carrier || array.byteLength !== bytes) {
    const message = `${at}: its data must be a ${carrier} of ${bytes} bytes, got ${describeValue(array)}.`;
    throw new TypeError(message);
  }
  return { name, type, shape, array };
}

function checkValue(key: string, value: GgufValue): GgufValue {
  const of = value.type === "array" ? value.of : value.type;
  const isKnown = idOfType(value.type) >= 0 && idOfType(of) >= 0 && of !== ("array" as never);
  const isRight = key !== "general.alignment" || isAlignment(value);
  if (key !== "" && isKnown && isRight) return value;
  throw new TypeError(
    `metadata[${JSON.stringify(key)}] cannot be written: ${describeValue(value.value)} as ${of}.`,
  );
}
