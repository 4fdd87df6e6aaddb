/** Scaling by a constant, or by a factor for each index along an axis. */
import { float32Bits } from "../dtypes/float32.ts";
import { bfloat16Tables } from "./bfloat16-tables.ts";
import type { Codec } from "./codec.ts";
import { COMPACT, EXACT, PLANE } from "./kernels.ts";
import { OPERANDS, TABLES } from "./layout.ts";
import { scaleRange } from "./scale-range.ts";

/** Whether scaling by `factor` can be undone from parked bits: it is a normal float32, and so not 0. */
export function isReversibleFactor(factor: number): boolean {
  const exponent = float32Bits(factor) & 0x7f800000;
  return exponent !== 0 && exponent !== 0x7f800000;
}

/** By a power of two nothing is lost; else the last bits where they decide, or, for speed, all of them. */
function modeOf(factor: number, plane: boolean): number {
  if ((float32Bits(factor) & 0x7fffff) === 0) return EXACT;
  return plane ? PLANE : COMPACT;
}

/** p ← fl(p · factor) on float32. `factor`: see {@link isReversibleFactor}; float32. */
export function scaleFloat32Codec(factor: number, plane: boolean): Codec {
  const mode = modeOf(factor, plane);
  const [low, high] = scaleRange(Math.abs(factor), Math.abs(factor));
  return {
    begin() {},
    apply: (kernels, _, count) => kernels.scaleFloat32(count, factor, false),
    open: (kernels, _, count) => ({
      bytes: kernels.scaleFloat32Open(count, factor, false, mode, low, high),
      exceptions: 0,
    }),
    close: (kernels, _, count) => kernels.scaleFloat32Close(count, factor, false, mode),
  };
}

/** Factors of elements `first` and following, as many as `out` is long. */
export type FillFactors = (first: number, out: Float32Array) => void;

/**
 * p ← fl(p · its own factor) on float32.
 *
 * @param smallest - smallest and largest |factor|; for all of them {@link isReversibleFactor}
 */
export function scaleEachCodec(fill: FillFactors, smallest: number, largest: number, plane: boolean): Codec {
  const mode = plane ? PLANE : COMPACT;
  const [low, high] = scaleRange(smallest, largest);
  const put = (buffer: ArrayBuffer, first: number, count: number): void =>
    fill(first, new Float32Array(buffer, OPERANDS, count));
  return {
    begin() {},
    apply(kernels, first, count) {
      put(kernels.buffer, first, count);
      kernels.scaleFloat32(count, 0, true);
    },
    open(kernels, first, count) {
      put(kernels.buffer, first, count);
      return { bytes: kernels.scaleFloat32Open(count, 0, true, mode, low, high), exceptions: 0 };
    },
    close(kernels, first, count) {
      put(kernels.buffer, first, count);
      kernels.scaleFloat32Close(count, 0, true, mode);
    },
  };
}

/** p ← rne16(fl32(p · factor)) on bfloat16. `factor`: see {@link isReversibleFactor}; float32. */
export function scaleBfloat16Codec(factor: number, plane: boolean): Codec {
  const mode = modeOf(factor, plane);
  const { lookup, base, sign, low, high } = bfloat16Tables(factor);
  return {
    begin: (kernels) => new Uint8Array(kernels.buffer, TABLES).set(lookup),
    apply: (kernels, _, count) => kernels.scaleBfloat16(count, factor),
    open: (kernels, _, count) => ({
      bytes: kernels.scaleBfloat16Open(count, factor, mode, low, high),
      exceptions: 0,
    }),
    close: (kernels, _, count) => kernels.scaleBfloat16Close(count, mode, base, sign),
  };
}
