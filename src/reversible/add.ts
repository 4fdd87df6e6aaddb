/** Adding a delta that can be computed again: noise, a low-rank product, given values. */
import { fillNoise, type NoiseSource } from "../random/noise.ts";
import type { Codec } from "./codec.ts";
import type { Kernels } from "./kernels.ts";
import { BLOCK, FACTORS, OPERANDS, OPERANDS_BYTES } from "./layout.ts";

/** Where deltas come from: the same bits for the same element each time. */
export interface Deltas {
  /** Once, before windows are worked on. */
  begin(kernels: Kernels): void;
  /** Deltas of `count` elements from `first` on to the operands; behind them, up to the end of the block, 0 or noise. */
  fill(kernels: Kernels, first: number, count: number): void;
}

/** The kernel makes noise from a multiple of this many elements on. */
const NOISE_GROUP = 16;
const MOST_OPERANDS = OPERANDS_BYTES / 4;

/** Noise, as `random/noise.ts` defines it. */
export function noiseDeltas(source: NoiseSource): Deltas {
  const { key, lattice } = source;
  const { high, low, shift, quantum } = lattice;
  return {
    begin() {},
    fill(kernels, first, count) {
      const skip = first % NOISE_GROUP;
      const made = Math.min(MOST_OPERANDS, count + skip);
      const counter = (first - skip) / 4;
      kernels.noise(made, ...key, counter >>> 0, Math.floor(counter / 2 ** 32), high, low, shift, quantum);
      if (skip === 0) return;
      const operands = new Float32Array(kernels.buffer, OPERANDS, MOST_OPERANDS);
      operands.copyWithin(0, skip, made);
      // What there was no room for.
      const rest = operands.subarray(made - skip, count);
      fillNoise(rest, source, first + made - skip);
    },
  };
}

/** Puts zeros behind the operands, up to the end of the block: padding must not leave anything to park. */
function padOperands(buffer: ArrayBuffer, count: number): void {
  const padding = -count & (BLOCK - 1);
  if (padding > 0) new Float32Array(buffer, OPERANDS + 4 * count, padding).fill(0);
}

/**
 * left · right, row-major; each product and each sum is rounded to float32, in order.
 *
 * @param left - [rows, rank]
 * @param right - [rank, columns]
 */
export function lowRankDeltas(left: Float32Array, right: Float32Array, rank: number): Deltas {
  const [rows, columns] = [left.length / rank, right.length / rank];
  return {
    begin(kernels) {
      kernels.reserveFactors(left.byteLength + right.byteLength);
      new Float32Array(kernels.buffer, FACTORS).set(left);
      new Float32Array(kernels.buffer, FACTORS + left.byteLength).set(right);
    },
    fill(kernels, first, count) {
      kernels.lowRank(count, first, rows, columns, rank);
      padOperands(kernels.buffer, count);
    },
  };
}

/** Values that `read` puts into `out`, which begins at element `first`. */
export function valueDeltas(read: (first: number, out: Float32Array) => void): Deltas {
  return {
    begin() {},
    fill({ buffer }, first, count) {
      read(first, new Float32Array(buffer, OPERANDS, count));
      padOperands(buffer, count);
    },
  };
}

/** p ← p + d: on float32 within 1 ulp of the rounded sum, on 16-bit formats the sum in float32, rounded once more. */
export function addCodec(dtype: "float32" | "float16" | "bfloat16", deltas: Deltas): Codec {
  const half = dtype === "float16";
  const wide = dtype === "float32";
  return {
    begin: (kernels) => deltas.begin(kernels),
    apply(kernels, first, count) {
      deltas.fill(kernels, first, count);
      if (wide) kernels.addFloat32(count);
      else kernels.add16(count, half);
    },
    open(kernels, first, count) {
      deltas.fill(kernels, first, count);
      const bytes = wide ? kernels.addFloat32Open(count) : kernels.add16Open(count, half);
      return { bytes, exceptions: kernels.exceptionCount() };
    },
    close(kernels, first, count) {
      deltas.fill(kernels, first, count);
      if (wide) kernels.addFloat32Close(count);
      else kernels.add16Close(count, half);
    },
  };
}
