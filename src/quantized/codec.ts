/** What every format of quantized values provides. */
/* oxlint-disable typescript/no-non-null-assertion -- indices are in range by construction; a check would cost the loop */
import { ValueRangeError } from "../dtypes/convert.ts";

/** Bytes that lie at the same place in every unit of an array: `length` of them, `offset` behind its beginning. */
export interface Region {
  readonly bytes: Uint8Array;
  readonly offset: number;
  readonly length: number;
  /** Bytes of a unit. */
  readonly stride: number;
}

/** A part of a block: positions and lengths are free. */
export interface Parts {
  /** The scale that a block of these values would have; that of the whole block is the largest. */
  scaleOf(values: Float32Array): number;
  encode(first: number, values: Float32Array, scale: number): void;
}

/**
 * The values of one quantized parameter as float32. Bound to the arrays that hold them, which are the parameter's own.
 * Positions and lengths of what is decoded and encoded are multiples of `blockLength`, or end with the last element.
 */
export interface Codec {
  /** Elements of the parameter. */
  readonly length: number;
  /** Elements that have a scale in common. */
  readonly blockLength: number;
  /** Blocks whose scales can only be set together: one, unless they are quantized themselves. */
  readonly groupBlocks: number;
  /** All codes, and how many elements a unit of them has. */
  readonly codes: Region & { readonly elements: number };
  /** What the scales of all groups depend on. */
  readonly common?: Float32Array;
  /** For blocks of any length, of which a part can be encoded once the scale of the whole is known. */
  readonly parts?: Parts;
  /** What `scale` changes. */
  readonly scales: readonly Region[];
  /** What `setScales` and `scale` change. */
  readonly state: readonly Region[];
  /** Writes elements `first` and following to `out`, as many as it is long. */
  decode(first: number, out: Float32Array): void;
  /**
   * Encodes `values` as elements `first` and following, as the reference implementation of the format does, and writes
   * the scale of each block to `scales`, from `at` on. What is decoded is undefined until they are set. A value
   * that is not finite, or too large for the format, makes its scale infinite or NaN.
   */
  encode(first: number, values: Float32Array, scales: Float32Array, at: number): void;
  /** Sets the scales of blocks `first` and following: whole groups, or up to the last block. */
  setScales(first: number, scales: Float32Array): void;
  /**
   * Multiplies the scales of blocks `first` to `end`, whole groups, and no code; what groups have in `common` is multiplied
   * by each call. Rounds each scale once, to the precision that it is kept in. Times 0 all of them become 0.
   *
   * @throws ValueRangeError for a scale that would become infinite; some are multiplied then. So does `setScales`
   */
  scale(factor: number, first: number, end: number): void;
}

/** All of an array as one region. */
export function regionOf({ buffer, byteOffset, byteLength }: ArrayBufferView, stride: number): Region {
  return { bytes: new Uint8Array(buffer, byteOffset, byteLength), offset: 0, length: stride, stride };
}

/** Bytes of a region. */
export function regionBytes({ bytes, length, stride }: Region): number {
  return (bytes.length / stride) * length;
}

/**
 * Multiplies scales `first` to `end` in place; times 0 all become 0.
 *
 * @throws ValueRangeError for one that becomes infinite; those before it are multiplied
 */
export function multiply(scales: Float32Array, factor: number, first: number, end: number): void {
  if (factor === 0) return void scales.fill(0, first, end);
  for (let i = first; i < end; i++) {
    const before = scales[i]!;
    scales[i] = before * factor;
    if (Number.isFinite(before) && !Number.isFinite(scales[i]!)) {
      throw new ValueRangeError(`a float32 cannot hold the scale ${before} of a block times ${factor}`);
    }
  }
}

/** Copies the bytes of units `first` and following to `out`. */
export function gather({ bytes, offset, length, stride }: Region, first: number, out: Uint8Array): void {
  if (length === stride) {
    out.set(bytes.subarray(first * stride, first * stride + out.length));
    return;
  }
  for (let at = 0, from = first * stride + offset; at < out.length; at += length, from += stride) {
    for (let i = 0; i < length; i++) out[at + i] = bytes[from + i]!;
  }
}

/** Copies `given` to the bytes of units `first` and following. */
export function scatter({ bytes, offset, length, stride }: Region, first: number, given: Uint8Array): void {
  if (length === stride) {
    bytes.set(given, first * stride);
    return;
  }
  for (let at = 0, to = first * stride + offset; at < given.length; at += length, to += stride) {
    for (let i = 0; i < length; i++) bytes[to + i] = given[at + i]!;
  }
}

/** Bits of float32 values: those of magnitudes are in the order of the magnitudes, and NaN above all. */
export function bitsOf({ buffer, byteOffset, length }: Float32Array): Int32Array {
  return new Int32Array(buffer, byteOffset, length);
}

const float = new Float32Array(1);
const word = bitsOf(float);

/** Bits of the largest magnitude of values `from` to `to`; those of a NaN if there is one. */
export function largestBits(bits: Int32Array, from: number, to: number): number {
  let [even, odd] = [0, 0];
  // Branches would be guessed wrong: the sign of a difference decides.
  for (let i = from; i < to - 1; i += 2) {
    const a = (even - (bits[i]! & 0x7fffffff)) | 0;
    even = (even - (a & (a >> 31))) | 0;
    const b = (odd - (bits[i + 1]! & 0x7fffffff)) | 0;
    odd = (odd - (b & (b >> 31))) | 0;
  }
  const last = to > from ? bits[to - 1]! & 0x7fffffff : 0;
  return Math.max(even, odd, last);
}

/** The largest magnitude of values `from` to `to`, by their bits; NaN if there is one. */
export function largestOf(bits: Int32Array, from: number, to: number): number {
  word[0] = largestBits(bits, from, to);
  return float[0]!;
}
