/** Takes a step over all elements of a user's array, parks what is needed to undo it, and undoes it. */
import type { Codec } from "./codec.ts";
import type { Kernels } from "./kernels.ts";
import { BITS, BLOCK, EXCEPTIONS, INDEX } from "./layout.ts";
import { kernels as currentKernels } from "./wasm.ts";
import { type Digests, eachWindow, type Elements, loadWindow, padWindow, viewOfWindow } from "./window.ts";

/** Windows whose bits are kept in one buffer: buffers of a few hundred bytes would double what they hold. */
const WINDOWS_PER_CHUNK = 64;

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

/** A chunk that is being filled. */
interface Filling {
  readonly first: number;
  readonly index: number[];
  readonly bits: Uint8Array[];
  readonly exceptions: number[];
  /** Bytes in `bits`. */
  size: number;
}

function beginning(first: number): Filling {
  return { first, index: [], bits: [], exceptions: [], size: 0 };
}

function finished({ first, index, bits, exceptions, size }: Filling): Chunk {
  const all = new Uint8Array(size);
  let at = 0;
  for (const piece of bits) {
    all.set(piece, at);
    at += piece.length;
  }
  return { first, index: Uint32Array.from(index), bits: all, exceptions: Uint32Array.from(exceptions) };
}

/** Takes over what `open` has written of the window that begins at element `first`. */
function collect(
  to: Filling,
  { buffer }: Kernels,
  first: number,
  count: number,
  bytes: number,
  exceptions: number,
): void {
  const bits = new Uint8Array(buffer, BITS, bytes).slice();
  for (const entry of new Uint32Array(buffer, INDEX, Math.ceil(count / BLOCK)))
    to.index.push(entry + to.size);
  const pairs = new Uint32Array(buffer, EXCEPTIONS, 2 * exceptions);
  for (let i = 0; i < pairs.length; i += 2) to.exceptions.push(pairs[i]! + first - to.first, pairs[i + 1]!);
  to.bits.push(bits);
  to.size += bytes;
}

/** Offset of the bits of block `block` in its chunk. */
function offsetOf({ index, bits }: Chunk, block: number): number {
  return block < index.length ? index[block]! & 0x3fffffff : bits.length;
}

/** Writes index and bits of the window of `count` elements at `first` to where `close` looks for them. */
function putParked({ buffer }: Kernels, chunk: Chunk, first: number, count: number): void {
  const block = (first - chunk.first) / BLOCK;
  const end = block + Math.ceil(count / BLOCK);
  const begin = offsetOf(chunk, block);
  new Uint32Array(buffer, INDEX).set(chunk.index.subarray(block, end).map((entry) => entry - begin));
  new Uint8Array(buffer, BITS).set(chunk.bits.subarray(begin, offsetOf(chunk, end)));
}

/** Puts back the exceptions of the window of `count` elements at `first`. */
function putExceptions(window: Elements, chunk: Chunk, first: number, count: number): void {
  const { exceptions } = chunk;
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
  readonly #data: Elements;
  readonly #codec: Codec;
  readonly #chunks: Chunk[] = [];
  #filling = beginning(0);
  /** Elements that are modified: from here … */
  #undone = 0;
  /** … to here. */
  #done = 0;

  constructor(data: Elements, codec: Codec) {
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
    eachWindow(kernels, data, (window, first, count, number) => {
      if (this.#filling.bits.length === WINDOWS_PER_CHUNK) this.#finish(first);
      const { bytes, exceptions } = this.#codec.open(kernels, first, count);
      collect(this.#filling, kernels, first, count, bytes, exceptions);
      data.set(window.subarray(0, count), first);
      this.#done = first + count;
      if (digests === undefined) return;
      padWindow(window, count);
      digests.record(kernels, number, count * data.BYTES_PER_ELEMENT);
    });
    this.#finish(data.length);
  }

  #finish(next: number): void {
    if (this.#filling.index.length > 0) this.#chunks.push(finished(this.#filling));
    this.#filling = beginning(next);
  }

  /** Brings back the bits of all windows that are not lost. */
  undo(care: Care, kernels = currentKernels()): void {
    this.#finish(this.#done);
    for (const [window, first, count] of this.#undoing(this.#data, care, kernels)) {
      this.#data.set(window.subarray(0, count), first);
      this.#undone = first + count;
    }
  }

  /** Undoes the step in a copy of the array, which may be of any state below; the array stays as it is. */
  undoIn(copy: Elements, kernels = currentKernels()): void {
    for (const [window, first, count] of this.#undoing(copy, { lost: new Set() }, kernels)) {
      copy.set(window.subarray(0, count), first);
    }
  }

  /** The windows of `data` as they were before the step, one after the other: each is there until the next. */
  *#undoing(
    data: Elements,
    { expected, lost }: Care,
    kernels: Kernels,
  ): Iterable<readonly [window: Elements, first: number, count: number]> {
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
export function applyCodec(data: Elements, codec: Codec, kernels = currentKernels()): void {
  codec.begin(kernels);
  eachWindow(kernels, data, (window, first, count) => {
    codec.apply(kernels, first, count);
    data.set(window.subarray(0, count), first);
  });
}
