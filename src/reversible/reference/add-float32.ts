/**
 * float32: p' = p + d, reversibly, with d any number that can be computed again. E(x) is the exponent of x, u the last place
 * of p', fl the rounding to float32.
 *
 * Opening. The last E(fl(p + d)) − E(p) bits of p lie below u. They are parked and cleared; d is rounded to a multiple of
 * u where it has finer bits. Now both are multiples of u, and so is their sum, which is below 2^(E + 1): it is exact,
 * whatever the rounding. p' is less than 2 u from fl(p + d) and a multiple of u as well, so that it is fl(p + d) or next to
 * it. Should the sum leave the binade of fl(p + d) (one in millions), p' is fl(p + d).
 *
 * Closing. p' always has the exponent of fl(p + d). With it, d is rounded as before, p' − d is p without its parked bits,
 * exactly, and E(p') − E(p' − d) is how many these were: nothing is stored but the bits themselves.
 *
 * An element that all this does not bring back (p far below u, −0, an overflow) is listed as an exception: opening does
 * what closing will do, and compares.
 */
/* oxlint-disable typescript/no-non-null-assertion -- indices are in range by construction; a check would cost the loop */
import { float32Bits, float32OfBits } from "../../dtypes/float32.ts";
import { BITS, BLOCK, INDEX, OPERANDS, WINDOW } from "../layout.ts";
import { BitReader, BitWriter } from "./bits.ts";
import { ExceptionList, keepRaw, type Opened, RAW, restoreRaw } from "./parked.ts";

const SIGN = 0x80000000;
const EXPONENT = 0x7f800000;
/** Exponent of the largest finite numbers. */
const TOP = 254 << 23;
/** A block with a p of this exponent or a larger one is raw: no p' − d overflows, and NaN is no concern. */
const TOO_LARGE = 252 << 23;
/** Parked bits of an element at most. */
const WIDEST = 14;

/** The exponent whose last place counts in a sum, where it stands in a float. */
function binadeOf(sum: number): number {
  return Math.min(sum & EXPONENT, TOP);
}

/** d without what lies below the last place of a binade. */
function coarse(d: number, binade: number): number {
  const bits = float32Bits(d);
  // ±2^binade, away from 0: the sum stays in the binade, and is rounded to its last place
  const power = (bits & EXPONENT) < binade ? float32OfBits(binade | (bits & SIGN)) : 0;
  return Math.fround(Math.fround(d + power) - power);
}

/** Bits of p' of bits of p. */
function exactSum(p: number, d: number): number {
  const value = float32OfBits(p);
  const rounded = float32Bits(value + d);
  const binade = binadeOf(rounded);
  // subnormal numbers are spaced as if their exponent were 1
  const gained = (binade - Math.max(p & EXPONENT, 1 << 23)) >> 23;
  const width = Math.min(Math.max(gained, 0), 23);
  const delta = coarse(d, binade);
  const exact = float32Bits((width === 0 ? value : float32OfBits(p & (-1 << width))) + delta);
  return ((exact ^ rounded) & EXPONENT) === 0 ? exact : rounded;
}

/** Bits of p' − d: p, but for the bits that are parked. */
function difference(sum: number, d: number): number {
  return float32Bits(float32OfBits(sum) - coarse(d, binadeOf(sum)));
}

/** How many bits are parked. */
function parkedWidth(sum: number, restored: number): number {
  const lost = (binadeOf(sum) - (restored & EXPONENT)) >> 23;
  return lost > 0 && lost <= WIDEST ? lost : 0;
}

function isRaw(window: Int32Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if ((window[i]! & EXPONENT) >= TOO_LARGE) return true;
  return false;
}

export function addFloat32(buffer: ArrayBuffer, count: number): void {
  const window = new Int32Array(buffer, WINDOW, count);
  const operands = new Float32Array(buffer, OPERANDS, count);
  for (let i = 0; i < count; i++) window[i] = exactSum(window[i]!, operands[i]!);
}

export function addFloat32Open(buffer: ArrayBuffer, count: number): Opened {
  const window = new Int32Array(buffer, WINDOW, count);
  const operands = new Float32Array(buffer, OPERANDS, count);
  const index = new Uint32Array(buffer, INDEX);
  const bytes = new Uint8Array(buffer, BITS);
  const exceptions = new ExceptionList(buffer);
  let at = 0;
  for (let from = 0; from < count; from += BLOCK) {
    const to = Math.min(from + BLOCK, count);
    const original = window.slice(from, to);
    const raw = isRaw(window, from, to);
    const listed = exceptions.count;
    const bits = new BitWriter(bytes, at);
    for (let i = from; i < to; i++) {
      const p = window[i]!;
      const d = operands[i]!;
      const sum = exactSum(p, d);
      window[i] = sum;
      if (raw) continue;
      const restored = difference(sum, d);
      const width = parkedWidth(sum, restored);
      const code = p & ((1 << width) - 1);
      bits.put(code, width);
      if ((restored | code) !== p) exceptions.push(i, p);
    }
    const end = bits.flush();
    if (raw || end - at + 8 * (exceptions.count - listed) >= original.byteLength) {
      exceptions.count = listed;
      index[from / BLOCK] = at | RAW;
      at = keepRaw(bytes, at, original);
    } else {
      index[from / BLOCK] = at;
      at = end;
    }
  }
  return { bytes: at, exceptions: exceptions.count };
}

export function addFloat32Close(buffer: ArrayBuffer, count: number): void {
  const window = new Int32Array(buffer, WINDOW, count);
  const operands = new Float32Array(buffer, OPERANDS, count);
  const index = new Uint32Array(buffer, INDEX);
  const bytes = new Uint8Array(buffer, BITS);
  for (let from = 0; from < count; from += BLOCK) {
    const to = Math.min(from + BLOCK, count);
    const entry = index[from / BLOCK]!;
    if (entry >= RAW) {
      restoreRaw(bytes, entry, window.subarray(from, to));
      continue;
    }
    const bits = new BitReader(bytes, entry);
    for (let i = from; i < to; i++) {
      const sum = window[i]!;
      const restored = difference(sum, operands[i]!);
      window[i] = restored | bits.take(parkedWidth(sum, restored));
    }
  }
}
