/**
 * Streams of bits in BITS, and moving bits to and from the lanes that a mask selects. A position is counted in bits
 * from the beginning of BITS; the first field lies in the lowest bits of the first byte.
 */
import { BITS, BLOCK, WINDOW } from "../layout";

/** Bit of an index entry: the block is kept as it was. The bits below are its byte offset in BITS. */
export const RAW: u32 = 0x80000000;

// Modes of a scale, as in ../kernels.ts.
export const COMPACT: i32 = 0;
export const PLANE: i32 = 1;

/** The bits from a position on, 57 of them at least. */
// @ts-ignore: decorator
@inline
export function peekBits(at: u32): u64 {
  return load<u64>(BITS + (at >> 3)) >> (at & 7);
}

/** The window is zero behind its elements up to the end of the block; a product or quotient may have made −0 or NaN. */
export function clearTail(count: u32, bytesPerElement: u32): void {
  const missing = -count & (BLOCK - 1);
  memory.fill(WINDOW + count * bytesPerElement, 0, missing * bytesPerElement);
}

/** One bit for each of 16 lanes of 32 bits, set where the lane is negative: where a mask of lanes is set. */
// @ts-ignore: decorator
@inline
export function signs16(a: v128, b: v128, c: v128, d: v128): u32 {
  const low = i16x8.narrow_i32x4_s(a, b);
  const high = i16x8.narrow_i32x4_s(c, d);
  return i8x16.bitmask(i8x16.narrow_i16x8_s(low, high));
}

// ---- Marked bits of a block, closed up ----

/** For each 16 lanes of a block, a bit per lane: whether its last bit is kept. */
const MARKS: usize = memory.data(BLOCK / 8, 16);
/** The last bits of the lanes. */
const LASTS: usize = memory.data(BLOCK / 8, 16);

/** Notes 16 lanes, the first of which is element `lane` of the block, for {@link putMarked}. */
// @ts-ignore: decorator
@inline
export function mark16(lane: i32, marks: u32, lasts: u32): void {
  store<u16>(MARKS + (lane >> 3), marks);
  store<u16>(LASTS + (lane >> 3), lasts);
}

/** Each bit becomes the parity of itself and all bits below. */
// @ts-ignore: decorator
@inline
function parities(x: v128): v128 {
  x = v128.xor(x, i32x4.shl(x, 1));
  x = v128.xor(x, i32x4.shl(x, 2));
  x = v128.xor(x, i32x4.shl(x, 4));
  x = v128.xor(x, i32x4.shl(x, 8));
  return v128.xor(x, i32x4.shl(x, 16));
}

/** Moves the selected bits to the right by a distance; nothing lies where they go. */
// @ts-ignore: decorator
@inline
function moveRight(x: v128, selected: v128, distance: i32): v128 {
  const moved = v128.and(x, selected);
  return v128.or(v128.xor(x, moved), i32x4.shr_u(moved, distance));
}

/**
 * In each lane, the bits of `x` that `mask` selects, closed up to the right. Warren, Hacker's Delight, "compress":
 * a bit goes right by the number of zeros of the mask below it, in steps of 1, 2, 4, 8 and 16.
 */
// @ts-ignore: decorator
@inline
function compress(x: v128, mask: v128): v128 {
  x = v128.and(x, mask);
  let zeros = i32x4.shl(v128.not(mask), 1); // bits that have a zero directly to their right
  let odd = parities(zeros); // odd number of zeros below: moves in this step
  let moving = v128.and(odd, mask);
  x = moveRight(x, moving, 1);
  mask = moveRight(mask, moving, 1);

  zeros = v128.andnot(zeros, odd);
  odd = parities(zeros);
  moving = v128.and(odd, mask);
  x = moveRight(x, moving, 2);
  mask = moveRight(mask, moving, 2);

  zeros = v128.andnot(zeros, odd);
  odd = parities(zeros);
  moving = v128.and(odd, mask);
  x = moveRight(x, moving, 4);
  mask = moveRight(mask, moving, 4);

  zeros = v128.andnot(zeros, odd);
  odd = parities(zeros);
  moving = v128.and(odd, mask);
  x = moveRight(x, moving, 8);
  mask = moveRight(mask, moving, 8);

  zeros = v128.andnot(zeros, odd);
  return moveRight(x, v128.and(parities(zeros), mask), 16);
}

/**
 * Writes the marked last bits of a whole block as a stream. Its own passes over the block: so its chain of positions and
 * the arithmetic of the pass before do not wait for each other.
 *
 * @param offset - byte in BITS to begin at
 * @returns the byte behind the stream
 */
export function putMarked(offset: u32): u32 {
  for (let i = 0; i < BLOCK / 8; i += 16) {
    v128.store(LASTS + i, compress(v128.load(LASTS + i), v128.load(MARKS + i)));
  }
  let target = BITS + offset;
  let pending: u64 = 0;
  let width: u32 = 0; // of pending: less than 8 between the rounds
  for (let i = 0; i < BLOCK / 8; i += 4) {
    pending |= <u64>load<u32>(LASTS + i) << width;
    store<u64>(target, pending);
    width += popcnt(load<u32>(MARKS + i));
    target += width >> 3;
    pending >>= width & 56;
    width &= 7;
  }
  return target - BITS + (width > 0 ? 1 : 0);
}

// ---- Bits spread to marked lanes ----

/**
 * By a mask of 4 lanes · 16 + the next 4 bits of a stream: 4 lanes of 32 bits, with bit 31 set where the mask selects the
 * lane and the bit is 0, or where it does not.
 */
const SPREAD_LANES: usize = memory.data(4096, 16);
/** The same, as one byte. */
const SPREAD: usize = memory.data(256, 16);

for (let entry: u32 = 0; entry < 256; entry++) {
  const mask = entry >> 4;
  let rest = entry & 15;
  let all: u32 = 0;
  for (let lane: u32 = 0; lane < 4; lane++) {
    const selected = ((mask >> lane) & 1) != 0;
    store<u32>(SPREAD_LANES + (entry << 4) + (lane << 2), selected && (rest & 1) != 0 ? 0 : 0x80000000);
    if (!selected) continue;
    all |= (rest & 1) << lane;
    rest >>= 1;
  }
  store<u8>(SPREAD + entry, all);
}

/** The next bits of a stream, inverted, in bit 31 of the lanes that a mask of 4 lanes selects; 1 in the others. */
// @ts-ignore: decorator
@inline
export function spreadToLanes(mask: u32, stream: u32): v128 {
  return v128.load(SPREAD_LANES + (((mask << 4) | (stream & 15)) << 4));
}

/** The next bits of a stream, in the places that a mask of 16 bits selects. */
// @ts-ignore: decorator
@inline
export function spread16(mask: u32, stream: u32): u32 {
  const first: u32 = load<u8>(SPREAD + (((mask & 15) << 4) | (stream & 15)));
  stream >>= popcnt(mask & 15);
  const second: u32 = load<u8>(SPREAD + ((mask & 0xf0) | (stream & 15)));
  stream >>= popcnt(mask & 0xf0);
  const third: u32 = load<u8>(SPREAD + (((mask >> 4) & 0xf0) | (stream & 15)));
  stream >>= popcnt(mask & 0xf00);
  const fourth: u32 = load<u8>(SPREAD + (((mask >> 8) & 0xf0) | (stream & 15)));
  return first | (second << 4) | (third << 8) | (fourth << 12);
}
