/** Takes a step over all elements of a user's array, parks what is needed to undo it, and undoes it. */
import type { NumericArray } from "../dtypes/dtype.ts";
import { type Chunk, Filling, putExceptions, putParked } from "./chunk.ts";
import type { Codec } from "./codec.ts";
import type { Kernels } from "./kernels.ts";
import { BLOCK } from "./layout.ts";
import { kernels as currentKernels } from "./wasm.ts";
import {
  type Digests,
  eachWindow,
  loadWindow,
  padWindow,
  viewOfWindow,
  windowCount,
  windowLength,
} from "./window.ts";

/** What to see to while undoing. */
export interface Care {
  /** What the windows must be: one that something wrote to is left as it is, and put into `lost`. */
  readonly expected?: Digests | undefined;
  /** Windows to leave alone. */
  readonly lost: Set<number>;
}

/** One step on one array, and what is parked of it. Whatever fails in the middle, it can be undone, or undone again. */
export class Parking {
  readonly #data: NumericArray;
  readonly #codec: Codec;
  readonly #chunks: Chunk[] = [];
  /** The last chunk, until it is full. */
  #filling: Filling | undefined;
  /** Elements that are modified: from here … */
  #undone = 0;
  /** … to here. */
  #done = 0;

  constructor(data: NumericArray, codec: Codec) {
    this.#data = data;
    this.#codec = codec;
  }

  /** Bytes held. */
  get bytes(): number {
    return this.#chunks.reduce(
      (sum, { index, bits, exceptions }) => sum + index.byteLength + bits.byteLength + exceptions.byteLength,
      0,
    );
  }

  /**
   * Modifies all of the array.
   *
   * @param digests - those of the result are recorded here
   * @throws what `codec.open` throws; `undo` then undoes what has been done
   */
  do(digests?: Digests, kernels = currentKernels()): void {
    const data = this.#data;
    this.#codec.begin(kernels);
    const filling = new Filling(Math.ceil((windowCount(data) * windowLength(data)) / BLOCK));
    this.#filling = filling;
    eachWindow(kernels, data, (window, first, count, number) => {
      if (filling.isFull) this.#chunks.push(filling.finish());
      const { bytes, exceptions } = this.#codec.open(kernels, first, count);
      filling.add(kernels, first, count, bytes, exceptions);
      if (digests !== undefined) {
        padWindow(window, count);
        digests.record(kernels, number, count * data.BYTES_PER_ELEMENT);
      }
      data.set(window.subarray(0, count), first);
      this.#done = first + count;
    });
    this.#finish();
  }

  #finish(): void {
    if (this.#filling === undefined) return;
    if (!this.#filling.isEmpty) this.#chunks.push(this.#filling.finish());
    this.#filling.release();
    this.#filling = undefined;
  }

  /** Brings back the bits of all windows that are not lost. */
  undo(care: Care, kernels = currentKernels()): void {
    this.#finish();
    for (const [window, first, count] of this.#undoing(this.#data, care, kernels)) {
      this.#data.set(window.subarray(0, count), first);
      this.#undone = first + count;
    }
  }

  /** Undoes the step in a copy of the array, which may be of any state below; the array stays as it is. */
  undoIn(copy: NumericArray, kernels = currentKernels()): void {
    for (const [window, first, count] of this.#undoing(copy, { lost: new Set() }, kernels)) {
      copy.set(window.subarray(0, count), first);
    }
  }

  /** The windows of `data` as they were before the step, one after the other: each is there until the next. */
  *#undoing(
    data: NumericArray,
    { expected, lost }: Care,
    kernels: Kernels,
  ): Iterable<readonly [window: NumericArray, first: number, count: number]> {
    this.#codec.begin(kernels);
    const window = viewOfWindow(kernels, data);
    for (const chunk of this.#chunks) {
      const end = Math.min(this.#done, chunk.first + BLOCK * chunk.index.length);
      for (let { first } = chunk; first < end; first += window.length) {
        if (first < this.#undone) continue;
        const number = first / window.length;
        const count = Math.min(window.length, end - first);
        loadWindow(window, data, first, count);
        if (expected?.matches(kernels, number, count * data.BYTES_PER_ELEMENT) === false) lost.add(number);
        if (lost.has(number)) continue;
        putParked(kernels, chunk, first, count);
        this.#codec.close(kernels, first, count);
        putExceptions(window, chunk, first, count);
        yield [window, first, count];
      }
    }
  }
}

/** Modifies all of `data` for good: the same values as a {@link Parking} gives. */
export function applyCodec(data: NumericArray, codec: Codec, kernels = currentKernels()): void {
  codec.begin(kernels);
  eachWindow(kernels, data, (window, first, count) => {
    codec.apply(kernels, first, count);
    data.set(window.subarray(0, count), first);
  });
}
