/**
 * float32: p' = fl(p · s), reversibly. At most two p have the same p', and they are neighbours, so that the last bit of p
 * is all that can be lost. Bits are sign and magnitude: adding 1 is a step away from 0 for both signs.
 */
import { BITS, BLOCK, INDEX, OPERANDS, WINDOW } from "../layout";
import { clearTail, COMPACT, mark16, peekBits, PLANE, putMarked, RAW, signs16, spreadToLanes } from "./pack.as";

const BLOCK_BYTES: u32 = BLOCK * 4;

/** Factors of the 4 elements at `p`. `each` is a constant where it is called, and no branch remains. */
// @ts-ignore: decorator
@inline
function factorsAt(p: usize, uniform: v128, each: bool): v128 {
  return each ? v128.load(p + (OPERANDS - WINDOW)) : uniform;
}

/** All bits set: the one constant, besides 0, that V8 makes with one instruction where it is used. */
// @ts-ignore: decorator
@inline
function minusOne(): v128 {
  return i32x4.splat(-1);
}

/** Bits of 2^-99: from here on, {@link SPAN} of them, are the |p| that weights have. */
const USUAL: u32 = 28 << 23;
const SPAN: u32 = 1 << 30;

/** Whether every |p| of a block has bits from {@link USUAL} on: half the work of {@link isInRange}, which decides else. */
function isUsual(block: usize): bool {
  const first = i32x4.splat(USUAL);
  let beyond0 = i32x4.splat(0);
  let beyond1 = i32x4.splat(0);
  for (let p = block; p < block + BLOCK_BYTES; p += 32) {
    // of what is not, the bit below the sign is set
    beyond0 = v128.or(beyond0, i32x4.sub(v128.load(p), first));
    beyond1 = v128.or(beyond1, i32x4.sub(v128.load(p, 16), first));
  }
  return !v128.any_true(v128.and(v128.or(beyond0, beyond1), i32x4.splat(SPAN)));
}

/** Whether every |p| of a block is 0 or has bits from `low` to `high`. */
function isInRange(block: usize, low: u32, high: u32): bool {
  // twice the bits: without the sign
  let largest0 = i32x4.splat(0);
  let largest1 = i32x4.splat(0);
  let smallest0 = minusOne();
  let smallest1 = minusOne();
  for (let p = block; p < block + BLOCK_BYTES; p += 32) {
    const a = i32x4.shl(v128.load(p), 1);
    const b = i32x4.shl(v128.load(p, 16), 1);
    largest0 = i32x4.max_u(largest0, a);
    largest1 = i32x4.max_u(largest1, b);
    // less 1, so that 0 becomes the largest
    smallest0 = i32x4.min_u(smallest0, i32x4.add(a, minusOne()));
    smallest1 = i32x4.min_u(smallest1, i32x4.add(b, minusOne()));
  }
  const above = i32x4.gt_u(i32x4.max_u(largest0, largest1), i32x4.splat(high << 1));
  const below = i32x4.lt_u(i32x4.min_u(smallest0, smallest1), i32x4.splat((low << 1) - 1));
  return !v128.any_true(v128.or(above, below));
}

// @ts-ignore: decorator
@inline
function multiply(from: usize, end: usize, uniform: v128, each: bool): void {
  for (let p = from; p < end; p += 32) {
    v128.store(p, f32x4.mul(v128.load(p), factorsAt(p, uniform, each)));
    v128.store(p, f32x4.mul(v128.load(p, 16), factorsAt(p + 16, uniform, each)), 16);
  }
}

// @ts-ignore: decorator
@inline
function divide(block: usize, uniform: v128, each: bool): void {
  for (let p = block; p < block + BLOCK_BYTES; p += 32) {
    v128.store(p, f32x4.div(v128.load(p), factorsAt(p, uniform, each)));
    v128.store(p, f32x4.div(v128.load(p, 16), factorsAt(p + 16, uniform, each)), 16);
  }
}

/** Last bits of 16 lanes. */
// @ts-ignore: decorator
@inline
function lastBits16(a: v128, b: v128, c: v128, d: v128): u32 {
  return signs16(i32x4.shl(a, 31), i32x4.shl(b, 31), i32x4.shl(c, 31), i32x4.shl(d, 31));
}

/** Multiplies a block and writes the last bit of every element, 2 bytes for each 16. */
// @ts-ignore: decorator
@inline
function openPlane(block: usize, elements: u32, offset: u32, uniform: v128, each: bool): u32 {
  for (let p = block; p < block + (elements << 2); p += 64, offset += 2) {
    const a = v128.load(p);
    const b = v128.load(p, 16);
    const c = v128.load(p, 32);
    const d = v128.load(p, 48);
    v128.store(p, f32x4.mul(a, factorsAt(p, uniform, each)));
    v128.store(p, f32x4.mul(b, factorsAt(p + 16, uniform, each)), 16);
    v128.store(p, f32x4.mul(c, factorsAt(p + 32, uniform, each)), 32);
    v128.store(p, f32x4.mul(d, factorsAt(p + 48, uniform, each)), 48);
    store<u16>(BITS + offset, lastBits16(a, b, c, d));
  }
  return offset;
}

/** Of two neighbours with the product `product`, the one with the given last bit, in bit 31 of `last`. */
// @ts-ignore: decorator
@inline
function chooseByLastBit(product: v128, s: v128, last: v128): v128 {
  const quotient = f32x4.div(product, s);
  const isDown = f32x4.eq(f32x4.mul(i32x4.add(quotient, minusOne()), s), product);
  const isWrong = i32x4.shr_s(v128.xor(i32x4.shl(quotient, 31), last), 31);
  // −1 | 1 = −1: down; 0 | 1 = 1: up
  return i32x4.add(quotient, v128.and(v128.or(isDown, i32x4.splat(1)), isWrong));
}

// @ts-ignore: decorator
@inline
function closePlane(block: usize, elements: u32, offset: u32, uniform: v128, each: bool): void {
  for (let p = block; p < block + (elements << 2); p += 64, offset += 2) {
    // a product by a power of two is a shift of its own for each lane: bits 12 to 15 go to bit 31
    const d = i32x4.mul(i32x4.splat(load<u16>(BITS + offset)), i32x4(1 << 19, 1 << 18, 1 << 17, 1 << 16));
    const c = i32x4.shl(d, 4);
    const b = i32x4.shl(d, 8);
    const a = i32x4.shl(d, 12);
    v128.store(p, chooseByLastBit(v128.load(p), factorsAt(p, uniform, each), a));
    v128.store(p, chooseByLastBit(v128.load(p, 16), factorsAt(p + 16, uniform, each), b), 16);
    v128.store(p, chooseByLastBit(v128.load(p, 32), factorsAt(p + 32, uniform, each), c), 32);
    v128.store(p, chooseByLastBit(v128.load(p, 48), factorsAt(p + 48, uniform, each), d), 48);
  }
}

/**
 * Lanes where a neighbour of p has the same product. Not 0: its neighbours are subnormal, and their product is 0 if
 * |s| ≤ 0.5. `small`: whether it may be; a constant where it is called.
 */
// @ts-ignore: decorator
@inline
function isAmbiguous(value: v128, product: v128, s: v128, small: bool): v128 {
  const up = f32x4.eq(f32x4.mul(i32x4.sub(value, minusOne()), s), product);
  const down = f32x4.eq(f32x4.mul(i32x4.add(value, minusOne()), s), product);
  const either = v128.or(up, down);
  return small ? v128.andnot(either, f32x4.eq(value, f32x4.splat(0))) : either;
}

/** Multiplies a block and writes the last bits of ambiguous elements. */
// @ts-ignore: decorator
@inline
function openCompact(block: usize, offset: u32, uniform: v128, each: bool, small: bool): u32 {
  for (let lane = 0; lane < BLOCK; lane += 16) {
    const p = block + (lane << 2);
    const a = v128.load(p);
    const b = v128.load(p, 16);
    const c = v128.load(p, 32);
    const d = v128.load(p, 48);
    const sa = factorsAt(p, uniform, each);
    const sb = factorsAt(p + 16, uniform, each);
    const sc = factorsAt(p + 32, uniform, each);
    const sd = factorsAt(p + 48, uniform, each);
    const qa = f32x4.mul(a, sa);
    const qb = f32x4.mul(b, sb);
    const qc = f32x4.mul(c, sc);
    const qd = f32x4.mul(d, sd);
    v128.store(p, qa);
    v128.store(p, qb, 16);
    v128.store(p, qc, 32);
    v128.store(p, qd, 48);
    const marks = signs16(
      isAmbiguous(a, qa, sa, small),
      isAmbiguous(b, qb, sb, small),
      isAmbiguous(c, qc, sc, small),
      isAmbiguous(d, qd, sd, small),
    );
    mark16(lane, marks, lastBits16(a, b, c, d));
  }
  return putMarked(offset);
}

/**
 * Brings 4 elements back. The quotient is within one step of p, but with p' a power of two it may not be one of those
 * with this product.
 *
 * @returns how many bits of the stream were used
 */
// @ts-ignore: decorator
@inline
function closeCompact4(p: usize, s: v128, stream: u64, small: bool): u32 {
  const product = v128.load(p);
  const quotient = f32x4.div(product, s);
  const fits = f32x4.eq(f32x4.mul(quotient, s), product);
  const down = f32x4.eq(f32x4.mul(i32x4.add(quotient, minusOne()), s), product);
  const up = f32x4.eq(f32x4.mul(i32x4.sub(quotient, minusOne()), s), product);
  const two = v128.and(v128.or(down, up), fits);
  const marks = i32x4.bitmask(small ? v128.andnot(two, f32x4.eq(product, f32x4.splat(0))) : two);
  const isRight = i32x4.shr_s(v128.xor(i32x4.shl(quotient, 31), spreadToLanes(marks, <u32>stream)), 31);
  // down − up: the step to the neighbour with this product, −1, 1 or 0
  const step = v128.andnot(i32x4.sub(down, up), v128.and(fits, isRight));
  v128.store(p, i32x4.add(quotient, step));
  return popcnt(marks);
}

// @ts-ignore: decorator
@inline
function closeCompact(block: usize, offset: u32, uniform: v128, each: bool, small: bool): void {
  let at = offset << 3;
  for (let p = block; p < block + BLOCK_BYTES; p += 64) {
    let stream = peekBits(at);
    const a = closeCompact4(p, factorsAt(p, uniform, each), stream, small);
    stream >>= a;
    const b = closeCompact4(p + 16, factorsAt(p + 16, uniform, each), stream, small);
    stream >>= b;
    const c = closeCompact4(p + 32, factorsAt(p + 32, uniform, each), stream, small);
    stream >>= c;
    at += a + b + c + closeCompact4(p + 48, factorsAt(p + 48, uniform, each), stream, small);
  }
}

// @ts-ignore: decorator
@inline
function isSmall(uniform: v128): bool {
  return !(abs(f32x4.extract_lane(uniform, 0)) > 0.5);
}

/** Opens one block in range. @returns the byte behind its bits */
// @ts-ignore: decorator
@inline
function openBlock(block: usize, elements: u32, offset: u32, uniform: v128, each: bool, mode: i32): u32 {
  if (mode == COMPACT) {
    if (each || isSmall(uniform)) return openCompact(block, offset, uniform, each, true);
    return openCompact(block, offset, uniform, each, false);
  }
  if (mode == PLANE) return openPlane(block, elements, offset, uniform, each);
  multiply(block, block + BLOCK_BYTES, uniform, each);
  return offset;
}

// @ts-ignore: decorator
@inline
function closeBlock(block: usize, elements: u32, offset: u32, uniform: v128, each: bool, mode: i32): void {
  if (mode == COMPACT) {
    if (each || isSmall(uniform)) closeCompact(block, offset, uniform, each, true);
    else closeCompact(block, offset, uniform, each, false);
  } else if (mode == PLANE) closePlane(block, elements, offset, uniform, each);
  else divide(block, uniform, each);
}

export function scaleFloat32(count: u32, factor: f32, each: bool): void {
  const uniform = f32x4.splat(factor);
  const end = WINDOW + (((count << 2) + 31) & ~31);
  if (each) multiply(WINDOW, end, uniform, true);
  else multiply(WINDOW, end, uniform, false);
  clearTail(count, 4);
}

export function scaleFloat32Open(count: u32, factor: f32, each: bool, mode: i32, low: u32, high: u32): u32 {
  const uniform = f32x4.splat(factor);
  const isUsualInRange = low <= USUAL && USUAL + SPAN - 1 <= high;
  let offset: u32 = 0;
  for (let first: u32 = 0, entry = INDEX; first < count; first += BLOCK, entry += 4) {
    const block = WINDOW + (first << 2);
    const elements = min<u32>(BLOCK, count - first);
    if ((isUsualInRange && isUsual(block)) || isInRange(block, low, high)) {
      store<u32>(entry, offset);
      if (each) offset = openBlock(block, elements, offset, uniform, true, mode);
      else offset = openBlock(block, elements, offset, uniform, false, mode);
    } else {
      store<u32>(entry, offset | RAW);
      memory.copy(BITS + offset, block, elements << 2);
      offset += elements << 2;
      if (each) multiply(block, block + BLOCK_BYTES, uniform, true);
      else multiply(block, block + BLOCK_BYTES, uniform, false);
    }
  }
  clearTail(count, 4);
  return offset;
}

export function scaleFloat32Close(count: u32, factor: f32, each: bool, mode: i32): void {
  const uniform = f32x4.splat(factor);
  for (let first: u32 = 0, entry = INDEX; first < count; first += BLOCK, entry += 4) {
    const block = WINDOW + (first << 2);
    const elements = min<u32>(BLOCK, count - first);
    const offset = load<u32>(entry) & ~RAW;
    if (load<u32>(entry) & RAW) memory.copy(block, BITS + offset, elements << 2);
    else if (each) closeBlock(block, elements, offset, uniform, true, mode);
    else closeBlock(block, elements, offset, uniform, false, mode);
  }
  clearTail(count, 4);
}
