/** float16 as scales of blocks, and as a step of rounding, in loops. */
import { ValueRangeError } from "../dtypes/convert.ts";
import { float16ToNumber, numberToFloat16 } from "../dtypes/float16.ts";

const { fround } = Math;
/** 2^13 + 1: a product by it has no room for 13 of the 24 bits. */
const SPLITTER = 8193;
/** Smallest normal float16. */
const SMALLEST = 2 ** -14;
/** From here on a float32 is rounded to infinity. */
const TOO_LARGE = 65520;

/**
 * A float32 rounded to float16, to nearest even, as a number.
 *
 * Source of the splitting: Dekker, A floating-point technique for extending the available precision, 1971.
 */
export function roundToHalf(x: number): number {
  const magnitude = Math.abs(x);
  if (magnitude < SMALLEST) return x < 0 ? -(fround(0.75 - x) - 0.75) : fround(0.75 + x) - 0.75;
  if (!(magnitude < TOO_LARGE)) return magnitude >= TOO_LARGE ? (x > 0 ? Infinity : -Infinity) : x;
  const high = fround(x * SPLITTER);
  return fround(high - fround(high - x));
}

/** The float16 in two bytes, little-endian. */
export function readHalf(bytes: Uint8Array, at: number): number {
  return halves()[bytes[at]! | (bytes[at + 1]! << 8)]!;
}

/**
 * Writes a float32 as float16: rounded to nearest even; a NaN stays one.
 *
 * @throws ValueRangeError for a number that would become infinite
 */
export function writeHalf(bytes: Uint8Array, at: number, value: number): void {
  if (Math.abs(value) >= TOO_LARGE && Number.isFinite(value)) {
    throw new ValueRangeError(`a float16 cannot hold the scale ${value} of a block`);
  }
  const bits = numberToFloat16(value);
  bytes[at] = bits;
  bytes[at + 1] = bits >>> 8;
}

/** Multiplies a float16 in place, rounding to float32 and then to float16; times 0 it becomes 0. @throws as {@link writeHalf} */
export function multiplyHalf(bytes: Uint8Array, at: number, factor: number): void {
  const before = readHalf(bytes, at);
  const value = factor === 0 ? 0 : before * factor;
  // One that is beyond float32 as well is no infinity that was there.
  writeHalf(
    bytes,
    at,
    Number.isFinite(before) ? (Math.abs(value) < TOO_LARGE ? fround(value) : value) : value,
  );
}

let table: Float32Array | undefined;

/** All values of float16: 256 kB, made on first use. */
function halves(): Float32Array {
  table ??= Float32Array.from({ length: 65536 }, (_, bits) => float16ToNumber(bits));
  return table;
}
