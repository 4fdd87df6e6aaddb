/**
 * Q8_0 and Q4_0 of GGUF: blocks of 32 values, a float16 scale in front of their codes.
 *
 * Source: ggml at d99724f (block layouts, reference encoders).
 */
/* oxlint-disable typescript/no-non-null-assertion -- indices are in range by construction; a check would cost the loop */
import { bitsOf, type Codec, largestBits, largestOf } from "./codec.ts";
import { multiplyHalf, readHalf, writeHalf } from "./half.ts";

/** A parameter as a GGUF file holds it. */
export interface GgufBlocks {
  readonly format: "gguf-q8_0" | "gguf-q4_0";
  /** Slowest first, as in PyTorch; the last one, a multiple of 32, is the first of the file's. */
  readonly shape: readonly number[];
  /** Blocks of 34, or 18, bytes. */
  readonly blocks: Uint8Array;
}

/** Values of a block. */
export const BLOCK = 32;

/** Bytes of a block. */
export const blockBytes = { "gguf-q8_0": 34, "gguf-q4_0": 18 } as const;

const { abs, fround } = Math;

function decodeQ8(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const scale = readHalf(bytes, at);
  for (let i = 0; i < BLOCK; i++) out[to + i] = ((bytes[at + 2 + i]! << 24) >> 24) * scale;
}

/** Writes codes; the scale is returned as it was before it is rounded to float16, as the codes use it. */
function encodeQ8(
  values: Float32Array,
  bits: Int32Array,
  from: number,
  bytes: Uint8Array,
  at: number,
): number {
  const scale = fround(largestOf(bits, from, from + BLOCK) / 127);
  const inverse = scale === 0 ? 0 : fround(1 / scale);
  for (let i = 0; i < BLOCK; i++) {
    // half away from zero; the sign without a branch
    const magnitude = (abs(fround(values[from + i]! * inverse)) + 0.5) | 0;
    const sign = bits[from + i]! >> 31;
    bytes[at + 2 + i] = (magnitude ^ sign) - sign;
  }
  return scale;
}

/** The low nibbles are the first 16 values, the high ones the others. */
function decodeQ4(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const scale = readHalf(bytes, at);
  for (let i = 0; i < BLOCK / 2; i++) {
    const byte = bytes[at + 2 + i]!;
    out[to + i] = ((byte & 15) - 8) * scale;
    out[to + BLOCK / 2 + i] = ((byte >> 4) - 8) * scale;
  }
}

/** A value times the inverse of the scale, moved to 0 … 15. */
function codeOf(value: number, inverse: number): number {
  return Math.min(15, fround(fround(value * inverse) + 8.5) | 0);
}

function encodeQ4(
  values: Float32Array,
  bits: Int32Array,
  from: number,
  bytes: Uint8Array,
  at: number,
): number {
  // The value of largest magnitude with its sign: the first one, if there are several. A NaN is above all.
  const magnitude = largestBits(bits, from, from + BLOCK);
  let largest = from;
  while ((bits[largest]! & 0x7fffffff) !== magnitude) largest++;
  const scale = magnitude === 0 ? -0 : fround(values[largest]! / -8);
  const inverse = scale === 0 ? 0 : fround(1 / scale);
  for (let i = from, to = at + 2; i < from + BLOCK / 2; i++, to++) {
    bytes[to] = codeOf(values[i]!, inverse) | (codeOf(values[i + BLOCK / 2]!, inverse) << 4);
  }
  return scale;
}

export function ggufBlocksCodec({ format, blocks }: GgufBlocks): Codec {
  const bytes = blockBytes[format];
  const [decode, encode] = format === "gguf-q8_0" ? [decodeQ8, encodeQ8] : [decodeQ4, encodeQ4];
  const units = { bytes: blocks, stride: bytes };
  const scales = [{ ...units, offset: 0, length: 2 }];
  const address = (element: number): number => (element / BLOCK) * bytes;
  return {
    length: (blocks.length / bytes) * BLOCK,
    blockLength: BLOCK,
    groupBlocks: 1,
    codes: { ...units, offset: 2, length: bytes - 2, elements: BLOCK },
    scales,
    state: scales,
    decode(first, out) {
      for (let at = 0; at < out.length; at += BLOCK) decode(blocks, address(first + at), out, at);
    },
    encode(first, values, given, block) {
      const bits = bitsOf(values);
      for (let at = 0; at < values.length; at += BLOCK) {
        given[block++] = encode(values, bits, at, blocks, address(first + at));
      }
    },
    setScales(first, given) {
      for (let i = 0; i < given.length; i++) writeHalf(blocks, (first + i) * bytes, given[i]!);
    },
    scale(factor, first, end) {
      for (let block = first; block < end; block++) multiplyHalf(blocks, block * bytes, factor);
    },
  };
}
