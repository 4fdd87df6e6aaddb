/** Which float32 weights a scale can park bits of: those around which everything is a normal number. */
import { float32Bits } from "../dtypes/float32.ts";

/** 2^-125: a neighbour, or one rounding, below it is still a normal number. */
const SMALLEST = 2.350988701644575e-38;
/** 0.9992 of the largest float32: a few steps more do not overflow. */
const LARGEST = 3.4e38;

/**
 * Bits of the smallest and largest |p| such that p, its neighbours and all their products are normal.
 * A quotient of float64 is rounded correctly on every engine.
 *
 * @param smallest - the smallest |factor| in use, a normal float32
 * @param largest - the largest; equal for a uniform factor
 */
export function scaleRange(smallest: number, largest: number): readonly [low: number, high: number] {
  return [
    float32Bits(Math.max(SMALLEST, SMALLEST / smallest)),
    float32Bits(Math.min(LARGEST, LARGEST / largest)),
  ];
}
