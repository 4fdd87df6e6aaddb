/**
 * 64 bits that tell whether a window has changed: 32 chains, one for each lane of 8 vectors, folded at the end.
 * Each step is a bijection of the chain for a given word, and of the word for a given chain, so that one changed word
 * always shows. Not cryptographic.
 */
import { DIGEST, WINDOW } from "../layout";

const CHAINS: usize = memory.data(128, 16);
/** Odd: multiplication is a bijection. In memory, because V8 makes constants of its code again in every round. */
const MULTIPLIER: usize = memory.data<u32>([0x9e3779b1, 0x9e3779b1, 0x9e3779b1, 0x9e3779b1], 16);

// @ts-ignore: decorator
@inline
function step(chain: v128, at: usize, multiplier: v128): v128 {
  const product = i32x4.mul(v128.xor(chain, v128.load(at)), multiplier);
  // the highest bits, which no product carries further, come down: else two flipped signs would cancel
  return v128.xor(product, i32x4.shr_u(product, 15));
}

export function digest(bytes: u32): void {
  const end = WINDOW + ((bytes + 127) & ~127);
  memory.fill(WINDOW + bytes, 0, end - WINDOW - bytes);
  const multiplier = v128.load(MULTIPLIER);
  let chain0 = i32x4.splat(0x243f6a88);
  let chain1 = i32x4.splat(0x85a308d3);
  let chain2 = i32x4.splat(0x13198a2e);
  let chain3 = i32x4.splat(0x03707344);
  let chain4 = i32x4.splat(0xa4093822);
  let chain5 = i32x4.splat(0x299f31d0);
  let chain6 = i32x4.splat(0x082efa98);
  let chain7 = i32x4.splat(0xec4e6c89);
  for (let at = WINDOW; at < end; at += 128) {
    chain0 = step(chain0, at, multiplier);
    chain1 = step(chain1, at + 16, multiplier);
    chain2 = step(chain2, at + 32, multiplier);
    chain3 = step(chain3, at + 48, multiplier);
    chain4 = step(chain4, at + 64, multiplier);
    chain5 = step(chain5, at + 80, multiplier);
    chain6 = step(chain6, at + 96, multiplier);
    chain7 = step(chain7, at + 112, multiplier);
  }
  v128.store(CHAINS, chain0);
  v128.store(CHAINS, chain1, 16);
  v128.store(CHAINS, chain2, 32);
  v128.store(CHAINS, chain3, 48);
  v128.store(CHAINS, chain4, 64);
  v128.store(CHAINS, chain5, 80);
  v128.store(CHAINS, chain6, 96);
  v128.store(CHAINS, chain7, 112);
  fold(bytes);
}

/** For a given chain, (low, high) → (low, high) is a bijection; so is chain → low, for a given (low, high). */
function fold(bytes: u32): void {
  let low: u32 = bytes;
  let high: u32 = 0x452821e6;
  for (let i = 0; i < 128; i += 4) {
    low = rotl<u32>((low ^ load<u32>(CHAINS + i)) * 0x85ebca77, 13);
    high = rotl<u32>((high ^ low) * 0xc2b2ae3d, 17);
    low += high;
  }
  store<u32>(DIGEST, low);
  store<u32>(DIGEST, high, 4);
}
