/**
 * Windows of a user's array: copied into the memory of the kernels and out again, so that the array stays an
 * ordinary one, of any length and offset. And digests of them, to see, and to say, where something wrote.
 */
import type { NumericArray } from "../dtypes/dtype.ts";
import type { Kernels } from "./kernels.ts";
import { BLOCK, DIGEST, WINDOW, WINDOW_BYTES } from "./layout.ts";
import { kernels as currentKernels } from "./wasm.ts";

/** Operands have room for this many elements. */
const MOST_ELEMENTS = 32768;

/** Elements of a window. */
export function windowLength({ BYTES_PER_ELEMENT }: NumericArray): number {
  return Math.min(MOST_ELEMENTS, WINDOW_BYTES / BYTES_PER_ELEMENT);
}

/** Windows of an array. */
export function windowCount(data: NumericArray): number {
  return Math.ceil(data.length / windowLength(data));
}

type Constructor = new (buffer: ArrayBuffer, byteOffset: number, length: number) => NumericArray;

/** The window as an array of the same kind, so that copying is a plain copy of bytes. */
export function viewOfWindow({ buffer }: Kernels, data: NumericArray): NumericArray {
  return new (data.constructor as Constructor)(buffer, WINDOW, windowLength(data));
}

/** Puts zeros behind `count` elements, up to the end of the block. */
export function padWindow(window: NumericArray, count: number): void {
  const end = (count + BLOCK - 1) & -BLOCK;
  if (end > count) window.fill(0, count, end);
}

/** Copies elements `first` and following into the window, and zeros behind them up to the end of the block. */
export function loadWindow(window: NumericArray, data: NumericArray, first: number, count: number): void {
  window.set(data.subarray(first, first + count));
  padWindow(window, count);
}

type Visit = (window: NumericArray, first: number, count: number, number: number) => void;

/** Calls `visit` with every window loaded; it stores what it changes. */
export function eachWindow(kernels: Kernels, data: NumericArray, visit: Visit): void {
  const window = viewOfWindow(kernels, data);
  const length = window.length;
  for (let first = 0, number = 0; first < data.length; first += length, number++) {
    const count = Math.min(length, data.length - first);
    loadWindow(window, data, first, count);
    visit(window, first, count, number);
  }
}

/** Digests of an array's windows, two words each: to see, and to say, where something wrote. */
export class Digests {
  readonly #words: Uint32Array;

  constructor(data: NumericArray) {
    this.#words = new Uint32Array(2 * windowCount(data));
  }

  get bytes(): number {
    return this.#words.byteLength;
  }

  /** Remembers the digest of what is in the window now. */
  record(kernels: Kernels, window: number, bytes: number): void {
    kernels.digest(bytes);
    this.#words[2 * window] = kernels.words[DIGEST / 4]!;
    this.#words[2 * window + 1] = kernels.words[DIGEST / 4 + 1]!;
  }

  /** Whether what is in the window now is what was there when it was recorded. */
  matches(kernels: Kernels, window: number, bytes: number): boolean {
    kernels.digest(bytes);
    const { words } = kernels;
    return (
      words[DIGEST / 4] === this.#words[2 * window] && words[DIGEST / 4 + 1] === this.#words[2 * window + 1]
    );
  }
}

/** Records the digests of `data`. */
export function recordDigests(data: NumericArray, digests: Digests, kernels = currentKernels()): void {
  eachWindow(kernels, data, (_, _first, count, number) =>
    digests.record(kernels, number, count * data.BYTES_PER_ELEMENT),
  );
}

/** The windows of `data` that are not what they were when `digests` were recorded. */
export function changedWindows(
  data: NumericArray,
  digests: Digests,
  kernels = currentKernels(),
): Set<number> {
  const changed = new Set<number>();
  eachWindow(kernels, data, (_, _first, count, number) => {
    if (!digests.matches(kernels, number, count * data.BYTES_PER_ELEMENT)) changed.add(number);
  });
  return changed;
}
