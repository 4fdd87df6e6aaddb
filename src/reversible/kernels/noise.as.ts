/**
 * Gaussian noise: the deltas of `random/noise.ts`, bit for bit. Words of Threefry4x32-12, from each a normal by an inverse
 * CDF table, from that an odd integer times a power of two. Each block is worked on in two passes, so that the chain of
 * 12 rounds and the latency of table look-ups do not add up.
 */
import { BLOCK, NORMAL_TABLE, OPERANDS } from "../layout";

const BLOCK_BYTES: usize = BLOCK * 4;

/** 2^-149, the smallest float32. */
const SMALLEST: f64 = 1.401298464324817e-45;
/** 2^102, by which a quantum below {@link SMALLEST} becomes a float32. */
const UP: f64 = 5.070602400912918e30;

/** Skein's parity constant, as in `random/threefry.ts`. */
const PARITY: u32 = 0x1bd11bda;

// @ts-ignore: decorator
@inline
function rotate(x: v128, by: i32): v128 {
  return v128.or(i32x4.shl(x, by), i32x4.shr_u(x, 32 - by));
}

/**
 * The words of one block to `to`: four counters in the lanes of a vector give sixteen consecutive elements, by the
 * counter layout of `random/threefry.ts`, so that vectors are stored as they are.
 *
 * @param low - low word of the first counter; no counter of the block passes 2^32
 */
function words(to: usize, key0: u32, key1: u32, key2: u32, key3: u32, low: u32, high: u32): void {
  const k0 = i32x4.splat(key0);
  const k1 = i32x4.splat(key1);
  const k2 = i32x4.splat(key2);
  const k3 = i32x4.splat(key3);
  const k4 = i32x4.splat(key0 ^ key1 ^ key2 ^ key3 ^ PARITY);
  // what each injection adds to the last word: the key and the number of the injection
  const k4Plus1 = i32x4.add(k4, i32x4.splat(1));
  const k0Plus2 = i32x4.add(k0, i32x4.splat(2));
  const k1Plus3 = i32x4.add(k1, i32x4.splat(3));
  // Only the first word depends on the low word of the counter: what the first rounds make of the others is the same
  // for the whole block.
  const b0 = i32x4.add(i32x4.splat(high), k1);
  const b0Turned = rotate(b0, 10);
  const c1 = i32x4.add(k2, k3);
  const d1 = v128.xor(rotate(k3, 26), c1);
  const d1Turned = rotate(d1, 11);
  // the first word after its first addition
  let counter = i32x4.add(i32x4.add(i32x4.add(i32x4(0, 1, 2, 3), i32x4.splat(low)), k0), b0);
  for (let at = to; at < to + BLOCK_BYTES; at += 64) {
    let b = v128.xor(b0Turned, counter);
    let a = i32x4.add(counter, d1);
    let d = v128.xor(d1Turned, a);
    let c = i32x4.add(c1, b);
    b = v128.xor(rotate(b, 21), c);
    a = i32x4.add(a, b);
    b = v128.xor(rotate(b, 13), a);
    c = i32x4.add(c, d);
    d = v128.xor(rotate(d, 27), c);
    a = i32x4.add(a, d);
    d = v128.xor(rotate(d, 23), a);
    c = i32x4.add(c, b);
    b = v128.xor(rotate(b, 5), c);

    a = i32x4.add(a, k1);
    b = i32x4.add(b, k2);
    c = i32x4.add(c, k3);
    d = i32x4.add(d, k4Plus1);
    a = i32x4.add(a, b);
    b = v128.xor(rotate(b, 6), a);
    c = i32x4.add(c, d);
    d = v128.xor(rotate(d, 20), c);
    a = i32x4.add(a, d);
    d = v128.xor(rotate(d, 17), a);
    c = i32x4.add(c, b);
    b = v128.xor(rotate(b, 11), c);
    a = i32x4.add(a, b);
    b = v128.xor(rotate(b, 25), a);
    c = i32x4.add(c, d);
    d = v128.xor(rotate(d, 10), c);
    a = i32x4.add(a, d);
    d = v128.xor(rotate(d, 18), a);
    c = i32x4.add(c, b);
    b = v128.xor(rotate(b, 20), c);

    a = i32x4.add(a, k2);
    b = i32x4.add(b, k3);
    c = i32x4.add(c, k4);
    d = i32x4.add(d, k0Plus2);
    a = i32x4.add(a, b);
    b = v128.xor(rotate(b, 10), a);
    c = i32x4.add(c, d);
    d = v128.xor(rotate(d, 26), c);
    a = i32x4.add(a, d);
    d = v128.xor(rotate(d, 11), a);
    c = i32x4.add(c, b);
    b = v128.xor(rotate(b, 21), c);
    a = i32x4.add(a, b);
    b = v128.xor(rotate(b, 13), a);
    c = i32x4.add(c, d);
    d = v128.xor(rotate(d, 27), c);
    a = i32x4.add(a, d);
    d = v128.xor(rotate(d, 23), a);
    c = i32x4.add(c, b);
    b = v128.xor(rotate(b, 5), c);

    v128.store(at, i32x4.add(a, k3));
    v128.store(at, i32x4.add(b, k4), 16);
    v128.store(at, i32x4.add(c, k0), 32);
    v128.store(at, i32x4.add(d, k1Plus3), 48);
    counter = i32x4.add(counter, i32x4.splat(4));
  }
}

// Constants of all lanes alike, to be loaded: V8 makes a constant vector anew in every round, in four instructions.
const ONE: usize = memory.data<u32>([1, 1, 1, 1], 16);
const MAGNITUDE: usize = memory.data<u32>([0x7fffffff, 0x7fffffff, 0x7fffffff, 0x7fffffff], 16);
/** Largest integer of 24 bits, and what is cut off longer ones, of 31 bits. */
const LONGEST: usize = memory.data<u32>([0xffffff, 0xffffff, 0xffffff, 0xffffff], 16);
const EXCESS: usize = memory.data<u32>([0x7f, 0x7f, 0x7f, 0x7f], 16);
/** The slope in an entry of the table, and 16 bits of a fraction. */
const SLOPE: usize = memory.data<u32>([0x7ff, 0x7ff, 0x7ff, 0x7ff], 16);
const FRACTION: usize = memory.data<u32>([0xffff, 0xffff, 0xffff, 0xffff], 16);

/** |z| of four words in Q17, as `normalMagnitude` in `random/normal.ts` has it. */
// @ts-ignore: decorator
@inline
function normalMagnitudes(words: v128): v128 {
  const tail = v128.and(words, v128.load(MAGNITUDE));
  const isLong = i32x4.gt_s(tail, v128.load(LONGEST));
  const cut = v128.andnot(tail, v128.and(isLong, v128.load(EXCESS)));
  // at most 24 significant bits: exact, and the exponent of the float is the octave, its mantissa the rest
  const float = f32x4.convert_i32x4_s(i32x4.max_s(cut, v128.load(ONE)));
  // octave · 64 + segment, times the 4 bytes of an entry; the exponent's bias is taken off the table's address
  const offsets = i32x4.shl(i32x4.shr_u(float, 17), 2);
  const table: usize = NORMAL_TABLE - (127 << 8);
  let entries = v128.load32_zero(table + <usize>i32x4.extract_lane(offsets, 0));
  entries = v128.load32_lane(table + <usize>i32x4.extract_lane(offsets, 1), entries, 1);
  entries = v128.load32_lane(table + <usize>i32x4.extract_lane(offsets, 2), entries, 2);
  entries = v128.load32_lane(table + <usize>i32x4.extract_lane(offsets, 3), entries, 3);
  const slope = v128.and(entries, v128.load(SLOPE));
  const fraction = v128.and(i32x4.shr_u(float, 1), v128.load(FRACTION));
  return i32x4.sub(i32x4.shr_u(entries, 11), i32x4.shr_u(i32x4.mul(slope, fraction), 16));
}

/** Deltas of four words: `latticeMagnitude` in `random/lattice.ts` with the sign of the word, times the quantum. */
// @ts-ignore: decorator
@inline
function deltas(words: v128, high: v128, low: v128, shift: i32, quantum: v128): v128 {
  const z = normalMagnitudes(words);
  const scaled = i32x4.add(i32x4.mul(z, high), i32x4.shr_u(i32x4.mul(z, low), 12));
  const odd = v128.or(i32x4.shr_u(scaled, shift), v128.load(ONE));
  const magnitude = f32x4.mul(f32x4.convert_i32x4_s(odd), quantum);
  return v128.or(magnitude, v128.andnot(words, v128.load(MAGNITUDE)));
}

/** Words of a block become deltas, where they lie. */
function wordsToDeltas(block: usize, latticeHigh: i32, latticeLow: i32, shift: i32, quantum: f32): void {
  const high = i32x4.splat(latticeHigh);
  const low = i32x4.splat(latticeLow);
  const quanta = f32x4.splat(quantum);
  for (let at = block; at < block + BLOCK_BYTES; at += 32) {
    const first = deltas(v128.load(at), high, low, shift, quanta);
    const second = deltas(v128.load(at, 16), high, low, shift, quanta);
    v128.store(at, first);
    v128.store(at, second, 16);
  }
}

function multiply(block: usize, factor: f32): void {
  const factors = f32x4.splat(factor);
  for (let at = block; at < block + BLOCK_BYTES; at += 16) {
    v128.store(at, f32x4.mul(v128.load(at), factors));
  }
}

export function noise(
  count: u32,
  key0: u32,
  key1: u32,
  key2: u32,
  key3: u32,
  counterLow: u32,
  counterHigh: u32,
  latticeHigh: i32,
  latticeLow: i32,
  shift: i32,
  quantum: f64,
): void {
  // A quantum below all float32: an exact product, then one that rounds once, as a float64 becomes a float32.
  const isTiny = quantum < SMALLEST;
  const step = <f32>(isTiny ? quantum * UP : quantum);
  for (let first: u32 = 0; first < count; first += BLOCK) {
    const block: usize = OPERANDS + (first << 2);
    words(block, key0, key1, key2, key3, counterLow, counterHigh);
    wordsToDeltas(block, latticeHigh, latticeLow, shift, step);
    if (isTiny) multiply(block, <f32>(1 / UP));
    counterLow += BLOCK / 4;
    if (counterLow == 0) counterHigh++;
  }
}
