/**
 * Windows of a parameter to float64 and back. Guarantees exact decoding, one rounding to nearest even when
 * encoding, and that a refused window leaves its destination as it was.
 * Bits of a NaN (payload, quiet bit) may change on the way: who must give bytes back copies bytes.
 */
/* oxlint-disable typescript/no-non-null-assertion -- indices are in range by construction; a check would cost the loop */
import { bfloat16ToNumber, numberToBfloat16 } from "./bfloat16.ts";
import { carrierOf, integerRange, type DType, type IntegerDType, type NumericArray } from "./dtype.ts";
import { float16ToNumber, numberToFloat16 } from "./float16.ts";

/**
 * Decode elements `from` … `to − 1` of `data` into `out[0]` and the following.
 *
 * @param data - only read
 * @param dtype - must be a format that the array carries (float16 and bfloat16: bits in a Uint16Array)
 * @param out - at least `to − from` long; what is beyond stays
 * @throws TypeError if the array does not carry the format; RangeError if the window is not inside both arrays
 */
export function decode(data: NumericArray, dtype: DType, from: number, to: number, out: Float64Array): void {
  requireCarrier(data, dtype);
  requireWindow(from, to, data.length);
  requireWindow(0, to - from, out.length);
  if (dtype === "float16" || dtype === "bfloat16") {
    const values = valuesOf(dtype);
    for (let i = from; i < to; i++) out[i - from] = values[data[i]!]!;
  } else {
    out.set(data.subarray(from, to));
  }
}

/**
 * Encode `values[0]` … `values[count − 1]` into `data[at]` and the following.
 *
 * Floating-point formats round once, to nearest, ties to even, and overflow to ± infinity. Integer formats
 * round half to even, and refuse a value whose rounded result is outside their range.
 *
 * @param values - only read
 * @throws RangeError, before anything is written, if an integer format cannot hold a value (NaN included; the
 *   message names the value and its index in `data`), or if the window is not inside both arrays
 * @throws TypeError if the array does not carry the format
 */
export function encode(
  values: Float64Array,
  count: number,
  dtype: DType,
  data: NumericArray,
  at: number,
): void {
  requireCarrier(data, dtype);
  requireWindow(0, count, values.length);
  requireWindow(at, at + count, data.length);
  if (dtype === "float32" || dtype === "float64") {
    data.set(values.subarray(0, count), at);
  } else if (dtype === "float16") {
    for (let i = 0; i < count; i++) data[at + i] = numberToFloat16(values[i]!);
  } else if (dtype === "bfloat16") {
    for (let i = 0; i < count; i++) data[at + i] = numberToBfloat16(values[i]!);
  } else {
    requireInRange(values, count, dtype, at);
    for (let i = 0; i < count; i++) data[at + i] = roundHalfToEven(values[i]!);
  }
}

/** A value that an integer format cannot hold; other `RangeError`s are about memory and indices. */
export class ValueRangeError extends RangeError {}

const decoded = new Map<DType, Float32Array>();

/** All 65,536 values of a 16-bit format (256 kB, made on first use): float32 holds each of them exactly. */
function valuesOf(dtype: "float16" | "bfloat16"): Float32Array {
  let values = decoded.get(dtype);
  if (values === undefined) {
    values = new Float32Array(65536);
    const toNumber = dtype === "float16" ? float16ToNumber : bfloat16ToNumber;
    for (let bits = 0; bits < 65536; bits++) values[bits] = toNumber(bits);
    decoded.set(dtype, values);
  }
  return values;
}

/** The nearest integer, of two the even one; below 2^51. */
export function roundHalfToEven(value: number): number {
  // the sum has no bits left for a fraction, so float64 arithmetic itself rounds; valid below 2^51
  return value + 6755399441055744 - 6755399441055744;
}

function requireInRange(values: Float64Array, count: number, dtype: IntegerDType, at: number): void {
  const [smallest, largest] = integerRange(dtype);
  for (let i = 0; i < count; i++) {
    const rounded = roundHalfToEven(values[i]!);
    // written so that NaN fails it
    if (rounded >= smallest && rounded <= largest) continue;
    throw new ValueRangeError(
      `${dtype} cannot hold ${values[i]!} (element ${at + i}): its values are ${smallest} to ${largest}`,
    );
  }
}

function requireCarrier(data: NumericArray, dtype: DType): void {
  const found = data[Symbol.toStringTag];
  if (found === carrierOf(dtype)) return;
  throw new TypeError(`${dtype} elements are carried by a ${carrierOf(dtype)}, got a ${found}`);
}

function requireWindow(from: number, to: number, length: number): void {
  if (Number.isInteger(from) && Number.isInteger(to) && from >= 0 && from <= to && to <= length) return;
  throw new RangeError(`elements ${from} to ${to} are not a window of an array of ${length}`);
}
