/**
 * The inverse of bfloat16 scaling by one factor. As integers, p' − p depends on the mantissa alone while everything is
 * normal: the exponent of the factor only adds a constant. So one binade tells all, and 128 bytes hold it.
 */
/* oxlint-disable typescript/no-non-null-assertion -- indices are in range by construction; a check would cost the loop */
import { float32Bits } from "../dtypes/float32.ts";
import { bfloat16Product } from "./reference/scale-bfloat16.ts";

/** What closing a scale by a factor needs, and the range that opening it must check. */
export interface Bfloat16Tables {
  /**
   * 128 bytes by the mantissa of p': p' − p − {@link base} for the smaller p, and bit 7 if there are two; then 128 bytes
   * by the mantissa of p: bit 7 if a neighbour has the same product. What `TABLES` of the layout holds.
   */
  readonly lookup: Uint8Array<ArrayBuffer>;
  /** The smallest p' − p. */
  readonly base: number;
  /** 0x8000 for a negative factor, else 0. */
  readonly sign: number;
  /** Bits of the smallest and largest |p| such that p, its neighbours and all their products are normal. */
  readonly low: number;
  readonly high: number;
}

const MANTISSAS = 128;
const TWO = 0x80;

/** 2^-125 and 2^-124: with the neighbours of p and of p' still normal. */
const SMALLEST = 2.350988701644575e-38;
const SMALLEST_PRODUCT = 4.70197740328915e-38;
/** 2^127 and 2^126: no neighbour overflows. */
const LARGEST = 1.7014118346046923e38;
const LARGEST_PRODUCT = 8.507059173023462e37;

/** @param factor - a normal float32 */
export function bfloat16Tables(factor: number): Bfloat16Tables {
  const size = Math.abs(factor);
  const lookup = new Uint8Array(2 * MANTISSAS);
  // half way between where p and where p' would leave the normal numbers
  const exponent = 127 - (((float32Bits(size) >>> 23) - 127) >> 1);
  const first = exponent * MANTISSAS;
  const products = Array.from({ length: MANTISSAS + 2 }, (_, i) => bfloat16Product(first - 1 + i, size));
  let base = Infinity;
  for (let i = 1; i <= MANTISSAS; i++) base = Math.min(base, products[i]! - (first - 1 + i));
  for (let i = 1; i <= MANTISSAS; i++) {
    const product = products[i]!;
    const isSecond = products[i - 1] === product;
    const isAmbiguous = isSecond || products[i + 1] === product;
    const smaller = first - 1 + i - (isSecond ? 1 : 0);
    lookup[product % MANTISSAS] = (product - smaller - base) | (isAmbiguous ? TWO : 0);
    if (isAmbiguous) lookup[MANTISSAS + i - 1] = TWO;
  }
  return {
    lookup,
    base,
    sign: factor < 0 ? 0x8000 : 0,
    low: float32Bits(Math.max(SMALLEST, SMALLEST_PRODUCT / size)) >>> 16,
    high: float32Bits(Math.min(LARGEST, LARGEST_PRODUCT / size)) >>> 16,
  };
}
