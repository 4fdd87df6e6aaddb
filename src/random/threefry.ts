/**
 * Threefry4x32, the counter-based generator under all noise: words are a pure function of (counter, key).
 * Guarantees the words of Random123's `threefry4x32_R(rounds, counter, key)`, with the key injection that
 * follows every fourth round, the last one included. Only add, rotate and exclusive or on 32-bit words, so
 * every engine, WASM and WGSL give the same words.
 */
/* oxlint-disable typescript/no-non-null-assertion -- indices are in range by construction; a check would cost the loop */

/** Four 32-bit words, each an integer in [0, 2^32). */
export type Words = readonly [number, number, number, number];

/** Rounds the noise uses: the fewest that passed BigCrush (Salmon et al. 2011, "As easy as 1, 2, 3"). */
export const NOISE_ROUNDS = 12;

/** Skein's key-schedule parity constant for 32-bit words: no key makes all five schedule words equal. */
const PARITY = 0x1bd11bda;

/** Rotation distances of round r mod 8: the pair (x0, x1 or x3) first, then (x2, x3 or x1). */
const ROTATIONS = [10, 26, 11, 21, 13, 27, 23, 5, 6, 20, 17, 11, 25, 10, 18, 20] as const;

function rotate(x: number, by: number): number {
  return (x << by) | (x >>> (32 - by));
}

/**
 * The four words of one counter block; the readable form, which any bulk form must agree with.
 *
 * @param rounds - 12 for noise; 13, 20 and 72 have published vectors
 * @returns words in [0, 2^32)
 */
export function threefry4x32(counter: Words, key: Words, rounds: number = NOISE_ROUNDS): Words {
  const schedule = [...key, key[0] ^ key[1] ^ key[2] ^ key[3] ^ PARITY];
  const x = [0, 1, 2, 3].map((i) => (counter[i]! + key[i]!) | 0);
  for (let round = 0; round < rounds; round++) {
    const at = 2 * (round & 7);
    // odd rounds exchange the partners x1 and x3
    const p = round & 1 ? 3 : 1;
    const q = 4 - p;
    x[0] = (x[0]! + x[p]!) | 0;
    x[p] = rotate(x[p]!, ROTATIONS[at]!) ^ x[0];
    x[2] = (x[2]! + x[q]!) | 0;
    x[q] = rotate(x[q]!, ROTATIONS[at + 1]!) ^ x[2];
    if ((round & 3) !== 3) continue;
    const injection = (round + 1) >>> 2;
    for (let i = 0; i < 4; i++) x[i] = (x[i]! + schedule[(injection + i) % 5]!) | 0;
    x[3] = (x[3]! + injection) | 0;
  }
  return [x[0]! >>> 0, x[1]! >>> 0, x[2]! >>> 0, x[3]! >>> 0];
}

/**
 * Write the words of `count` consecutive elements, 12 rounds, in the counter layout of noise.
 *
 * Element i takes output word (i >> 2) & 3 of counter (i >> 4) * 4 + (i & 3): four counters side by side give
 * sixteen consecutive elements, so a SIMD kernel stores its lanes as they are. Counter word 0 is the low 32
 * bits of that number, counter word 1 the high ones, words 2 and 3 are zero.
 *
 * @param words - written from index 0; the caller owns it
 * @param first - global index of the first element, a multiple of 16, at most 2^53
 * @param count - a multiple of 16
 */
export function threefryWords(words: Uint32Array, key: Words, first: number, count: number): void {
  const k0 = key[0] | 0;
  const k1 = key[1] | 0;
  const k2 = key[2] | 0;
  const k3 = key[3] | 0;
  const k4 = k0 ^ k1 ^ k2 ^ k3 ^ PARITY;
  const counter = first / 4;
  let low = counter | 0;
  let high = Math.floor(counter / 0x1_0000_0000) | 0;
  for (let at = 0; at < count; at += 16) {
    const b0 = (high + k1) | 0;
    for (let lane = 0; lane < 4; lane++) {
      let a = (low + lane + k0) | 0;
      let b = b0;
      let c = k2;
      let d = k3;
      // written out: a table of rotations or a call per round is several times slower
      a = (a + b) | 0;
      b = ((b << 10) | (b >>> 22)) ^ a;
      c = (c + d) | 0;
      d = ((d << 26) | (d >>> 6)) ^ c;
      a = (a + d) | 0;
      d = ((d << 11) | (d >>> 21)) ^ a;
      c = (c + b) | 0;
      b = ((b << 21) | (b >>> 11)) ^ c;
      a = (a + b) | 0;
      b = ((b << 13) | (b >>> 19)) ^ a;
      c = (c + d) | 0;
      d = ((d << 27) | (d >>> 5)) ^ c;
      a = (a + d) | 0;
      d = ((d << 23) | (d >>> 9)) ^ a;
      c = (c + b) | 0;
      b = ((b << 5) | (b >>> 27)) ^ c;
      a = (a + k1) | 0;
      b = (b + k2) | 0;
      c = (c + k3) | 0;
      d = (d + k4 + 1) | 0;
      a = (a + b) | 0;
      b = ((b << 6) | (b >>> 26)) ^ a;
      c = (c + d) | 0;
      d = ((d << 20) | (d >>> 12)) ^ c;
      a = (a + d) | 0;
      d = ((d << 17) | (d >>> 15)) ^ a;
      c = (c + b) | 0;
      b = ((b << 11) | (b >>> 21)) ^ c;
      a = (a + b) | 0;
      b = ((b << 25) | (b >>> 7)) ^ a;
      c = (c + d) | 0;
      d = ((d << 10) | (d >>> 22)) ^ c;
      a = (a + d) | 0;
      d = ((d << 18) | (d >>> 14)) ^ a;
      c = (c + b) | 0;
      b = ((b << 20) | (b >>> 12)) ^ c;
      a = (a + k2) | 0;
      b = (b + k3) | 0;
      c = (c + k4) | 0;
      d = (d + k0 + 2) | 0;
      a = (a + b) | 0;
      b = ((b << 10) | (b >>> 22)) ^ a;
      c = (c + d) | 0;
      d = ((d << 26) | (d >>> 6)) ^ c;
      a = (a + d) | 0;
      d = ((d << 11) | (d >>> 21)) ^ a;
      c = (c + b) | 0;
      b = ((b << 21) | (b >>> 11)) ^ c;
      a = (a + b) | 0;
      b = ((b << 13) | (b >>> 19)) ^ a;
      c = (c + d) | 0;
      d = ((d << 27) | (d >>> 5)) ^ c;
      a = (a + d) | 0;
      d = ((d << 23) | (d >>> 9)) ^ a;
      c = (c + b) | 0;
      b = ((b << 5) | (b >>> 27)) ^ c;
      const to = at + lane;
      words[to] = a + k3;
      words[to + 4] = b + k4;
      words[to + 8] = c + k0;
      words[to + 12] = d + k1 + 3;
    }
    low = (low + 4) | 0;
    // low is a multiple of 4, so it passes 2^32 exactly between two groups
    if (low === 0) high = (high + 1) | 0;
  }
}
