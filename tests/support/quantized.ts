/** Quantized parameters: any bytes at all, and weights. */
import { crc32 } from "node:zlib";
import { codecOf, type QuantizedParameter } from "../../src/quantized/parameter.ts";
import { anyFloats, bits } from "./bits.ts";
import { normals } from "./normals.ts";

export const kinds = [
  "bnb-int8",
  "bnb-nf4",
  "bnb-fp4",
  "bnb-nf4 nested",
  "bnb-fp4 nested",
  "gguf-q8_0",
  "gguf-q4_0",
] as const;

/** A format, and whether its scales are quantized too. */
export type Kind = (typeof kinds)[number];

/** What a parameter is like, small enough to be read in a failure. */
export interface Like {
  readonly kind: Kind;
  readonly rows: number;
  /** Of the GGUF formats a multiple of 32. */
  readonly columns: number;
  /** Of the 4-bit formats of bitsandbytes. */
  readonly blockSize?: number;
  readonly seed?: number;
}

/** Any bytes: scales are every kind of float. */
export function anyBytes({ kind, rows, columns, blockSize = 64, seed = 1 }: Like): QuantizedParameter {
  const any = (length: number, salt: number): Uint8Array<ArrayBuffer> => {
    const { buffer } = anyFloats(20 + length / 4, 7 * seed + salt);
    return new Uint8Array(buffer as ArrayBuffer, 68, length);
  };
  const floats = (length: number, salt: number): Float32Array =>
    // Special ones first, from another one on for every seed.
    anyFloats(length + (seed % 16), 7 * seed + salt).slice(seed % 16);
  const elements = rows * columns;
  const shape = [rows, columns] as const;
  if (kind === "bnb-int8") {
    return {
      format: kind,
      shape,
      codes: new Int8Array(any(elements, 1).slice().buffer),
      scb: floats(rows, 2),
    };
  }
  if (kind === "gguf-q8_0" || kind === "gguf-q4_0") {
    return { format: kind, shape, blocks: any((elements / 32) * (kind === "gguf-q8_0" ? 34 : 18), 1) };
  }
  const format = kind.startsWith("bnb-nf4") ? "bnb-nf4" : "bnb-fp4";
  const codes = any(Math.ceil(elements / 2), 1);
  const blocks = Math.ceil(elements / blockSize);
  if (!kind.endsWith("nested")) return { format, shape, codes, blockSize, absmax: floats(blocks, 2) };
  const nested = {
    codes: any(blocks, 3),
    map: floats(256, 4),
    absmax: floats(Math.ceil(blocks / 256), 5),
    offset: floats(1, 6),
  };
  return { format, shape, codes, blockSize, absmax: nested };
}

/** N(0, 0.02), encoded as the format does. */
export function weights(like: Like, std = 0.02): QuantizedParameter {
  const parameter = anyBytes(like);
  for (const array of arraysIn(parameter)) array.fill(0);
  if ("absmax" in parameter && !(parameter.absmax instanceof Float32Array)) {
    // About even steps: any map is as good as another.
    parameter.absmax.map.set(Float32Array.from({ length: 256 }, (_, i) => (i - 127) / 128));
    parameter.absmax.offset[0] = 2.4 * std;
  }
  write(parameter, normals(like.rows * like.columns, std, like.seed ?? 1));
  return parameter;
}

/** Encodes all values. */
export function write(parameter: QuantizedParameter, values: Float32Array): void {
  const codec = codecOf(parameter);
  const scales = new Float32Array(Math.ceil(codec.length / codec.blockLength));
  codec.encode(0, values, scales, 0);
  codec.setScales(0, scales);
}

/** Decodes all values. */
export function read(parameter: QuantizedParameter): Float32Array<ArrayBuffer> {
  const codec = codecOf(parameter);
  const values = new Float32Array(codec.length);
  codec.decode(0, values);
  return values;
}

/** All arrays, also the map of nested scales. */
export function arraysIn(parameter: QuantizedParameter): readonly (Int8Array | Uint8Array | Float32Array)[] {
  if ("scb" in parameter) return [parameter.codes, parameter.scb];
  if ("blocks" in parameter) return [parameter.blocks];
  const { codes, absmax } = parameter;
  if (absmax instanceof Float32Array) return [codes, absmax];
  return [codes, absmax.codes, absmax.map, absmax.absmax, absmax.offset];
}

/** All bytes. */
export function allBits(parameter: QuantizedParameter): string {
  return arraysIn(parameter).map(bits).join(" ");
}

/** A digest of each array, short enough to be read in a failure. */
export function sumOf(parameter: QuantizedParameter): string {
  return arraysIn(parameter)
    .map((array) => crc32(new Uint8Array(array.buffer, array.byteOffset, array.byteLength)).toString(16))
    .join(" ");
}

/** The codes alone. */
export function codeBits(parameter: QuantizedParameter): string {
  if (!("blocks" in parameter)) return bits(parameter.codes);
  const size = parameter.format === "gguf-q8_0" ? 34 : 18;
  return bits(parameter.blocks.filter((_, i) => i % size >= 2));
}

/** A copy with arrays of its own. */
export function copyOf(parameter: QuantizedParameter): QuantizedParameter {
  return structuredClone(parameter);
}

/** Writes the bytes of another parameter of the same kind. */
export function assign(parameter: QuantizedParameter, other: QuantizedParameter): void {
  const others = arraysIn(other);
  for (const [i, array] of arraysIn(parameter).entries()) {
    new Uint8Array(array.buffer, array.byteOffset, array.byteLength).set(
      new Uint8Array(others[i]!.buffer, others[i]!.byteOffset, others[i]!.byteLength),
    );
  }
}

/** Size as a theater counts it: the map is not modified. */
export function bytesOf(parameter: QuantizedParameter): number {
  const map =
    "absmax" in parameter && !(parameter.absmax instanceof Float32Array)
      ? parameter.absmax.map.byteLength
      : 0;
  return arraysIn(parameter).reduce((sum, { byteLength }) => sum + byteLength, -map);
}

/** Bytes of the scales: what scaling changes. */
export function scaleBytes(parameter: QuantizedParameter): number {
  return codecOf(parameter).scales.reduce(
    (sum, { bytes, length, stride }) => sum + (bytes.length / stride) * length,
    0,
  );
}
