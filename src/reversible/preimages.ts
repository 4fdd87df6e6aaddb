/**
 * Exact undo of any map of a small format, by tables over all its patterns. What a map loses of an element is which
 * of the patterns with the same image it was: the rank among them is parked, in as many bits as that takes. NaN
 * patterns and infinities are patterns like all others, so that there are no exceptions.
 */
/* oxlint-disable typescript/no-non-null-assertion -- indices are in range by construction; a check would cost the loop */
import { roundHalfToEven, ValueRangeError } from "../dtypes/convert.ts";
import { integerRange } from "../dtypes/dtype.ts";
import { float16ToNumber, numberToFloat16 } from "../dtypes/float16.ts";
import type { Codec } from "./codec.ts";
import type { Kernels } from "./kernels.ts";
import { BITS, BLOCK, INDEX, WINDOW } from "./layout.ts";

/** A map of all patterns of a format, p ↦ q, and the way back from q and a rank. */
export interface Preimages {
  /** By p: q. */
  readonly forward: Uint16Array;
  /** By p: how many smaller patterns have the same image. */
  readonly rank: Uint16Array;
  /** By q: bits of a rank, ceil(log2 N) for N patterns with this image. */
  readonly width: Uint8Array;
  /** By q: where its patterns begin in `members`. */
  readonly offset: Uint16Array;
  /** The patterns with an image, those of one q one after the other, in ascending order. */
  readonly members: Uint16Array;
  /** By p: 1 where the map gives nothing. Empty where it gives something everywhere. */
  readonly missing: Uint8Array;
  /** Whether no two patterns have the same image: nothing is lost. */
  readonly isInjective: boolean;
  /** Size of the tables. */
  readonly bytes: number;
}

/** Size of the tables of a format of 16 bits in which every pattern has an image. */
export const SIXTEEN_BIT_TABLE_BYTES = 589_824;

/**
 * Tables of a map of `size` patterns to the same patterns.
 *
 * @param forward - undefined where the format has no value for the result
 */
export function preimagesOf(size: 256 | 65536, forward: (pattern: number) => number | undefined): Preimages {
  const images = new Uint16Array(size);
  const missing = new Uint8Array(size);
  const counts = new Uint32Array(size);
  let mapped = 0;
  for (let p = 0; p < size; p++) {
    const q = forward(p);
    if (q === undefined) {
      missing[p] = 1;
      continue;
    }
    images[p] = q;
    counts[q]!++;
    mapped++;
  }

  const width = new Uint8Array(size);
  const offset = new Uint16Array(size);
  let at = 0;
  for (let q = 0; q < size; q++) {
    const count = counts[q]!;
    // 65,536 would become 0, but comes only behind the last pattern that is an image
    offset[q] = at;
    width[q] = count > 1 ? 32 - Math.clz32(count - 1) : 0;
    at += count;
  }

  const members = new Uint16Array(mapped);
  const rank = new Uint16Array(size);
  const next = new Uint32Array(size);
  for (let p = 0; p < size; p++) {
    if (missing[p] === 1) continue;
    const q = images[p]!;
    rank[p] = next[q]!++;
    members[offset[q]! + rank[p]!] = p;
  }

  const tables = {
    forward: images,
    rank,
    width,
    offset,
    members,
    missing: mapped === size ? new Uint8Array(0) : missing,
  };
  const isInjective = width.every((bitsOfRank) => bitsOfRank === 0);
  return {
    ...tables,
    isInjective,
    bytes: Object.values(tables).reduce((sum, { byteLength }) => sum + byteLength, 0),
  };
}

/** Patterns of a window. */
type Patterns = Uint8Array | Uint16Array;

/** Index entry of a block whose own bytes are parked. */
const RAW = 0x80000000;

/** Maps elements `from` to `to − 1`. */
function map(window: Patterns, from: number, to: number, { forward }: Preimages): void {
  for (let i = from; i < to; i++) window[i] = forward[window[i]!]!;
}

/**
 * As {@link map}, and writes the ranks to the stream that begins at byte `at`, and up to 2 bytes more. Returns the
 * position behind the stream.
 */
function mapAndWrite(
  window: Patterns,
  from: number,
  to: number,
  { forward, width, rank }: Preimages,
  bits: DataView,
  at: number,
): number {
  let pending = 0;
  let pendingWidth = 0;
  for (let i = from; i < to; i++) {
    const p = window[i]!;
    const q = forward[p]!;
    window[i] = q;
    pending |= rank[p]! << pendingWidth;
    pendingWidth += width[q]!;
    // At most 7 + 16 bits. Always storing two bytes costs less than a branch that no processor foresees.
    bits.setInt16(at, pending, true);
    pending >>>= pendingWidth & 24;
    at += pendingWidth >>> 3;
    pendingWidth &= 7;
  }
  if (pendingWidth > 0) bits.setInt8(at++, pending);
  return at;
}

/** Undoes {@link mapAndWrite}. Reads up to 3 bytes behind the stream. */
function readAndUnmap(
  window: Patterns,
  from: number,
  to: number,
  { width, offset, members }: Preimages,
  bits: DataView,
  at: number,
): void {
  // in bits, from the beginning of the stream
  let position = 0;
  for (let i = from; i < to; i++) {
    const q = window[i]!;
    const word = bits.getInt32(at + (position >>> 3), true);
    const bitsOfRank = width[q]!;
    const rank = (word >>> (position & 7)) & ((1 << bitsOfRank) - 1);
    window[i] = members[offset[q]! + rank]!;
    position += bitsOfRank;
  }
}

/** The patterns of the first `count` elements of the window. */
function patternsOf({ buffer }: Kernels, count: number, bytesPerElement: 1 | 2): Patterns {
  return bytesPerElement === 1
    ? new Uint8Array(buffer, WINDOW, count)
    : new Uint16Array(buffer, WINDOW, count);
}

/**
 * A map as a codec. It needs nothing of the kernels but their memory.
 *
 * @param tables - called for each window, so that the codec does not hold them
 * @param bytesPerElement - 1 for tables of 256 patterns, 2 for tables of 65,536
 * @param describe - begins the message about a pattern without an image: `int8 cannot hold 200`
 */
export function mapCodec(
  tables: () => Preimages,
  bytesPerElement: 1 | 2,
  describe: (pattern: number) => string,
): Codec {
  function requireImages(window: Patterns, first: number, { missing }: Preimages): void {
    if (missing.length === 0) return;
    for (let i = 0; i < window.length; i++) {
      if (missing[window[i]!] === 0) continue;
      throw new ValueRangeError(`${describe(window[i]!)} (element ${first + i})`);
    }
  }

  return {
    begin() {},
    apply(kernels, first, count) {
      const window = patternsOf(kernels, count, bytesPerElement);
      const preimages = tables();
      requireImages(window, first, preimages);
      map(window, 0, count, preimages);
    },
    open(kernels, first, count) {
      const window = patternsOf(kernels, count, bytesPerElement);
      const preimages = tables();
      requireImages(window, first, preimages);
      const index = new Uint32Array(kernels.buffer, INDEX, Math.ceil(count / BLOCK));
      if (preimages.isInjective) {
        map(window, 0, count, preimages);
        index.fill(0);
        return { bytes: 0, exceptions: 0 };
      }
      const bits = new DataView(kernels.buffer, BITS);
      let at = 0;
      for (let block = 0; block < index.length; block++) {
        const from = block * BLOCK;
        const to = Math.min(from + BLOCK, count);
        const rawBytes = (to - from) * bytesPerElement;
        index[block] = at;
        const end = mapAndWrite(window, from, to, preimages, bits, at);
        if (end - at < rawBytes) at = end;
        else {
          // Rare: back, to park the elements themselves.
          readAndUnmap(window, from, to, preimages, bits, at);
          const raw = new Uint8Array(kernels.buffer, WINDOW + from * bytesPerElement, rawBytes);
          new Uint8Array(kernels.buffer, BITS + at, rawBytes).set(raw);
          map(window, from, to, preimages);
          index[block] = at + RAW;
          at += rawBytes;
        }
      }
      return { bytes: at, exceptions: 0 };
    },
    close(kernels, _first, count) {
      const preimages = tables();
      const window = patternsOf(kernels, count, bytesPerElement);
      const index = new Uint32Array(kernels.buffer, INDEX, Math.ceil(count / BLOCK));
      const bits = new DataView(kernels.buffer, BITS);
      for (const [block, entry] of index.entries()) {
        const from = block * BLOCK;
        const to = Math.min(from + BLOCK, count);
        if (entry < RAW) readAndUnmap(window, from, to, preimages, bits, entry);
        else {
          const rawBytes = (to - from) * bytesPerElement;
          const raw = new Uint8Array(kernels.buffer, BITS + entry - RAW, rawBytes);
          new Uint8Array(kernels.buffer, WINDOW + from * bytesPerElement, rawBytes).set(raw);
        }
      }
    },
  };
}

/**
 * Scaling as a map of patterns. Integers: the float64 product rounds half to even, and there is none outside the
 * format. float16: the product with the float32 factor rounds to float32, then to float16.
 *
 * @param factor - finite
 */
export function scaleMap(
  dtype: "int8" | "uint8" | "float16",
  factor: number,
): (pattern: number) => number | undefined {
  if (dtype === "float16") {
    const single = Math.fround(factor);
    return (pattern) => {
      // No engine promises what becomes of a NaN's payload, and tables made anew must be the same: made quiet here.
      if ((pattern & 0x7fff) > 0x7c00) return pattern | 0x200;
      const product = Math.fround(float16ToNumber(pattern) * single);
      return Number.isNaN(product) ? 0x7e00 : numberToFloat16(product);
    };
  }
  const [smallest, largest] = integerRange(dtype);
  return (pattern) => {
    const value = dtype === "int8" ? (pattern << 24) >> 24 : pattern;
    const rounded = roundHalfToEven(value * factor);
    return rounded >= smallest && rounded <= largest ? rounded & 0xff : undefined;
  };
}
