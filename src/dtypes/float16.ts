/** IEEE 754 binary16: 5 exponent bits, 10 fraction bits, largest finite 65504, smallest positive 2^-24. */
import { decodeMinifloat, encodeMinifloat, type Minifloat } from "./minifloat.ts";

const FLOAT16: Minifloat = { exponentBits: 5, fractionBits: 10 };

/** Exact value of a float16 bit pattern (an integer whose low 16 bits count). */
export function float16ToNumber(bits: number): number {
  return decodeMinifloat(bits, FLOAT16);
}

/** Bits of the float16 nearest to a float64, rounded once, ties to even; from 65520 on ± infinity. */
export function numberToFloat16(value: number): number {
  return encodeMinifloat(value, FLOAT16);
}
