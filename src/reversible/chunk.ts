/** What is parked of a run of windows: filled from the memory of the kernels, and put back there. */
import type { NumericArray } from "../dtypes/dtype.ts";
import type { Kernels } from "./kernels.ts";
import { BITS, BITS_BYTES, BLOCK, EXCEPTIONS, INDEX } from "./layout.ts";

/** What a run of windows needs to come back. */
export interface Chunk {
  /** Its first element. */
  readonly first: number;
  /** See `INDEX` in the layout; offsets into `bits`. */
  readonly index: Uint32Array;
  readonly bits: Uint8Array;
  /** Pairs: element, counted from the beginning of the chunk, and its bits. */
  readonly exceptions: Uint32Array;
}

/** Bytes of bits from which on a chunk is full. One window's bits may go beyond. */
const FULL = 65536;
/** Blocks of a chunk at most. */
const MOST_BLOCKS = 1024;

/** Where bits are collected, between two uses: fresh memory for each step would cost more than filling it. */
let spareBits: Uint8Array<ArrayBuffer> | undefined;

/** A chunk that is being filled: arrays longer than what is in them. */
export class Filling {
  #first = 0;
  #blocks = 0;
  #bytes = 0;
  #pairs = 0;
  readonly #index: Uint32Array<ArrayBuffer>;
  #bits = spareBits ?? new Uint8Array(FULL + BITS_BYTES);
  #exceptions = new Uint32Array(0);

  /** @param blocks - that may be put into it, chunk after chunk */
  constructor(blocks: number) {
    this.#index = new Uint32Array(Math.min(blocks, MOST_BLOCKS));
    spareBits = undefined;
  }

  get isEmpty(): boolean {
    return this.#blocks === 0;
  }

  /** Whether what comes next belongs into another chunk: buffers of a few hundred bytes would double what they hold. */
  get isFull(): boolean {
    return this.#bytes >= FULL || this.#blocks === MOST_BLOCKS;
  }

  /** Takes over what `open` has written of the window that begins at element `first`. */
  add({ buffer, words }: Kernels, first: number, count: number, bytes: number, exceptions: number): void {
    if (this.isEmpty) this.#first = first;
    if (bytes > 0) this.#bits.set(new Uint8Array(buffer, BITS, bytes), this.#bytes);
    const blocks = Math.ceil(count / BLOCK);
    for (let i = 0; i < blocks; i++) this.#index[this.#blocks + i] = words[INDEX / 4 + i]! + this.#bytes;
    if (exceptions > 0) this.#addExceptions(new Uint32Array(buffer, EXCEPTIONS, 2 * exceptions), first);
    this.#blocks += blocks;
    this.#bytes += bytes;
  }

  #addExceptions(pairs: Uint32Array, first: number): void {
    const size = 2 * this.#pairs + pairs.length;
    if (size > this.#exceptions.length) this.#exceptions = grown(this.#exceptions, size);
    for (let i = 0; i < pairs.length; i += 2) {
      this.#exceptions[2 * this.#pairs] = pairs[i]! + first - this.#first;
      this.#exceptions[2 * this.#pairs + 1] = pairs[i + 1]!;
      this.#pairs++;
    }
  }

  /** What is in it, in arrays of just that size; it is empty then. */
  finish(): Chunk {
    const chunk = {
      first: this.#first,
      index: this.#index.slice(0, this.#blocks),
      bits: this.#bits.slice(0, this.#bytes),
      exceptions: this.#exceptions.slice(0, 2 * this.#pairs),
    };
    this.#blocks = this.#bytes = this.#pairs = 0;
    return chunk;
  }

  /** For the next one. It cannot be used any more. */
  release(): void {
    spareBits = this.#bits;
  }
}

/** A copy with room for `size` elements, and for as many again. */
function grown(array: Uint32Array, size: number): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(2 * size);
  larger.set(array);
  return larger;
}

/** Offset of the bits of block `block` in its chunk. */
function offsetOf({ index, bits }: Chunk, block: number): number {
  return block < index.length ? index[block]! & 0x3fffffff : bits.length;
}

/** Writes index and bits of the window of `count` elements at `first` to where `close` looks for them. */
export function putParked({ buffer, words }: Kernels, chunk: Chunk, first: number, count: number): void {
  const block = (first - chunk.first) / BLOCK;
  const blocks = Math.ceil(count / BLOCK);
  const begin = offsetOf(chunk, block);
  for (let i = 0; i < blocks; i++) words[INDEX / 4 + i] = chunk.index[block + i]! - begin;
  const bits = chunk.bits.subarray(begin, offsetOf(chunk, block + blocks));
  if (bits.length > 0) new Uint8Array(buffer, BITS, bits.length).set(bits);
}

/** Puts back the exceptions of the window of `count` elements at `first`. */
export function putExceptions(window: NumericArray, chunk: Chunk, first: number, count: number): void {
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
