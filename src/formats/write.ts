/** Writes safetensors files, in chunks: at most one tensor is in memory. */
import { describeValue } from "../errors.ts";
import { didYouMean } from "../hints.ts";
import { objectText } from "./json.ts";
import type { Bytes } from "./source.ts";
import { byteLengthOf, type Carriers, fileCarrierOf, type FileDType, fileDTypes, nameOf } from "./tensor.ts";

/** A tensor to write. What is not in memory is given as a function, called when its turn comes. */
export type TensorToWrite = {
  [K in FileDType]: {
    readonly name: string;
    readonly dtype: K;
    readonly shape: readonly number[];
    /** Lent: until the chunk after it is asked for. */
    readonly data: Carriers[K] | (() => Carriers[K] | PromiseLike<Carriers[K]>);
  };
}[FileDType];

/** A file, part by part. A chunk is lent until the next one is asked for. */
export type Chunks = AsyncGenerator<Uint8Array, void, undefined>;

/**
 * A safetensors file, as chunks: the header, then a chunk for each tensor, in the order and with the padding of the
 * reference implementation, so that the bytes are the same as its.
 *
 * Source: safetensors 24b0b28: sorted by alignment of the format, largest first, then by name; the header is padded
 * with spaces to a multiple of 8.
 *
 * @param tensors - described at once, their data taken one at a time
 * @param metadata - `__metadata__`, in this order
 * @throws TypeError, RangeError at once for a tensor that cannot be: an unknown dtype, a name that is there twice; and
 *   when its turn comes for data of another kind or size
 * @example
 * import { bytesOf, writeSafetensors } from "surgical-theater/formats";
 *
 * const load = async () => Float32Array.of(1, -0);
 * const bytes = await bytesOf(writeSafetensors([{ name: "w", dtype: "float32", shape: [2], data: load }]));
 * console.log(bytes.length); // 72
 */
export function writeSafetensors(
  tensors: Iterable<TensorToWrite>,
  metadata?: ReadonlyMap<string, string> | Readonly<Record<string, string>>,
): Chunks {
  const sorted = [...tensors]
    .map(check)
    .sort(
      (a, b) => fileDTypes.indexOf(b.dtype) - fileDTypes.indexOf(a.dtype) || compareNames(a.name, b.name),
    );
  return chunksOf(sorted, headerOf(sorted, metadata));
}

async function* chunksOf(sorted: readonly Checked[], header: Uint8Array): Chunks {
  yield header;
  for (const { name, dtype, data, bytes } of sorted) {
    const array: ArrayBufferView = typeof data === "function" ? await data() : data;
    const carrier = fileCarrierOf(dtype);
    const tag = (array as Partial<Uint8Array>)?.[Symbol.toStringTag];
    if (!ArrayBuffer.isView(array) || tag !== carrier) {
      const message = `${describeValue(name)}: data of dtype ${dtype} must be a ${carrier}, got ${describeValue(array)}.`;
      throw new TypeError(message);
    }
    if (array.byteLength !== bytes) {
      throw new RangeError(
        `${describeValue(name)}: its shape needs ${bytes} bytes, got ${array.byteLength}.`,
      );
    }
    yield new Uint8Array(array.buffer, array.byteOffset, bytes);
  }
}

type Checked = TensorToWrite & { readonly bytes: number };

function check(tensor: TensorToWrite): Checked {
  const { name, dtype, shape } = tensor;
  if (typeof name !== "string" || name === "__metadata__" || /\p{Surrogate}/u.test(name)) {
    throw new TypeError(`${describeValue(name)} cannot be the name of a tensor.`);
  }
  if (!fileDTypes.includes(dtype)) {
    const hint = typeof dtype === "string" ? didYouMean(dtype, fileDTypes) : "";
    throw new TypeError(`${describeValue(name)}: dtype ${describeValue(dtype)} is not known.${hint}`);
  }
  const isShape = Array.isArray(shape) && shape.every((size) => Number.isSafeInteger(size) && size >= 0);
  const bytes = isShape ? byteLengthOf(dtype, shape) : undefined;
  if (bytes === undefined) {
    throw new RangeError(
      `${describeValue(name)}: ${dtype} ${JSON.stringify(shape)} is no shape that can be written.`,
    );
  }
  return { ...tensor, bytes };
}

function headerOf(
  sorted: readonly Checked[],
  metadata: ReadonlyMap<string, string> | Readonly<Record<string, string>> | undefined,
): Uint8Array {
  const members: string[] = [];
  if (metadata !== undefined) {
    const notes = [...(metadata instanceof Map ? metadata : Object.entries(metadata))] as [string, unknown][];
    const wrong = notes.find(([, text]) => typeof text !== "string");
    if (wrong !== undefined) {
      throw new TypeError(
        `metadata[${JSON.stringify(wrong[0])}] must be a string, got ${describeValue(wrong[1])}.`,
      );
    }
    members.push(`"__metadata__":${objectText(notes.map(([key, text]) => [key, JSON.stringify(text)]))}`);
  }
  let begin = 0;
  const names = new Set<string>();
  for (const { name, dtype, shape, bytes } of sorted) {
    if (names.has(name)) throw new RangeError(`The tensor ${JSON.stringify(name)} is there twice.`);
    names.add(name);
    const info = { dtype: nameOf(dtype), shape, data_offsets: [begin, begin + bytes] };
    members.push(`${JSON.stringify(name)}:${JSON.stringify(info)}`);
    begin += bytes;
  }
  const text = new TextEncoder().encode(`{${members.join(",")}}`);
  const padded = Math.ceil(text.length / 8) * 8;
  const header = new Uint8Array(8 + padded).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(padded), true);
  header.set(text, 8);
  return header;
}

/** By code points, as UTF-8 sorts; strings themselves compare by halves of surrogate pairs. */
function compareNames(a: string, b: string): number {
  let at = 0;
  while (at < a.length && a[at] === b[at]) at++;
  return (a.codePointAt(at) ?? -1) - (b.codePointAt(at) ?? -1);
}

/**
 * All chunks together. Where there is little memory, write chunks as they come: `saveFiles` does.
 *
 * @example
 * import { bytesOf, writeSafetensors } from "surgical-theater/formats";
 *
 * console.log((await bytesOf(writeSafetensors([]))).length); // 16
 */
export async function bytesOf(chunks: AsyncIterable<Uint8Array>): Promise<Bytes> {
  const parts: Bytes[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    const part = new Uint8Array(chunk.byteLength); // a copy: the chunk is lent
    part.set(chunk);
    parts.push(part);
    size += part.length;
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** A text as a file. */
export async function* textChunks(text: string): Chunks {
  yield new TextEncoder().encode(text);
}
