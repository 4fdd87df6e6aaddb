/**
 * From (seed, parameter name) to the key of the generator. Guarantees that the seed is kept whole (two seeds
 * never share a key) and that names differ in 64 well-mixed bits, on every runtime alike.
 */
import { threefry4x32, type Words } from "./threefry.ts";

/** Key of one parameter's noise: the seed's low and high 32 bits, then a 64-bit digest of the name. */
export type NoiseKey = Words;

/** Rounds of the name's digest: the published full-strength count, since a name is hashed once. */
const DIGEST_ROUNDS = 20;

/**
 * The key of the noise of parameter `name` under `seed`.
 *
 * Words 0 and 1 are the low and the high 32 bits of the seed. Words 2 and 3 are words 0 and 1 of the digest:
 *
 *     L = number of bytes of the name in UTF-8 (no normalisation; a lone surrogate is EF BF BD)
 *     blocks = the bytes, padded with zeros to a multiple of 16, as little-endian 32-bit words, four a block,
 *              then one block (L, 0, 0, 0)
 *     h = (0, 0, 0, 0);  for each block m:  h = threefry4x32(counter = m, key = h, rounds = 20) xor m
 *
 * This is the Matyas-Meyer-Oseas chain with the length in its last block. It is a hash against accidents, not
 * against an adversary.
 *
 * @param seed - an integer, 0 ≤ seed ≤ 2^53 - 1
 * @throws TypeError if the seed is not a number or the name not a string
 * @throws RangeError if the seed is not an integer of that range
 */
export function noiseKey(seed: number, name: string): NoiseKey {
  if (typeof seed !== "number") throw new TypeError(`noise: seed must be a number, got ${typeof seed}`);
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new RangeError(`noise: seed must be an integer from 0 to 2^53 - 1, got ${seed}`);
  }
  if (typeof name !== "string") throw new TypeError(`noise: name must be a string, got ${typeof name}`);
  const [digestLow, digestHigh] = digest(new TextEncoder().encode(name));
  return [seed >>> 0, Math.floor(seed / 0x1_0000_0000) >>> 0, digestLow, digestHigh];
}

function digest(bytes: Uint8Array): Words {
  const padded = new DataView(new ArrayBuffer(16 * Math.ceil(bytes.length / 16)));
  bytes.forEach((byte, i) => padded.setUint8(i, byte));
  let state: Words = [0, 0, 0, 0];
  for (let at = 0; at < padded.byteLength; at += 16) {
    const word = (i: number): number => padded.getUint32(at + 4 * i, true);
    state = absorb(state, [word(0), word(1), word(2), word(3)]);
  }
  return absorb(state, [bytes.length, 0, 0, 0]);
}

function absorb(state: Words, block: Words): Words {
  const [a, b, c, d] = threefry4x32(block, state, DIGEST_ROUNDS);
  return [(a ^ block[0]) >>> 0, (b ^ block[1]) >>> 0, (c ^ block[2]) >>> 0, (d ^ block[3]) >>> 0];
}
