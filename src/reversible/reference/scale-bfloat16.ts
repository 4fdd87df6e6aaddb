/** bfloat16 scaling in plain TypeScript, with the bits of `kernels/scale-bfloat16.as.ts`. */
/* oxlint-disable typescript/no-non-null-assertion -- indices are in range by construction; a check would cost the loop */
import { COMPACT, PLANE } from "../kernels.ts";
import { BITS, BITS_BYTES, BLOCK, INDEX, TABLES, WINDOW, WINDOW_BYTES } from "../layout.ts";
import { BitReader, BitWriter } from "./bits.ts";
import { keepRaw, RAW, restoreRaw } from "./parked.ts";

const word = new Uint32Array(1);
const number = new Float32Array(word.buffer);

/** rne16(fl32(p · factor)) of a bit pattern. */
export function bfloat16Product(bits: number, factor: number): number {
  word[0] = bits << 16;
  const product = number[0]! * factor;
  number[0] = product;
  const rounded = word[0];
  // a NaN, quiet, is cut: a rounding could carry its bits over into −0
  if (product !== product) return (rounded >>> 16) | 0x40;
  return (rounded + 0x7fff + ((rounded >>> 16) & 1)) >>> 16;
}

function multiply(elements: Uint16Array, factor: number): void {
  for (let i = 0; i < elements.length; i++) elements[i] = bfloat16Product(elements[i]!, factor);
}

function isInRange(elements: Uint16Array, low: number, high: number): boolean {
  for (const bits of elements) {
    const size = bits & 0x7fff;
    if (size !== 0 && (size < low || size > high)) return false;
  }
  return true;
}

export function scaleBfloat16(buffer: ArrayBuffer, count: number, factor: number): void {
  multiply(new Uint16Array(buffer, WINDOW, count), factor);
}

export function scaleBfloat16Open(
  buffer: ArrayBuffer,
  count: number,
  factor: number,
  mode: number,
  low: number,
  high: number,
): number {
  const window = new Uint16Array(buffer, WINDOW, WINDOW_BYTES / 2);
  const index = new Uint32Array(buffer, INDEX);
  const bits = new Uint8Array(buffer, BITS, BITS_BYTES);
  const tables = new Uint8Array(buffer, TABLES, 256);
  let offset = 0;
  for (let first = 0; first < count; first += BLOCK) {
    const end = Math.min(first + BLOCK, count);
    const elements = window.subarray(first, end);
    if (!isInRange(elements, low, high)) {
      index[first / BLOCK] = offset | RAW;
      offset = keepRaw(bits, offset, elements);
      multiply(elements, factor);
      continue;
    }
    index[first / BLOCK] = offset;
    const stream = new BitWriter(bits, offset);
    if (mode === COMPACT) {
      for (const p of elements) if ((p & 0x7fff) !== 0 && tables[128 + (p & 127)] !== 0) stream.put(p & 1, 1);
    } else if (mode === PLANE) {
      for (const p of elements) stream.put(p & 1, 1);
      stream.put(0, -elements.length & 15);
    }
    multiply(elements, factor);
    offset = stream.flush();
  }
  return offset;
}

export function scaleBfloat16Close(
  buffer: ArrayBuffer,
  count: number,
  mode: number,
  base: number,
  sign: number,
): void {
  const window = new Uint16Array(buffer, WINDOW, WINDOW_BYTES / 2);
  const index = new Uint32Array(buffer, INDEX);
  const bits = new Uint8Array(buffer, BITS, BITS_BYTES);
  const tables = new Uint8Array(buffer, TABLES, 256);
  for (let first = 0; first < count; first += BLOCK) {
    const elements = window.subarray(first, Math.min(first + BLOCK, count));
    const entry = index[first / BLOCK]!;
    const offset = entry & ~RAW;
    if (entry & RAW) {
      restoreRaw(bits, entry, elements);
      continue;
    }
    const stream = new BitReader(bits, offset);
    for (let i = 0; i < elements.length; i++) {
      const product = elements[i]!;
      const isZero = (product & 0x7fff) === 0;
      const found = tables[product & 127]!;
      let p = isZero ? product : product - base - (found & 127);
      if (mode === PLANE) p += (p ^ stream.take(1)) & 1;
      else if (mode === COMPACT && !isZero && found > 127) p += (p ^ stream.take(1)) & 1;
      elements[i] = p ^ sign;
    }
  }
}
