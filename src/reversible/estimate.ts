/** What parking will need, before anything is touched. */
import { ValueRangeError } from "../dtypes/convert.ts";
import type { NumericArray } from "../dtypes/dtype.ts";
import type { Codec } from "./codec.ts";
import type { Kernels } from "./kernels.ts";
import { BLOCK } from "./layout.ts";
import { kernels as currentKernels } from "./wasm.ts";
import { loadWindow, padWindow, viewOfWindow } from "./window.ts";

/** Most that can be parked of an array: every block raw. */
export function mostParked(data: NumericArray): number {
  return data.byteLength + 4 * Math.ceil(data.length / BLOCK);
}

/** Blocks that an estimate looks at, at most. */
const SAMPLE = 64;

/** What happens to elements: a codec parks something, a change does not. */
export type Pass = Codec | ((window: NumericArray, first: number, count: number) => void);

/** Bytes parked of the window, or `undefined` where a value is outside the dtype: opening will say so. */
function parkedBy(codec: Codec, kernels: Kernels, first: number, count: number): number | undefined {
  try {
    const { bytes, exceptions } = codec.open(kernels, first, count);
    return bytes + 8 * exceptions;
  } catch (error) {
    if (error instanceof ValueRangeError) return undefined;
    throw error;
  }
}

/**
 * Bytes that would be parked by taking `passes` over `data` one after the other: exact for up to 64 blocks, beyond
 * that an estimate from 64 of them, evenly spread. `data` is only read.
 */
export function estimateParked(
  data: NumericArray,
  passes: readonly Pass[],
  kernels = currentKernels(),
): number {
  const codecs = passes.filter((pass) => typeof pass !== "function");
  if (codecs.length === 0) return 0;
  // What codecs need may be larger than the memory, and views end when it grows.
  for (const codec of codecs) codec.begin(kernels);
  const window = viewOfWindow(kernels, data);
  const blocks = Math.ceil(data.length / BLOCK);
  const sampled = Math.min(blocks, SAMPLE);
  let bytes = 0;
  for (let i = 0; i < sampled; i++) {
    const first = BLOCK * Math.floor((i * blocks) / sampled);
    const count = Math.min(BLOCK, data.length - first);
    loadWindow(window, data, first, count);
    for (const pass of passes) {
      if (typeof pass === "function") {
        pass(window, first, count);
        continue;
      }
      // What several of them need shares one place.
      if (codecs.length > 1) pass.begin(kernels);
      bytes += parkedBy(pass, kernels, first, count) ?? count * data.BYTES_PER_ELEMENT;
      padWindow(window, count);
    }
  }
  const index = 4 * blocks * codecs.length;
  return index + Math.round((bytes * blocks) / Math.max(1, sampled));
}
