/**
 * 64 bits that tell whether a window has changed. 16 sums of words, one for each lane of 4 vectors, and two mixtures of
 * each: of what it is after every even, and every odd, word. All are folded at the end. A sum is a bijection of itself for
 * a given word: one changed word always shows there, and a second one that makes up for it in a mixture, but for a chance
 * of 2^-32. Not cryptographic.
 */
import { DIGEST, WINDOW } from "../layout";

const STATE: usize = memory.data(192, 16);
/** Two odd numbers of 16 bits, coprime. In memory, because V8 makes constants of its code again in every round. */
const MULTIPLIERS: usize = memory.data<u32>([0x79b19e37, 0x79b19e37, 0x79b19e37, 0x79b19e37], 16);

/** Each half of the mixture times a number of its own: low bits go up, high ones down, and one instruction does it. */
// @ts-ignore: decorator
@inline
function mix(mixture: v128, sum: v128, multipliers: v128): v128 {
  return i32x4.add(i32x4.dot_i16x8_s(mixture, multipliers), sum);
}

export function digest(bytes: u32): void {
  const end = WINDOW + ((bytes + 127) & ~127);
  memory.fill(WINDOW + bytes, 0, end - WINDOW - bytes);
  const multipliers = v128.load(MULTIPLIERS);
  let sum0 = i32x4.splat(0x243f6a88);
  let sum1 = i32x4.splat(0x85a308d3);
  let sum2 = i32x4.splat(0x13198a2e);
  let sum3 = i32x4.splat(0x03707344);
  let even0 = i32x4.splat(0xa4093822);
  let even1 = i32x4.splat(0x299f31d0);
  let even2 = i32x4.splat(0x082efa98);
  let even3 = i32x4.splat(0xec4e6c89);
  let odd0 = i32x4.splat(0x452821e6);
  let odd1 = i32x4.splat(0x38d01377);
  let odd2 = i32x4.splat(0xbe5466cf);
  let odd3 = i32x4.splat(0x34e90c6c);
  for (let at = WINDOW; at < end; at += 128) {
    sum0 = i32x4.add(sum0, v128.load(at));
    sum1 = i32x4.add(sum1, v128.load(at, 16));
    sum2 = i32x4.add(sum2, v128.load(at, 32));
    sum3 = i32x4.add(sum3, v128.load(at, 48));
    even0 = mix(even0, sum0, multipliers);
    even1 = mix(even1, sum1, multipliers);
    even2 = mix(even2, sum2, multipliers);
    even3 = mix(even3, sum3, multipliers);
    sum0 = i32x4.add(sum0, v128.load(at, 64));
    sum1 = i32x4.add(sum1, v128.load(at, 80));
    sum2 = i32x4.add(sum2, v128.load(at, 96));
    sum3 = i32x4.add(sum3, v128.load(at, 112));
    odd0 = mix(odd0, sum0, multipliers);
    odd1 = mix(odd1, sum1, multipliers);
    odd2 = mix(odd2, sum2, multipliers);
    odd3 = mix(odd3, sum3, multipliers);
  }
  v128.store(STATE, sum0);
  v128.store(STATE, sum1, 16);
  v128.store(STATE, sum2, 32);
  v128.store(STATE, sum3, 48);
  v128.store(STATE, even0, 64);
  v128.store(STATE, even1, 80);
  v128.store(STATE, even2, 96);
  v128.store(STATE, even3, 112);
  v128.store(STATE, odd0, 128);
  v128.store(STATE, odd1, 144);
  v128.store(STATE, odd2, 160);
  v128.store(STATE, odd3, 176);
  fold(bytes);
}

/** For a given word, (low, high) → (low, high) is a bijection; so is word → low, for a given (low, high). */
function fold(bytes: u32): void {
  let low: u32 = bytes;
  let high: u32 = 0x452821e6;
  for (let i = 0; i < 192; i += 4) {
    low = rotl<u32>((low ^ load<u32>(STATE + i)) * 0x85ebca77, 13);
    high = rotl<u32>((high ^ low) * 0xc2b2ae3d, 17);
    low += high;
  }
  store<u32>(DIGEST, low);
  store<u32>(DIGEST, high, 4);
}
