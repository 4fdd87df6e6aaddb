/** bfloat16: the upper half of a float32, so 8 exponent bits and 7 fraction bits, with subnormals. */
import { decodeMinifloat, encodeMinifloat, type Minifloat } from "./minifloat.ts";

const BFLOAT16: Minifloat = { exponentBits: 8, fractionBits: 7 };

/** Exact value of a bfloat16 bit pattern (an integer whose low 16 bits count). */
export function bfloat16ToNumber(bits: number): number {
  return decodeMinifloat(bits, BFLOAT16);
}

/** Bits of the bfloat16 nearest to a float64, rounded once, ties to even; from 2^128 - 2^119 on ± infinity. */
export function numberToBfloat16(value: number): number {
  return encodeMinifloat(value, BFLOAT16);
}
