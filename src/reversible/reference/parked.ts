/** Raw blocks and exceptions, in plain TypeScript. */
import { EXCEPTIONS } from "../layout.ts";

/** What opening has written: bytes of bits, and exceptions. */
export interface Opened {
  readonly bytes: number;
  readonly exceptions: number;
}

/** Index entry of a raw block, as a number; below are offsets and flags. */
export const RAW = 0x80000000;

/** Where an index entry says that a block's bits begin. */
export function offsetOf(entry: number): number {
  return entry & 0x3fffffff;
}

/** The exceptions of a window. */
export class ExceptionList {
  readonly #words: Uint32Array;
  /** Setting it back drops the last ones. */
  count = 0;

  constructor(buffer: ArrayBuffer) {
    this.#words = new Uint32Array(buffer, EXCEPTIONS);
  }

  push(element: number, bits: number): void {
    this.#words[2 * this.count] = element;
    this.#words[2 * this.count + 1] = bits;
    this.count++;
  }
}

/** Writes the elements of a raw block to `bytes[at]` and the following: as bytes, which keeps every NaN. */
export function keepRaw(bytes: Uint8Array, at: number, block: ArrayBufferView): number {
  bytes.set(new Uint8Array(block.buffer, block.byteOffset, block.byteLength), at);
  return at + block.byteLength;
}

/** Brings the elements of a raw block back. */
export function restoreRaw(bytes: Uint8Array, entry: number, block: ArrayBufferView): void {
  const from = offsetOf(entry);
  const to = new Uint8Array(block.buffer, block.byteOffset, block.byteLength);
  to.set(bytes.subarray(from, from + block.byteLength));
}
