/**
 * 64 bits that tell whether a window has changed, in plain TypeScript, with the bits of `kernels/digest.as.ts`: word i
 * goes to sum i mod 16, and what the sum is then to one of its two mixtures. All are folded at the end.
 */
/* oxlint-disable typescript/no-non-null-assertion -- indices are in range by construction; a check would cost the loop */
import { DIGEST, WINDOW } from "../layout.ts";

/** First values of sums 0 to 3, 4 to 7, …, then of mixtures, even and odd; the digits of π, as in the kernel. */
const SEEDS = [
  0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0x082efa98, 0xec4e6c89, 0x452821e6,
  0x38d01377, 0xbe5466cf, 0x34e90c6c,
] as const;
const SUMS = 16;

function rotateLeft(x: number, distance: number): number {
  return (x << distance) | (x >>> (32 - distance));
}

/** Writes the digest of the first `bytes` bytes of the window. The window becomes zero up to a multiple of 128. */
export function digest(buffer: ArrayBuffer, bytes: number): void {
  const words = new Int32Array(buffer, WINDOW, ((bytes + 127) & ~127) / 4);
  new Uint8Array(buffer, WINDOW, words.byteLength).fill(0, bytes);
  const state = Int32Array.from({ length: 3 * SUMS }, (_, i) => SEEDS[i >> 2]!);
  for (let i = 0; i < words.length; i++) {
    const at = i % SUMS;
    state[at]! += words[i]!;
    const mixture = (i & SUMS) === 0 ? SUMS + at : 2 * SUMS + at;
    const before = state[mixture]!;
    state[mixture] = Math.imul((before << 16) >> 16, -25033) + Math.imul(before >> 16, 31153) + state[at]!;
  }
  let low = bytes;
  let high = 0x452821e6;
  for (const word of state) {
    low = rotateLeft(Math.imul(low ^ word, 0x85ebca77), 13);
    high = rotateLeft(Math.imul(high ^ low, 0xc2b2ae3d), 17);
    low = (low + high) | 0;
  }
  const result = new Int32Array(buffer, DIGEST, 2);
  result[0] = low;
  result[1] = high;
}
