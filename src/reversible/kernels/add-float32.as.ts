/**
 * float32: p' = p + d, reversibly; see `reference/add-float32.ts` for the method and why it works. Here four lanes at a
 * time, with exponents left where they stand in a float.
 */
import { BITS, BLOCK, INDEX, OPERANDS, WINDOW } from "../layout";
import { RAW } from "./pack.as";
import {
  bitsOf,
  clearExceptions,
  clearOperandsTail,
  codesOf,
  endBlock,
  exceptionCount,
  exponentOf,
  keepRaw,
  KNOWN,
  listException,
  maskOf,
  MASKS,
  ORIGINAL,
  powerOf,
  putCodes,
  signOf,
  STAGED,
  streamAt,
  ulpsOf,
  WIDTHS,
} from "./parked.as";

const BLOCK_BYTES: usize = BLOCK * 4;
/** From an element of the window to its operand. */
const TO_OPERAND: usize = OPERANDS - WINDOW;

/** Raw blocks have a p with this exponent or a larger one, 2^125, which keeps p' − d finite and NaN out. */
const TOO_LARGE: i32 = 252 << 23;

/** Exponent of the largest finite numbers. */
const TOP: usize = memory.data<u32>([254 << 23, 254 << 23, 254 << 23, 254 << 23], 16);
/** Exponent of subnormal numbers, by the spacing they have. */
const SUBNORMAL: usize = memory.data<u32>([1 << 23, 1 << 23, 1 << 23, 1 << 23], 16);
/** Width of a mantissa. */
const MANTISSA_WIDTH: usize = memory.data<u32>([23 << 23, 23 << 23, 23 << 23, 23 << 23], 16);
/** Widths from this one on are not parked. */
const TOO_WIDE: usize = memory.data<u32>([15 << 23, 15 << 23, 15 << 23, 15 << 23], 16);
/** 1 in the lower half of each 32 bits, 0 in the upper one. */
const ONES: usize = memory.data<u32>([1, 1, 1, 1], 16);

/** The exponent whose last place counts in a sum: its own, if it is finite. */
// @ts-ignore: decorator
@inline
function binadeOf(sum: v128): v128 {
  return i32x4.min_s(exponentOf(sum), v128.load(TOP));
}

/** d without what lies below the last place of a binade: rounded where its exponent is smaller, else as it is. */
// @ts-ignore: decorator
@inline
function coarse(d: v128, binade: v128): v128 {
  const isFiner = i32x4.gt_s(binade, exponentOf(d));
  // added to ±2^binade, away from 0, d stays in that binade and is rounded to its last place; +0 leaves it as it is
  const power = v128.and(isFiner, v128.or(binade, signOf(d)));
  return f32x4.sub(f32x4.add(d, power), power);
}

/** p', where `rounded` is fl(p + d), `binade` its own and `delta` the coarse d. */
// @ts-ignore: decorator
@inline
function exactSum(p: v128, delta: v128, rounded: v128, binade: v128): v128 {
  const gained = i32x4.sub(binade, i32x4.max_s(exponentOf(p), v128.load(SUBNORMAL)));
  const width = i32x4.min_s(i32x4.max_s(gained, i32x4.splat(0)), v128.load(MANTISSA_WIDTH));
  const exact = f32x4.add(v128.andnot(p, maskOf(ulpsOf(width))), delta);
  return v128.bitselect(exact, rounded, i32x4.eq(exponentOf(exact), exponentOf(rounded)));
}

/** Width of the parked code, 0 where it would be too wide, from p' and d alone. */
// @ts-ignore: decorator
@inline
function parkedWidth(binade: v128, difference: v128): v128 {
  const lost = i32x4.sub(binade, exponentOf(difference));
  return v128.and(i32x4.max_s(lost, i32x4.splat(0)), i32x4.gt_s(v128.load(TOO_WIDE), lost));
}

/** Not 0 where an element does not come back. */
// @ts-ignore: decorator
@inline
function wrong(p: v128, difference: v128, code: v128): v128 {
  return v128.xor(v128.or(difference, code), p);
}

/** What {@link addAndStage} finds: something that does not come back. */
const HAS_EXCEPTIONS: u32 = 1;
/** What {@link addAndStage} finds: a p that is too large. */
const IS_RAW: u32 = 2;

/** Adds to a block and stages what is parked of it. */
function addAndStage(block: usize): u32 {
  let largest = i32x4.splat(0);
  let anyWrong = i32x4.splat(0);
  for (let at: usize = 0; at < BLOCK_BYTES; at += 32) {
    const p0 = v128.load(block + at);
    const p1 = v128.load(block + at, 16);
    const d0 = v128.load(block + at, TO_OPERAND);
    const d1 = v128.load(block + at, TO_OPERAND + 16);
    const rounded0 = f32x4.add(p0, d0);
    const rounded1 = f32x4.add(p1, d1);
    const binade0 = binadeOf(rounded0);
    const binade1 = binadeOf(rounded1);
    const delta0 = coarse(d0, binade0);
    const delta1 = coarse(d1, binade1);
    const sum0 = exactSum(p0, delta0, rounded0, binade0);
    const sum1 = exactSum(p1, delta1, rounded1, binade1);
    largest = i32x4.max_s(largest, i32x4.max_s(exponentOf(p0), exponentOf(p1)));

    // what closing will find: a sum has the exponent of the rounded one
    const difference0 = f32x4.sub(sum0, delta0);
    const difference1 = f32x4.sub(sum1, delta1);
    const width0 = parkedWidth(binade0, difference0);
    const width1 = parkedWidth(binade1, difference1);
    const ulps0 = ulpsOf(width0);
    const ulps1 = ulpsOf(width1);
    const code0 = v128.and(p0, maskOf(ulps0));
    const code1 = v128.and(p1, maskOf(ulps1));
    anyWrong = v128.or(anyWrong, v128.or(wrong(p0, difference0, code0), wrong(p1, difference1, code1)));

    // of two neighbours, the code of the first + that of the second · 2^(width of the first), in 16 bits times 16 bits
    const codes = i16x8.narrow_i32x4_s(code0, code1);
    const powers = i16x8.narrow_i32x4_s(powerOf(ulps0), powerOf(ulps1));
    const weights = v128.or(i32x4.shl(powers, 16), v128.load(ONES));
    const widths = i16x8.narrow_i32x4_s(bitsOf(width0), bitsOf(width1));
    const pairs = i32x4.dot_i16x8_s(codes, weights);
    const pairWidths = i32x4.extadd_pairwise_i16x8_s(widths);
    v128.store(block + at, sum0);
    v128.store(block + at, sum1, 16);
    v128.store(ORIGINAL + at, p0);
    v128.store(ORIGINAL + at, p1, 16);
    v128.store(STAGED + at, pairs);
    v128.store(STAGED + at, pairWidths, 16);
  }
  const isRaw = v128.any_true(i32x4.ge_s(largest, i32x4.splat(TOO_LARGE)));
  return (isRaw ? IS_RAW : 0) | (v128.any_true(anyWrong) ? HAS_EXCEPTIONS : 0);
}

/** Brings a block back from its stream at `bits`, all but the exceptions, and writes it to `to`. */
function bringBack(block: usize, bits: usize, to: usize): void {
  for (let at: usize = 0; at < BLOCK_BYTES; at += 32) {
    const sum0 = v128.load(block + at);
    const sum1 = v128.load(block + at, 16);
    const binade0 = binadeOf(sum0);
    const binade1 = binadeOf(sum1);
    const difference0 = f32x4.sub(sum0, coarse(v128.load(block + at, TO_OPERAND), binade0));
    const difference1 = f32x4.sub(sum1, coarse(v128.load(block + at, TO_OPERAND + 16), binade1));
    const width0 = parkedWidth(binade0, difference0);
    const width1 = parkedWidth(binade1, difference1);
    const mask0 = maskOf(ulpsOf(width0));
    const mask1 = maskOf(ulpsOf(width1));
    v128.store(KNOWN + at, difference0);
    v128.store(KNOWN + at, difference1, 16);
    v128.store(MASKS + at, mask0);
    v128.store(MASKS + at, mask1, 16);
    v128.store(WIDTHS + at, bitsOf(width0));
    v128.store(WIDTHS + at, bitsOf(width1), 16);
  }
  let position: u64 = 0;
  for (let at: usize = 0; at < BLOCK_BYTES; at += 32) {
    const w0: u64 = load<u32>(WIDTHS + at);
    const w01 = w0 + load<u32>(WIDTHS + at, 4);
    const w012 = w01 + load<u32>(WIDTHS + at, 8);
    const middle = position + w012 + load<u32>(WIDTHS + at, 12);
    const w4: u64 = load<u32>(WIDTHS + at, 16);
    const w45 = w4 + load<u32>(WIDTHS + at, 20);
    const w456 = w45 + load<u32>(WIDTHS + at, 24);
    const codes0 = v128.and(codesOf(streamAt(bits, position), w0, w01, w012), v128.load(MASKS + at));
    const codes1 = v128.and(codesOf(streamAt(bits, middle), w4, w45, w456), v128.load(MASKS + at, 16));
    position = middle + w456 + load<u32>(WIDTHS + at, 28);
    const back0 = v128.or(v128.load(KNOWN + at), codes0);
    const back1 = v128.or(v128.load(KNOWN + at, 16), codes1);
    v128.store(to + at, back0);
    v128.store(to + at, back1, 16);
  }
}

/** Lists the elements of a block that would not come back. @param first - its first element */
function listExceptions(block: usize, bits: usize, first: u32, elements: u32): void {
  bringBack(block, bits, STAGED);
  for (let i: u32 = 0; i < elements; i++) {
    const p = load<u32>(ORIGINAL + (i << 2));
    if (load<u32>(STAGED + (i << 2)) != p) listException(first + i, p);
  }
}

export function addFloat32(count: u32): void {
  clearOperandsTail(count);
  const end: usize = WINDOW + ((count + 3) << 2);
  for (let at: usize = WINDOW; at + 16 <= end; at += 16) {
    const p = v128.load(at);
    const d = v128.load(at, TO_OPERAND);
    const rounded = f32x4.add(p, d);
    const binade = binadeOf(rounded);
    v128.store(at, exactSum(p, coarse(d, binade), rounded, binade));
  }
}

export function addFloat32Open(count: u32): u32 {
  clearOperandsTail(count);
  clearExceptions();
  let to: usize = BITS;
  for (let first: u32 = 0, entry: usize = INDEX; first < count; first += BLOCK, entry += 4) {
    const block: usize = WINDOW + (first << 2);
    const elements = min<u32>(BLOCK, count - first);
    const found = addAndStage(block);
    if (found & IS_RAW) {
      to = keepRaw(to, elements << 2, entry);
      continue;
    }
    const exceptions = exceptionCount();
    const end = putCodes(to);
    if (found) listExceptions(block, to, first, elements);
    to = endBlock(to, end, exceptions, elements << 2, entry, 0);
  }
  return <u32>(to - BITS);
}

export function addFloat32Close(count: u32): void {
  clearOperandsTail(count);
  for (let first: u32 = 0, entry: usize = INDEX; first < count; first += BLOCK, entry += 4) {
    const block: usize = WINDOW + (first << 2);
    const elements = min<u32>(BLOCK, count - first);
    const offset = load<u32>(entry);
    if (offset & RAW) memory.copy(block, BITS + (offset & ~RAW), elements << 2);
    else bringBack(block, BITS + offset, block);
  }
}
