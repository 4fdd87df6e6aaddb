/** Takes a step over all elements of a user's array, parks what is needed to undo it, and undoes it. */
import type { NumericArray } from "../dtypes/dtype.ts";
import type { Codec } from "./codec.ts";
import type { Kernels } from "./kernels.ts";
import { BITS, BLOCK, EXCEPTIONS, INDEX } from "./layout.ts";
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

/** Windows whose bits are kept in one buffer: buffers of a few hundred bytes would double what they hold. */
const WINDOWS_PER_CHUNK = 32;

/** What a run of windows needs to come back. */
interface Chunk {
  /** Its first element. */
  readonly first: number;
  /** See `INDEX` in the layout; offsets into `bits`. */
  readonly index: Uint32Array;
  readonly bits: Uint8Array;
  /** Pairs: element, counted from the beginning of the chunk, and its bits. */
  readonly exceptions: Uint32Array;
}

/** A chunk that is being filled: arrays longer than what is in them. */
class Filling {
  first = 0;
  windows = 0;
  #blocks = 0;
  #bytes = 0;
  #pairs = 0;
  readonly #index: Uint32Array;
  #bits = new Uint8Array(0);
  #exceptions = new Uint32Array(0);

  /** @param blocks - of a chunk */
  constructor(blocks: number) {
    this.#index = new Uint32Array(blocks);
  }

  get isEmpty(): boolean {
    return this.windows === 0;
  }

  /** Takes over what `open` has written of the window that begins at element `first`. */
  add({ buffer, words }: Kernels, first: number, count: number, bytes: number, exceptions: number): void {
    if (this.isEmpty) this.first = first;
    if (this.#bytes + bytes > this.#bits.length) this.#bits = grown(this.#bits, this.#bytes + bytes);
    if (bytes > 0) this.#bits.set(new Uint8Array(buffer, BITS, bytes), this.#bytes);
    const blocks = Math.ceil(count / BLOCK);
    for (let i = 0; i < blocks; i++) this.#index[this.#blocks + i] = words[INDEX / 4 + i]! + this.#bytes;
    if (exceptions > 0) this.#addExceptions(new Uint32Array(buffer, EXCEPTIONS, 2 * exceptions), first);
    this.#blocks += blocks;
    this.#bytes += bytes;
    this.windows++;
  }

  #addExceptions(pairs: Uint32Array, first: number): void {
    const size = 2 * this.#pairs + pairs.length;
    if (size > this.#exceptions.length) this.#exceptions = grown(this.#exceptions, size);
    for (let i = 0; i < pairs.length; i += 2) {
      this.#exceptions[2 * this.#pairs] = pairs[i]! + first - this.first;
      this.#exceptions[2 * this.#pairs + 1] = pairs[i + 1]!;
      this.#pairs++;
    }
  }

  /** What is in it, in arrays of just that size. */
  finish(): Chunk {
    return {
      first: this.first,
      index: this.#index.slice(0, this.#blocks),
      bits: this.#bits.slice(0, this.#bytes),
      exceptions: this.#exceptions.slice(0, 2 * this.#pairs),
    };
  }

  clear(): void {
    this.windows = this.#blocks = this.#bytes = this.#pairs = 0;
  }
}

/** A copy with room for `size` elements, and for as many again. */
function grown<A extends Uint8Array<ArrayBuffer> | Uint32Array<ArrayBuffer>>(array: A, size: number): A {
  const larger = new (array.constructor as new (length: number) => A)(2 * size);
  larger.set(array);
  return larger;
}

/** Offset of the bits of block `block` in its chunk. */
function offsetOf({ index, bits }: Chunk, block: number): number {
  return block < index.length ? index[block]! & 0x3fffffff : bits.length;
}

/** Writes index and bits of the window of `count` elements at `first` to where `close` looks for them. */
function putParked({ buffer, words }: Kernels, chunk: Chunk, first: number, count: number): void {
  const block = (first - chunk.first) / BLOCK;
  const blocks = Math.ceil(count / BLOCK);
  const begin = offsetOf(chunk, block);
  for (let i = 0; i < blocks; i++) words[INDEX / 4 + i] = chunk.index[block + i]! - begin;
  const bits = chunk.bits.subarray(begin, offsetOf(chunk, block + blocks));
  if (bits.length > 0) new Uint8Array(buffer, BITS, bits.length).set(bits);
}

/** Puts back the exceptions of the window of `count` elements at `first`. */
function putExceptions(window: NumericArray, chunk: Chunk, first: number, count: number): void {
  const { exceptions } = chunk;
  if (exceptions.length === 0) return;
  const at = first - chunk.first;
  // They are in order: the first one of the window by bisection.
  let [low, high] = [0, exceptions.length / 2];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (exceptions[2 * middle]! < at) low = middle + 1;
    else high = middle;
  }
  const buffer = window.buffer as ArrayBuffer;
  const bits =
    window.BYTES_PER_ELEMENT === 4
      ? new Uint32Array(buffer, window.byteOffset, count)
      : new Uint16Array(buffer, window.byteOffset, count);
  for (let i = 2 * low; i < exceptions.length && exceptions[i]! < at + count; i += 2) {
    bits[exceptions[i]! - at] = exceptions[i + 1]!;
  }
}

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
  /** NumericArray that are modified: from here … */
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
    const windows = Math.min(windowCount(data), WINDOWS_PER_CHUNK);
    const filling = new Filling(Math.ceil((windows * windowLength(data)) / BLOCK));
    this.#filling = filling;
    eachWindow(kernels, data, (window, first, count, number) => {
      if (filling.windows === WINDOWS_PER_CHUNK) this.#finish(filling);
      const { bytes, exceptions } = this.#codec.open(kernels, first, count);
      filling.add(kernels, first, count, bytes, exceptions);
      data.set(window.subarray(0, count), first);
      this.#done = first + count;
      if (digests === undefined) return;
      padWindow(window, count);
      digests.record(kernels, number, count * data.BYTES_PER_ELEMENT);
    });
    this.#finish(filling);
    this.#filling = undefined;
  }

  #finish(filling: Filling): void {
    if (!filling.isEmpty) this.#chunks.push(filling.finish());
    filling.clear();
  }

  /** Brings back the bits of all windows that are not lost. */
  undo(care: Care, kernels = currentKernels()): void {
    if (this.#filling !== undefined) this.#finish(this.#filling);
    this.#filling = undefined;
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
