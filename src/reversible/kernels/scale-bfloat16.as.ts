/**
 * bfloat16: p' = rne16(fl32(p · s)), reversibly, for the same reasons as float32. In range, the mantissa of p' decides
 * how far p is below p' as an integer, and whether two p have it: closing reads TABLES instead of dividing.
 */
import { BITS, BLOCK, INDEX, TABLES, WINDOW } from "../layout";
import { clearTail, COMPACT, mark16, peekBits, PLANE, putMarked, RAW, spread16 } from "./pack.as";

const BLOCK_BYTES: u32 = BLOCK * 2;

/** By the mantissa of p': how far p is below p' less `base`; bit 7: two p, of which this is the smaller one. */
const BY_PRODUCT: usize = TABLES;
/** By the mantissa of p: bit 7: a neighbour has the same product. */
const BY_VALUE: usize = TABLES + 128;

/** 16 bytes: bit m: bit 7 of entry m of {@link BY_VALUE}. */
const AMBIGUOUS: usize = memory.data(16, 16);

/**
 * Vectors for loops. V8 makes a constant of its code again wherever it is used, with three instructions, but keeps in
 * a register what was loaded before the loop.
 */
const SIXTEEN_8: usize = memory.data<u64>([0x1010101010101010, 0x1010101010101010], 16);
const LOW_7_BITS_8: usize = memory.data<u64>([0x7f7f7f7f7f7f7f7f, 0x7f7f7f7f7f7f7f7f], 16);
const MANTISSA_16: usize = memory.data<u64>([0x007f007f007f007f, 0x007f007f007f007f], 16);
const ONE_16: usize = memory.data<u64>([0x0001000100010001, 0x0001000100010001], 16);
/** Bit i in byte i, twice. */
const PLACES_8: usize = memory.data<u64>([0x8040201008040201, 0x8040201008040201], 16);

/** Whether every |p| of a block is 0 or has bits from `low` to `high`. */
function isInRange(block: usize, low: u32, high: u32): bool {
  // twice the bits: without the sign
  let largest = i16x8.splat(0);
  let smallest = i16x8.splat(-1);
  for (let p = block; p < block + BLOCK_BYTES; p += 16) {
    const a = i16x8.shl(v128.load(p), 1);
    largest = i16x8.max_u(largest, a);
    // less 1, so that 0 becomes the largest
    smallest = i16x8.min_u(smallest, i16x8.add(a, i16x8.splat(-1)));
  }
  const above = i16x8.gt_u(largest, i16x8.splat(<i16>(high << 1)));
  const below = i16x8.lt_u(smallest, i16x8.splat(<i16>((low << 1) - 1)));
  return !v128.any_true(v128.or(above, below));
}

/** Adds what makes cutting the lower half of each float32 a rounding to nearest even. */
// @ts-ignore: decorator
@inline
function addHalf(x: v128): v128 {
  const lastKept = v128.and(i32x4.shr_u(x, 16), i32x4.splat(1));
  return i32x4.add(x, i32x4.add(i32x4.splat(0x7fff), lastKept));
}

/** As {@link addHalf}, but a NaN stays what it is, and so quiet: the sum could carry its bits over into −0. */
// @ts-ignore: decorator
@inline
function addHalfToNumber(x: v128): v128 {
  return v128.bitselect(x, addHalf(x), f32x4.ne(x, x));
}

/** 8 products. Even and odd lanes are float32 by themselves, without the other half: nothing has to be unpacked. */
// @ts-ignore: decorator
@inline
function product8(x: v128, s: v128, finite: bool): v128 {
  const even = f32x4.mul(i32x4.shl(x, 16), s);
  const odd = f32x4.mul(v128.and(x, i32x4.splat(0xffff0000)), s);
  const low = i32x4.shr_u(finite ? addHalf(even) : addHalfToNumber(even), 16);
  const high = v128.and(finite ? addHalf(odd) : addHalfToNumber(odd), i32x4.splat(0xffff0000));
  return v128.or(low, high);
}

/** Multiplies whatever there is. */
function multiplyAny(from: usize, end: usize, factor: f32): void {
  const s = f32x4.splat(factor);
  for (let p = from; p < end; p += 16) v128.store(p, product8(v128.load(p), s, false));
}

/** 16 bytes from a table of 128 bytes. A swizzle gives 0 for indices of 16 and more: of the eight, one counts. */
// @ts-ignore: decorator
@inline
function lookUp(table: usize, index: v128, sixteen: v128): v128 {
  let found = i8x16.swizzle(v128.load(table), index);
  index = i8x16.sub(index, sixteen);
  found = v128.or(found, i8x16.swizzle(v128.load(table, 16), index));
  index = i8x16.sub(index, sixteen);
  found = v128.or(found, i8x16.swizzle(v128.load(table, 32), index));
  index = i8x16.sub(index, sixteen);
  found = v128.or(found, i8x16.swizzle(v128.load(table, 48), index));
  index = i8x16.sub(index, sixteen);
  found = v128.or(found, i8x16.swizzle(v128.load(table, 64), index));
  index = i8x16.sub(index, sixteen);
  found = v128.or(found, i8x16.swizzle(v128.load(table, 80), index));
  index = i8x16.sub(index, sixteen);
  found = v128.or(found, i8x16.swizzle(v128.load(table, 96), index));
  index = i8x16.sub(index, sixteen);
  found = v128.or(found, i8x16.swizzle(v128.load(table, 112), index));
  return found;
}

/** Mantissas of 16 lanes. */
// @ts-ignore: decorator
@inline
function mantissas16(a: v128, b: v128, mantissa: v128): v128 {
  return i8x16.narrow_i16x8_u(v128.and(a, mantissa), v128.and(b, mantissa));
}

/** Mask of 8 lanes: 0 or −0. */
// @ts-ignore: decorator
@inline
function isZero8(x: v128): v128 {
  return i16x8.eq(i16x8.shl(x, 1), i16x8.splat(0));
}

/** Last bits of 16 lanes. */
// @ts-ignore: decorator
@inline
function lastBits16(a: v128, b: v128): u32 {
  return i8x16.bitmask(i8x16.narrow_i16x8_s(i16x8.shl(a, 15), i16x8.shl(b, 15)));
}

/** 16 bits as masks of 16 bytes. */
// @ts-ignore: decorator
@inline
function toMasks16(bits: u32, places: v128): v128 {
  const halves = i8x16.swizzle(i32x4.splat(bits), i8x16(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1));
  return i8x16.eq(v128.and(halves, places), places);
}

/** The smaller p of 8 products, from what {@link lookUp} found for them, without bit 7. */
// @ts-ignore: decorator
@inline
function smaller8(product: v128, found: v128, base: v128): v128 {
  return i16x8.sub(product, v128.andnot(i16x8.add(base, found), isZero8(product)));
}

/** Of p and the next one, the one with the last bit in `last`, where `counts` is set; other bits of `last` are ignored. */
// @ts-ignore: decorator
@inline
function chooseByLastBit(smaller: v128, last: v128, counts: v128): v128 {
  return i16x8.add(smaller, v128.and(v128.xor(smaller, last), counts));
}

/** Multiplies a block in range and writes the last bit of every element, 2 bytes for each 16. */
function openPlane(block: usize, elements: u32, offset: u32, factor: f32): u32 {
  const s = f32x4.splat(factor);
  for (let p = block; p < block + (elements << 1); p += 32, offset += 2) {
    const a = v128.load(p);
    const b = v128.load(p, 16);
    v128.store(p, product8(a, s, true));
    v128.store(p, product8(b, s, true), 16);
    store<u16>(BITS + offset, lastBits16(a, b));
  }
  return offset;
}

function closePlane(block: usize, elements: u32, offset: u32, base: i32, sign: i32): void {
  const bases = i16x8.splat(<i16>base);
  const signs = i16x8.splat(<i16>sign);
  const one = v128.load(ONE_16);
  const sixteen = v128.load(SIXTEEN_8);
  const low7 = v128.load(LOW_7_BITS_8);
  const mantissa = v128.load(MANTISSA_16);
  const places = v128.load(PLACES_8);
  for (let p = block; p < block + (elements << 1); p += 32, offset += 2) {
    const a = v128.load(p);
    const b = v128.load(p, 16);
    const found = v128.and(lookUp(BY_PRODUCT, mantissas16(a, b, mantissa), sixteen), low7);
    const lasts = toMasks16(load<u16>(BITS + offset), places);
    const pa = smaller8(a, i16x8.extend_low_i8x16_u(found), bases);
    const pb = smaller8(b, i16x8.extend_high_i8x16_u(found), bases);
    v128.store(p, v128.xor(chooseByLastBit(pa, i16x8.extend_low_i8x16_s(lasts), one), signs));
    v128.store(p, v128.xor(chooseByLastBit(pb, i16x8.extend_high_i8x16_s(lasts), one), signs), 16);
  }
}

function collectAmbiguous(): void {
  for (let i = 0; i < 8; i++) {
    store<u16>(AMBIGUOUS + (i << 1), i8x16.bitmask(v128.load(BY_VALUE + (i << 4))));
  }
}

/** Mask of 16 lanes: mantissas of which a neighbour has the same product. */
// @ts-ignore: decorator
@inline
function isAmbiguous16(mantissas: v128, places: v128): v128 {
  const bytes = i8x16.swizzle(
    v128.load(AMBIGUOUS),
    v128.and(i16x8.shr_u(mantissas, 3), i8x16.splat(15)), // what comes from the byte above is cut
  );
  const place = i8x16.swizzle(places, v128.and(mantissas, i8x16.splat(7)));
  return i8x16.eq(v128.and(bytes, place), place);
}

/** Multiplies a block in range and writes the last bits of elements of which a neighbour has the same product. */
function openCompact(block: usize, offset: u32, factor: f32): u32 {
  const s = f32x4.splat(factor);
  const mantissa = v128.load(MANTISSA_16);
  const places = v128.load(PLACES_8);
  for (let lane = 0; lane < BLOCK; lane += 16) {
    const p = block + (lane << 1);
    const a = v128.load(p);
    const b = v128.load(p, 16);
    v128.store(p, product8(a, s, true));
    v128.store(p, product8(b, s, true), 16);
    const isZero = i8x16.narrow_i16x8_s(isZero8(a), isZero8(b));
    const ambiguous = isAmbiguous16(mantissas16(a, b, mantissa), places);
    const marks = i8x16.bitmask(v128.andnot(ambiguous, isZero));
    mark16(lane, marks, lastBits16(a, b));
  }
  return putMarked(offset);
}

function closeCompact(block: usize, offset: u32, base: i32, sign: i32): void {
  const bases = i16x8.splat(<i16>base);
  const signs = i16x8.splat(<i16>sign);
  const one = v128.load(ONE_16);
  const sixteen = v128.load(SIXTEEN_8);
  const low7 = v128.load(LOW_7_BITS_8);
  const mantissa = v128.load(MANTISSA_16);
  const places = v128.load(PLACES_8);
  let at = offset << 3;
  for (let p = block; p < block + BLOCK_BYTES; p += 32) {
    const a = v128.load(p);
    const b = v128.load(p, 16);
    const both = lookUp(BY_PRODUCT, mantissas16(a, b, mantissa), sixteen);
    const found = v128.and(both, low7);
    const isZero = i8x16.narrow_i16x8_s(isZero8(a), isZero8(b));
    const marked = v128.andnot(i8x16.lt_s(both, i8x16.splat(0)), isZero);
    const marks = i8x16.bitmask(marked);
    const lasts = toMasks16(spread16(marks, <u32>peekBits(at)), places);
    at += popcnt(marks);
    const pa = smaller8(a, i16x8.extend_low_i8x16_u(found), bases);
    const pb = smaller8(b, i16x8.extend_high_i8x16_u(found), bases);
    const countsA = v128.and(i16x8.extend_low_i8x16_s(marked), one);
    const countsB = v128.and(i16x8.extend_high_i8x16_s(marked), one);
    v128.store(p, v128.xor(chooseByLastBit(pa, i16x8.extend_low_i8x16_s(lasts), countsA), signs));
    v128.store(p, v128.xor(chooseByLastBit(pb, i16x8.extend_high_i8x16_s(lasts), countsB), signs), 16);
  }
}

function openExact(block: usize, factor: f32): void {
  const s = f32x4.splat(factor);
  for (let p = block; p < block + BLOCK_BYTES; p += 16) v128.store(p, product8(v128.load(p), s, true));
}

/** A power of two only changes the exponent: all of TABLES is 0. */
function closeExact(block: usize, base: i32, sign: i32): void {
  const bases = i16x8.splat(<i16>base);
  const signs = i16x8.splat(<i16>sign);
  for (let p = block; p < block + BLOCK_BYTES; p += 16) {
    v128.store(p, v128.xor(smaller8(v128.load(p), i16x8.splat(0), bases), signs));
  }
}

export function scaleBfloat16(count: u32, factor: f32): void {
  multiplyAny(WINDOW, WINDOW + (((count << 1) + 15) & ~15), factor);
  clearTail(count, 2);
}

export function scaleBfloat16Open(count: u32, factor: f32, mode: i32, low: u32, high: u32): u32 {
  let offset: u32 = 0;
  collectAmbiguous();
  for (let first: u32 = 0, entry = INDEX; first < count; first += BLOCK, entry += 4) {
    const block = WINDOW + (first << 1);
    const elements = min<u32>(BLOCK, count - first);
    if (isInRange(block, low, high)) {
      store<u32>(entry, offset);
      if (mode == COMPACT) offset = openCompact(block, offset, factor);
      else if (mode == PLANE) offset = openPlane(block, elements, offset, factor);
      else openExact(block, factor);
    } else {
      store<u32>(entry, offset | RAW);
      memory.copy(BITS + offset, block, elements << 1);
      offset += elements << 1;
      multiplyAny(block, block + BLOCK_BYTES, factor);
    }
  }
  clearTail(count, 2);
  return offset;
}

export function scaleBfloat16Close(count: u32, mode: i32, base: i32, sign: i32): void {
  for (let first: u32 = 0, entry = INDEX; first < count; first += BLOCK, entry += 4) {
    const block = WINDOW + (first << 1);
    const elements = min<u32>(BLOCK, count - first);
    const offset = load<u32>(entry) & ~RAW;
    if (load<u32>(entry) & RAW) memory.copy(block, BITS + offset, elements << 1);
    else if (mode == COMPACT) closeCompact(block, offset, base, sign);
    else if (mode == PLANE) closePlane(block, elements, offset, base, sign);
    else closeExact(block, base, sign);
  }
  clearTail(count, 2);
}
