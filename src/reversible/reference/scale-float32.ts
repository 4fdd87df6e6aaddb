/**
 * float32 scaling in plain TypeScript, with the bits of `kernels/scale-float32.as.ts`. A product of two float32 is exact
 * in float64, and a quotient has more than twice the digits: rounding them once more gives the float32 operation.
 */
/* oxlint-disable typescript/no-non-null-assertion -- indices are in range by construction; a check would cost the loop */
import { COMPACT, PLANE } from "../kernels.ts";
import { BITS, BITS_BYTES, BLOCK, INDEX, OPERANDS, WINDOW } from "../layout.ts";
import { keepRaw, RAW, restoreRaw } from "./parked.ts";
import { BitReader, BitWriter } from "./bits.ts";

// Factors to the neighbours of a normal number: 0.7 of a step away from 0, up to 1.4 of one, rounds to one.
const STEP = 8.344650268554688e-8; // 0.7 · 2^-23
const UP = 1 + STEP;
const DOWN = 1 - STEP;

const { fround } = Math;

/** Factors by element of the window. */
function factorsOf(buffer: ArrayBuffer, count: number, factor: number, each: boolean): Float32Array {
  return each ? new Float32Array(buffer, OPERANDS, count) : new Float32Array(count).fill(factor);
}

function isInRange(words: Uint32Array, low: number, high: number): boolean {
  for (const word of words) {
    const size = word & 0x7fffffff;
    if (size !== 0 && (size < low || size > high)) return false;
  }
  return true;
}

function multiply(elements: Float32Array, factors: Float32Array): void {
  for (let i = 0; i < elements.length; i++) elements[i] = elements[i]! * factors[i]!;
}

/** Whether a neighbour of p has the same product. 0 has no neighbours. */
function isAmbiguous(p: number, factor: number): boolean {
  const product = fround(p * factor);
  return (
    p !== 0 && (fround(fround(p * UP) * factor) === product || fround(fround(p * DOWN) * factor) === product)
  );
}

export function scaleFloat32(buffer: ArrayBuffer, count: number, factor: number, each: boolean): void {
  multiply(new Float32Array(buffer, WINDOW, count), factorsOf(buffer, count, factor, each));
}

export function scaleFloat32Open(
  buffer: ArrayBuffer,
  count: number,
  factor: number,
  each: boolean,
  mode: number,
  low: number,
  high: number,
): number {
  const window = new Float32Array(buffer, WINDOW, count);
  const windowWords = new Uint32Array(buffer, WINDOW, count);
  const allFactors = factorsOf(buffer, count, factor, each);
  const index = new Uint32Array(buffer, INDEX);
  const bits = new Uint8Array(buffer, BITS, BITS_BYTES);
  let offset = 0;
  for (let first = 0; first < count; first += BLOCK) {
    const elements = window.subarray(first, first + BLOCK);
    const words = windowWords.subarray(first, first + BLOCK);
    const factors = allFactors.subarray(first, first + BLOCK);
    if (isInRange(words, low, high)) {
      index[first / BLOCK] = offset;
      const stream = new BitWriter(bits, offset);
      if (mode === COMPACT) {
        for (let i = 0; i < words.length; i++) {
          if (isAmbiguous(elements[i]!, factors[i]!)) stream.put(words[i]! & 1, 1);
        }
      } else if (mode === PLANE) {
        for (const word of words) stream.put(word & 1, 1);
        stream.put(0, -words.length & 15);
      }
      offset = stream.flush();
    } else {
      index[first / BLOCK] = offset | RAW;
      offset = keepRaw(bits, offset, elements);
    }
    multiply(elements, factors);
  }
  return offset;
}

/** Closes a block of which every last bit is kept: the quotient is p or, with the other last bit, a neighbour of it. */
function closePlane(
  elements: Float32Array,
  words: Uint32Array,
  factors: Float32Array,
  stream: BitReader,
): void {
  for (let i = 0; i < elements.length; i++) {
    const product = elements[i]!;
    const quotient = fround(product / factors[i]!);
    elements[i] = quotient;
    if (((words[i]! ^ stream.take(1)) & 1) === 0) continue;
    const down = fround(quotient * DOWN);
    elements[i] = fround(down * factors[i]!) === product ? down : quotient * UP;
  }
}

/** Closes a block of which the last bits of ambiguous elements are kept. */
function closeCompact(
  elements: Float32Array,
  words: Uint32Array,
  factors: Float32Array,
  stream: BitReader,
): void {
  for (let i = 0; i < elements.length; i++) {
    const product = elements[i]!;
    const factor = factors[i]!;
    const quotient = fround(product / factor);
    elements[i] = quotient;
    if (quotient === 0) continue;
    const up = fround(quotient * UP);
    const down = fround(quotient * DOWN);
    const isDown = fround(down * factor) === product;
    if (!isDown && fround(up * factor) !== product) continue;
    // with p' a power of two, the quotient itself may have another product
    const fits = fround(quotient * factor) === product;
    if (!fits || ((words[i]! ^ stream.take(1)) & 1) !== 0) elements[i] = isDown ? down : up;
  }
}

export function scaleFloat32Close(
  buffer: ArrayBuffer,
  count: number,
  factor: number,
  each: boolean,
  mode: number,
): void {
  const window = new Float32Array(buffer, WINDOW, count);
  const windowWords = new Uint32Array(buffer, WINDOW, count);
  const allFactors = factorsOf(buffer, count, factor, each);
  const index = new Uint32Array(buffer, INDEX);
  const bits = new Uint8Array(buffer, BITS, BITS_BYTES);
  for (let first = 0; first < count; first += BLOCK) {
    const elements = window.subarray(first, first + BLOCK);
    const words = windowWords.subarray(first, first + BLOCK);
    const factors = allFactors.subarray(first, first + BLOCK);
    const entry = index[first / BLOCK]!;
    if (entry & RAW) {
      restoreRaw(bits, entry, elements);
    } else if (mode === COMPACT) {
      closeCompact(elements, words, factors, new BitReader(bits, entry));
    } else if (mode === PLANE) {
      closePlane(elements, words, factors, new BitReader(bits, entry));
    } else {
      for (let i = 0; i < elements.length; i++) elements[i] = elements[i]! / factors[i]!;
    }
  }
}
