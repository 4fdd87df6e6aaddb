/**
 * bfloat16 and float16: p' = rne16(fl32(p + d)), reversibly, with d any number that can be computed again.
 *
 * All p with the same p' lie in an interval around p' − d, half a last place of p' to either side; on the side of 0 it is
 * half of the spacing there, which is less below a power of two. The inner end of the interval is known from p' and d, and
 * so is how many bits p has lost: the difference of exponents between p' and the inner end, n. In the interval are at most
 * 2^n patterns, and one more where both its ends belong to it: where p' is even (and not 0), so that ties went to it, and the
 * inner end is a pattern. Then n is one more. The last n bits of p are parked, and choose.
 *
 * Where the interval reaches 0, or is so near that n > 9, patterns of both signs and many exponents are in it: the whole
 * pattern is parked. In a block with many zeros, nothing is, and +0 is predicted.
 *
 * An element that all this does not bring back is listed as an exception: opening does what closing will do, and compares.
 * A block with a p' that is infinite or NaN, which no p can be found from, is raw.
 *
 * Exponents and last places are looked up in scaled numbers: floats whose upper bits are the pattern of the format. For
 * bfloat16 that is the number itself, for float16 the number times 2^-112, with subnormals where float16 has them.
 */
/* oxlint-disable typescript/no-non-null-assertion -- indices are in range by construction; a check would cost the loop */
import { float32Bits, float32OfBits } from "../../dtypes/float32.ts";
import { BITS, BLOCK, INDEX, OPERANDS, WINDOW } from "../layout.ts";
import { BitReader, BitWriter } from "./bits.ts";
import { ExceptionList, keepRaw, offsetOf, type Opened, RAW, restoreRaw } from "./parked.ts";

const EXPONENT = 0x7f800000;
const MAGNITUDE = 0x7fffffff;

/** Bit of an index entry: elements whose interval reaches 0 are predicted to be +0. */
const ZEROS = 0x40000000;
/** With more zeros than this in a block, zeros are predicted. */
const FEW_ZEROS = 48;
/** Width of a code that is the whole pattern. */
const WHOLE = 16;
/** Widest code that is not the whole pattern. */
const WIDEST = 9;

/** A 16-bit format. */
interface Format {
  /** Bits of a scaled number behind its pattern. */
  readonly shift: number;
  /** Scaled number to value. */
  readonly up: number;
  /** Exponent field of a value minus that of the scaled number. */
  readonly bias: number;
  /** Bits of a mantissa. */
  readonly mantissa: number;
  /** Pattern of the largest |p| in a block that is not raw. */
  readonly largest: number;
  /** Pattern of infinity. */
  readonly infinity: number;
  /** Pattern nearest to a float32. */
  round(sum: number): number;
}

const BFLOAT16: Format = {
  shift: 16,
  up: 1,
  bias: 0,
  mantissa: 7,
  largest: 0x7e00,
  infinity: 0x7f80,
  round(sum) {
    const bits = float32Bits(sum);
    if (sum !== sum) return 0x7fc0;
    return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
  },
};

const FLOAT16: Format = {
  shift: 13,
  up: 2 ** 112,
  bias: 112,
  mantissa: 10,
  largest: 0x7bff,
  infinity: 0x7c00,
  round(sum) {
    if (sum !== sum) return 0x7e00;
    const bits = float32Bits(sum);
    const sign = (bits >>> 16) & 0x8000;
    const size = Math.abs(sum);
    if (size >= 65536) return sign | 0x7c00;
    // A float32 of this size has the spacing that float16 has at the sum, 2^-24 if subnormal: adding it rounds.
    const large = float32OfBits(Math.max(bits & EXPONENT, 113 << 23) + (13 << 23));
    const coarse = Math.fround(Math.fround(size + large) - large);
    return sign | (float32Bits(coarse * 2 ** -112) >>> 13);
  },
};

/** Value of a pattern. */
function valueOf(pattern: number, { shift, up, infinity }: Format): number {
  const magnitude = pattern & 0x7fff;
  const value = float32OfBits(magnitude << shift) * up;
  // that of float16 has the exponent of infinity only when it is told
  const size = magnitude < infinity ? value : magnitude === infinity ? Infinity : NaN;
  return pattern > 0x7fff ? -size : size;
}

/** Exponent field of a scaled number, of subnormal ones that which fits their spacing. */
function spacingOf(scaled: number): number {
  return scaled < 0 ? 1 : Math.max((scaled & EXPONENT) >> 23, 1);
}

/** What p' and d tell about p: the first pattern of its interval in the low half, the width of its code above. */
function interval(pattern: number, d: number, atZeroWidth: number, format: Format): number {
  const { shift, up, bias, mantissa } = format;
  const value = valueOf(pattern, format);
  const difference = float32Bits(value - d);
  const magnitude = (pattern & 0x7fff) << shift;
  // towards 0, for p, is down for p' if both have the same sign: there the spacing is that of the number below
  const isUp = ((pattern << 16) ^ difference) < 0;
  const inner = spacingOf(isUp ? magnitude : magnitude - (1 << shift));
  const half = float32OfBits(Math.max(inner + bias - mantissa - 1, 0) << 23);
  const end = float32Bits(Math.fround(float32OfBits(difference & MAGNITUDE) - half) / up);
  const isClosed = magnitude !== 0 && (pattern & 1) === 0 && (end & ((1 << shift) - 1)) === 0;
  const lost = spacingOf(magnitude) - spacingOf(end & MAGNITUDE) + (isClosed ? 1 : 0);
  if (end <= 0 || lost > WIDEST) return atZeroWidth << 16;
  const first = (end + (1 << shift) - 1) >>> shift;
  return first | ((difference >>> 16) & 0x8000) | (Math.max(lost, 0) << 16);
}

/** The pattern, from the first one of its interval on, that ends with a code. */
function complete(first: number, code: number, width: number): number {
  return (first + ((code - first) & ((1 << width) - 1))) & 0xffff;
}

function surveyed(
  block: Uint16Array,
  { largest }: Format,
): { readonly raw: boolean; readonly zeros: boolean } {
  let zeros = 0;
  let raw = false;
  for (const pattern of block) {
    const magnitude = pattern & 0x7fff;
    if (magnitude === 0) zeros++;
    if (magnitude > largest) raw = true;
  }
  return { raw, zeros: zeros > FEW_ZEROS };
}

export function add16(buffer: ArrayBuffer, count: number, half: boolean): void {
  const format = half ? FLOAT16 : BFLOAT16;
  const window = new Uint16Array(buffer, WINDOW, count);
  const operands = new Float32Array(buffer, OPERANDS, count);
  for (let i = 0; i < count; i++) {
    window[i] = format.round(Math.fround(valueOf(window[i]!, format) + operands[i]!));
  }
}

export function add16Open(buffer: ArrayBuffer, count: number, half: boolean): Opened {
  const format = half ? FLOAT16 : BFLOAT16;
  const window = new Uint16Array(buffer, WINDOW, count);
  const operands = new Float32Array(buffer, OPERANDS, count);
  const index = new Uint32Array(buffer, INDEX);
  const bytes = new Uint8Array(buffer, BITS);
  const exceptions = new ExceptionList(buffer);
  let at = 0;
  for (let from = 0; from < count; from += BLOCK) {
    const to = Math.min(from + BLOCK, count);
    const original = window.slice(from, to);
    const survey = surveyed(original, format);
    const { zeros } = survey;
    let { raw } = survey;
    const listed = exceptions.count;
    const bits = new BitWriter(bytes, at);
    for (let i = from; i < to; i++) {
      const p = window[i]!;
      const d = operands[i]!;
      const pattern = format.round(Math.fround(valueOf(p, format) + d));
      window[i] = pattern;
      if ((pattern & 0x7fff) >= format.infinity) raw = true;
      if (raw) continue;
      const found = interval(pattern, d, zeros ? 0 : WHOLE, format);
      const width = found >>> 16;
      const code = p & ((1 << width) - 1);
      bits.put(code, width);
      if (complete(found & 0xffff, code, width) !== p) exceptions.push(i, p);
    }
    const end = bits.flush();
    if (raw || end - at + 8 * (exceptions.count - listed) >= original.byteLength) {
      exceptions.count = listed;
      index[from / BLOCK] = at | RAW;
      at = keepRaw(bytes, at, original);
    } else {
      index[from / BLOCK] = zeros ? at | ZEROS : at;
      at = end;
    }
  }
  return { bytes: at, exceptions: exceptions.count };
}

export function add16Close(buffer: ArrayBuffer, count: number, half: boolean): void {
  const format = half ? FLOAT16 : BFLOAT16;
  const window = new Uint16Array(buffer, WINDOW, count);
  const operands = new Float32Array(buffer, OPERANDS, count);
  const index = new Uint32Array(buffer, INDEX);
  const bytes = new Uint8Array(buffer, BITS);
  for (let from = 0; from < count; from += BLOCK) {
    const to = Math.min(from + BLOCK, count);
    const entry = index[from / BLOCK]!;
    if (entry >= RAW) {
      restoreRaw(bytes, entry, window.subarray(from, to));
      continue;
    }
    const atZeroWidth = (entry & ZEROS) === 0 ? WHOLE : 0;
    const bits = new BitReader(bytes, offsetOf(entry));
    for (let i = from; i < to; i++) {
      const found = interval(window[i]!, operands[i]!, atZeroWidth, format);
      const width = found >>> 16;
      window[i] = complete(found & 0xffff, bits.take(width), width);
    }
  }
}
