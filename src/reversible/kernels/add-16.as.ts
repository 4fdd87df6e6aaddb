/**
 * bfloat16 and float16: p' = rne16(fl32(p + d)), reversibly; see `reference/add-16.ts` for the method. Here four lanes at a
 * time, 16-bit patterns in lanes of 32 bits. `half` is a constant wherever it is called with, so that no branch remains.
 */
import { BITS, BLOCK, INDEX, OPERANDS, WINDOW } from "../layout";
import { RAW } from "./pack.as";
import { complete, firstPattern, innerEnd, isAtZero, lostPlaces, MAGNITUDES, parkedWidth, rounded, scaledMagnitudes, valuesOf } from "./intervals-16.as";
import {
  bitsOf,
  clearExceptions,
  clearOperandsTail,
  codesOf,
  endBlock,
  exceptionCount,
  keepRaw,
  KNOWN,
  listException,
  maskOf,
  MASKS,
  ORIGINAL,
  powerOf,
  putCodes,
  STAGED,
  streamAt,
  ulpsOf,
  WIDTHS,
} from "./parked.as";

const BLOCK_BYTES: usize = BLOCK * 2;

/** Bit of an index entry: elements whose preimages are on both sides of 0 are predicted to be +0. */
const ZEROS: u32 = 0x40000000;
/** With more zeros than this in a block, zeros are predicted. */
const FEW_ZEROS: i32 = 48;

/** Width of a code that is the whole pattern. */
const WHOLE: i32 = 16 << 23;

/** As the codes of pairs of lanes are staged: of two neighbours, the first + the second · 2^(width of the first). */
// @ts-ignore: decorator
@inline
function pairCodes(codes: v128, power: v128): v128 {
  return i32x4.add(codes, i32x4.mul(v128.shuffle<i32>(codes, codes, 1, 0, 3, 2), power));
}

/** What {@link survey} finds: no |p| is too large. */
const IN_RANGE: u32 = 1;

/** Looks for patterns of |p| above `largest`, and for zeros: `IN_RANGE`, `ZEROS`, or both. */
function survey(block: usize, largest: i32): u32 {
  let most = i16x8.splat(0);
  let zeros = i16x8.splat(0);
  for (let at: usize = 0; at < BLOCK_BYTES; at += 16) {
    const magnitudes = v128.and(v128.load(block + at), v128.load(MAGNITUDES));
    most = i16x8.max_u(most, magnitudes);
    zeros = i16x8.sub(zeros, i16x8.eq(magnitudes, i16x8.splat(0)));
  }
  const sums = i32x4.extadd_pairwise_i16x8_u(zeros);
  const count =
    i32x4.extract_lane(sums, 0) +
    i32x4.extract_lane(sums, 1) +
    i32x4.extract_lane(sums, 2) +
    i32x4.extract_lane(sums, 3);
  const isInRange = !v128.any_true(i16x8.gt_u(most, i16x8.splat(<i16>largest)));
  return (isInRange ? IN_RANGE : 0) | (count > FEW_ZEROS ? ZEROS : 0);
}

/** What {@link addAndStage} finds: something that does not come back. */
const HAS_EXCEPTIONS: u32 = 1;
/** What {@link addAndStage} finds: a p' that is infinite or NaN. */
const IS_RAW: u32 = 2;

/** Adds to a block and stages what is parked of it. */
// @ts-ignore: decorator
@inline
function addAndStage(block: usize, operands: usize, atZeroWidth: i32, half: bool): u32 {
  const atZero = i32x4.splat(atZeroWidth);
  let largest = i16x8.splat(0);
  let anyWrong = i32x4.splat(0);
  for (let at: usize = 0; at < BLOCK_BYTES; at += 16, operands += 32) {
    const p = v128.load(block + at);
    const d0 = v128.load(operands);
    const d1 = v128.load(operands, 16);
    const p0 = i32x4.extend_low_i16x8_u(p);
    const p1 = i32x4.extend_high_i16x8_u(p);
    const q0 = rounded(f32x4.add(valuesOf(p0, half), d0), half);
    const q1 = rounded(f32x4.add(valuesOf(p1, half), d1), half);
    const q = i16x8.narrow_i32x4_u(q0, q1);
    largest = i16x8.max_u(largest, v128.and(q, v128.load(MAGNITUDES)));

    // what closing will find
    const values0 = valuesOf(q0, half);
    const values1 = valuesOf(q1, half);
    const differences0 = f32x4.sub(values0, d0);
    const differences1 = f32x4.sub(values1, d1);
    const magnitudes0 = scaledMagnitudes(q0, half);
    const magnitudes1 = scaledMagnitudes(q1, half);
    const end0 = innerEnd(magnitudes0, values0, differences0, half);
    const end1 = innerEnd(magnitudes1, values1, differences1, half);
    const lost0 = lostPlaces(magnitudes0, end0, half);
    const lost1 = lostPlaces(magnitudes1, end1, half);
    const isAtZero0 = isAtZero(end0, lost0);
    const isAtZero1 = isAtZero(end1, lost1);
    const width0 = parkedWidth(lost0, isAtZero0, atZero);
    const width1 = parkedWidth(lost1, isAtZero1, atZero);
    const ulps0 = ulpsOf(width0);
    const ulps1 = ulpsOf(width1);
    const mask0 = maskOf(ulps0);
    const mask1 = maskOf(ulps1);
    const back0 = complete(firstPattern(end0, differences0, isAtZero0, half), p0, mask0);
    const back1 = complete(firstPattern(end1, differences1, isAtZero1, half), p1, mask1);
    anyWrong = v128.or(anyWrong, v128.or(v128.xor(back0, p0), v128.xor(back1, p1)));

    const pairs0 = pairCodes(v128.and(p0, mask0), powerOf(ulps0));
    const pairs1 = pairCodes(v128.and(p1, mask1), powerOf(ulps1));
    const widths = i16x8.narrow_i32x4_s(bitsOf(width0), bitsOf(width1));
    v128.store(block + at, q);
    v128.store(ORIGINAL + at, p);
    v128.store(STAGED + (at << 1), v128.shuffle<i32>(pairs0, pairs1, 0, 2, 4, 6));
    v128.store(STAGED + (at << 1), i32x4.extadd_pairwise_i16x8_s(widths), 16);
  }
  const isRaw = v128.any_true(i16x8.gt_u(largest, i16x8.splat(half ? 0x7bff : 0x7f7f)));
  return (isRaw ? IS_RAW : 0) | (v128.any_true(anyWrong) ? HAS_EXCEPTIONS : 0);
}

/** What closing knows without the stream, 4 lanes to the scratch. */
// @ts-ignore: decorator
@inline
function stageKnown(at: usize, q: v128, d: v128, atZero: v128, half: bool): void {
  const values = valuesOf(q, half);
  const differences = f32x4.sub(values, d);
  const magnitudes = scaledMagnitudes(q, half);
  const end = innerEnd(magnitudes, values, differences, half);
  const lost = lostPlaces(magnitudes, end, half);
  const atZeroLanes = isAtZero(end, lost);
  const width = parkedWidth(lost, atZeroLanes, atZero);
  const first = firstPattern(end, differences, atZeroLanes, half);
  const mask = maskOf(ulpsOf(width));
  v128.store(KNOWN + at, first);
  v128.store(MASKS + at, mask);
  v128.store(WIDTHS + at, bitsOf(width));
}

/** Codes of 4 lanes from a position on. A load has 57 bits at least, which is enough but where p' is near 0. */
// @ts-ignore: decorator
@inline
function takeCodes(bits: usize, position: u64, w0: u64, w01: u64, w012: u64, all: u64): v128 {
  if (all <= 57) return codesOf(streamAt(bits, position), w0, w01, w012);
  let codes = i32x4.splat(<i32>streamAt(bits, position));
  codes = i32x4.replace_lane(codes, 1, <i32>streamAt(bits, position + w0));
  codes = i32x4.replace_lane(codes, 2, <i32>streamAt(bits, position + w01));
  return i32x4.replace_lane(codes, 3, <i32>streamAt(bits, position + w012));
}

/** Brings a block back from its stream at `bits`, all but the exceptions, and writes it to `to`. */
// @ts-ignore: decorator
@inline
function bringBack(block: usize, operands: usize, bits: usize, to: usize, atZeroWidth: i32, half: bool): void {
  const atZero = i32x4.splat(atZeroWidth);
  for (let at: usize = 0; at < BLOCK_BYTES; at += 16) {
    const q = v128.load(block + at);
    const d = operands + (at << 1);
    stageKnown(at << 1, i32x4.extend_low_i16x8_u(q), v128.load(d), atZero, half);
    stageKnown((at << 1) + 16, i32x4.extend_high_i16x8_u(q), v128.load(d, 16), atZero, half);
  }
  let position: u64 = 0;
  for (let at: usize = 0; at < 2 * BLOCK_BYTES; at += 32, to += 16) {
    let w0: u64 = load<u32>(WIDTHS + at);
    let w01 = w0 + load<u32>(WIDTHS + at, 4);
    let w012 = w01 + load<u32>(WIDTHS + at, 8);
    let all = w012 + load<u32>(WIDTHS + at, 12);
    const codes0 = takeCodes(bits, position, w0, w01, w012, all);
    position += all;
    w0 = load<u32>(WIDTHS + at, 16);
    w01 = w0 + load<u32>(WIDTHS + at, 20);
    w012 = w01 + load<u32>(WIDTHS + at, 24);
    all = w012 + load<u32>(WIDTHS + at, 28);
    const codes1 = takeCodes(bits, position, w0, w01, w012, all);
    position += all;
    const back0 = complete(v128.load(KNOWN + at), codes0, v128.load(MASKS + at));
    const back1 = complete(v128.load(KNOWN + at, 16), codes1, v128.load(MASKS + at, 16));
    v128.store(to, i16x8.narrow_i32x4_u(back0, back1));
  }
}

// The two formats, each compiled once.

function addAndStageBfloat16(block: usize, operands: usize, atZeroWidth: i32): u32 {
  return addAndStage(block, operands, atZeroWidth, false);
}

function addAndStageFloat16(block: usize, operands: usize, atZeroWidth: i32): u32 {
  return addAndStage(block, operands, atZeroWidth, true);
}

function bringBackBfloat16(block: usize, operands: usize, bits: usize, to: usize, atZeroWidth: i32): void {
  bringBack(block, operands, bits, to, atZeroWidth, false);
}

function bringBackFloat16(block: usize, operands: usize, bits: usize, to: usize, atZeroWidth: i32): void {
  bringBack(block, operands, bits, to, atZeroWidth, true);
}

/** Lists the elements of a block that would not come back; `STAGED` has the others. @param first - its first element */
function listExceptions(first: u32, elements: u32): void {
  for (let i: u32 = 0; i < elements; i++) {
    const p: u32 = load<u16>(ORIGINAL + (i << 1));
    if (load<u16>(STAGED + (i << 1)) != p) listException(first + i, p);
  }
}

/** Fills the window behind its elements, up to the end of the block. */
function fillTail(count: u32, pattern: u32): void {
  const end = (count + (BLOCK - 1)) & -BLOCK;
  for (let i = count; i < end; i++) store<u16>(WINDOW + (i << 1), pattern);
}

/** 1.5: plus 0, it comes back without a code. Padding is that, while a window is worked on. */
// @ts-ignore: decorator
@inline
function padding(half: bool): u32 {
  return half ? 0x3e00 : 0x3fc0;
}

// @ts-ignore: decorator
@inline
function addAll(count: u32, half: bool): void {
  let operands: usize = OPERANDS;
  const end: usize = WINDOW + (count << 1);
  for (let at: usize = WINDOW; at < end; at += 16, operands += 32) {
    const p = v128.load(at);
    const sum0 = f32x4.add(valuesOf(i32x4.extend_low_i16x8_u(p), half), v128.load(operands));
    const sum1 = f32x4.add(valuesOf(i32x4.extend_high_i16x8_u(p), half), v128.load(operands, 16));
    v128.store(at, i16x8.narrow_i32x4_u(rounded(sum0, half), rounded(sum1, half)));
  }
}

export function add16(count: u32, half: bool): void {
  clearOperandsTail(count);
  if (half) addAll(count, true);
  else addAll(count, false);
}

export function add16Open(count: u32, half: bool): u32 {
  clearOperandsTail(count);
  clearExceptions();
  fillTail(count, padding(half));
  let to: usize = BITS;
  for (let first: u32 = 0, entry: usize = INDEX; first < count; first += BLOCK, entry += 4) {
    const block: usize = WINDOW + (first << 1);
    const operands: usize = OPERANDS + (first << 2);
    const elements = min<u32>(BLOCK, count - first);
    const surveyed = survey(block, half ? 0x7bff : 0x7e00);
    const zeros = surveyed & ZEROS;
    const atZeroWidth = zeros ? 0 : WHOLE;
    const found = half
      ? addAndStageFloat16(block, operands, atZeroWidth)
      : addAndStageBfloat16(block, operands, atZeroWidth);
    if (!(surveyed & IN_RANGE) || found & IS_RAW) {
      to = keepRaw(to, elements << 1, entry);
      continue;
    }
    const exceptions = exceptionCount();
    const end = putCodes(to);
    if (found) {
      if (half) bringBackFloat16(block, operands, to, STAGED, atZeroWidth);
      else bringBackBfloat16(block, operands, to, STAGED, atZeroWidth);
      listExceptions(first, elements);
    }
    to = endBlock(to, end, exceptions, elements << 1, entry, zeros);
  }
  fillTail(count, 0);
  return <u32>(to - BITS);
}

export function add16Close(count: u32, half: bool): void {
  clearOperandsTail(count);
  fillTail(count, padding(half));
  for (let first: u32 = 0, entry: usize = INDEX; first < count; first += BLOCK, entry += 4) {
    const block: usize = WINDOW + (first << 1);
    const operands: usize = OPERANDS + (first << 2);
    const elements = min<u32>(BLOCK, count - first);
    const found = load<u32>(entry);
    const bits: usize = BITS + (found & ~(RAW | ZEROS));
    const atZeroWidth = found & ZEROS ? 0 : WHOLE;
    if (found & RAW) memory.copy(block, bits, elements << 1);
    else if (half) bringBackFloat16(block, operands, bits, block, atZeroWidth);
    else bringBackBfloat16(block, operands, bits, block, atZeroWidth);
  }
  fillTail(count, 0);
}
