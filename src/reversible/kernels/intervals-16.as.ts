/**
 * bfloat16 and float16, four lanes at a time: patterns of 16 bits, their values, and the interval of the p that have the
 * same sum; see `reference/add-16.ts`. `half` is a constant wherever it is called with, so that no branch remains.
 *
 * Exponents and last places are looked up in scaled numbers: floats whose upper bits are the pattern of the format. For
 * bfloat16 that is the number itself, for float16 the number times 2^-112, with subnormals where float16 has them.
 */
import { exponentOf, signOf } from "./parked.as";

// Constants of all lanes alike, to be loaded, as in parked.as.ts.

const ONE: usize = memory.data<u32>([1, 1, 1, 1], 16);
const MAGNITUDE: usize = memory.data<u32>([0x7fffffff, 0x7fffffff, 0x7fffffff, 0x7fffffff], 16);
const EXPONENT_AND_SIGN: usize = memory.data<u32>([0xff800000, 0xff800000, 0xff800000, 0xff800000], 16);
/** Magnitude of a pattern in the lower half of a lane, and of patterns in both. */
const LOW_MAGNITUDE: usize = memory.data<u32>([0x7fff, 0x7fff, 0x7fff, 0x7fff], 16);
export const MAGNITUDES: usize = memory.data<u32>([0x7fff7fff, 0x7fff7fff, 0x7fff7fff, 0x7fff7fff], 16);

/** Exponent of subnormal numbers, by the spacing they have. */
const SUBNORMAL: usize = memory.data<u32>([1 << 23, 1 << 23, 1 << 23, 1 << 23], 16);
/** Width of one bit. */
const ONE_PLACE: usize = SUBNORMAL;
/** Widest code that is not the whole pattern. */
const WIDEST: usize = memory.data<u32>([9 << 23, 9 << 23, 9 << 23, 9 << 23], 16);

// bfloat16

/** NaN of either sign, by their bits the largest that rounding makes no other number of. */
const NAN: usize = memory.data<u32>([0x7fc00000, 0x7fc00000, 0x7fc00000, 0x7fc00000], 16);
const NEGATIVE_NAN: usize = memory.data<u32>([0xffc00000, 0xffc00000, 0xffc00000, 0xffc00000], 16);
/** Half of the last place, less 1: what is added to round, but for ties. */
const ROUNDING: usize = LOW_MAGNITUDE;
/** Exponent of half a last place, below that of the number. */
const HALF_PLACE: usize = memory.data<u32>([8 << 23, 8 << 23, 8 << 23, 8 << 23], 16);
/** Bits of scaled numbers behind the pattern, and the last one of the pattern. */
const BEHIND_BFLOAT16: usize = memory.data<u32>([0xffff, 0xffff, 0xffff, 0xffff], 16);
const LAST_OF_BFLOAT16: usize = memory.data<u32>([0x10000, 0x10000, 0x10000, 0x10000], 16);

// float16

/** 2^112 and 2^-112: from scaled float16 to its value, and back. */
const UP: usize = memory.data<u32>([239 << 23, 239 << 23, 239 << 23, 239 << 23], 16);
const DOWN: usize = memory.data<u32>([15 << 23, 15 << 23, 15 << 23, 15 << 23], 16);
/** Infinity: scaled, and as a pattern. */
const SCALED_INFINITY: usize = memory.data<u32>([0xf800000, 0xf800000, 0xf800000, 0xf800000], 16);
const INFINITY: usize = memory.data<u32>([0x7c00, 0x7c00, 0x7c00, 0x7c00], 16);
/** What makes a quiet NaN of the pattern of infinity. */
const QUIET: usize = memory.data<u32>([0x200, 0x200, 0x200, 0x200], 16);
/** Exponents of 2^-14, whose spacing is that of subnormals, and of 2^16, where all is infinite. */
const LOWEST: usize = memory.data<u32>([113 << 23, 113 << 23, 113 << 23, 113 << 23], 16);
const HIGHEST: usize = memory.data<u32>([143 << 23, 143 << 23, 143 << 23, 143 << 23], 16);
/** By how much a float32 must be larger to have the spacing of float16. */
const LARGER: usize = memory.data<u32>([13 << 23, 13 << 23, 13 << 23, 13 << 23], 16);
/** Exponent of half a last place, from scaled to value. */
const TO_HALF_PLACE: usize = memory.data<u32>([101 << 23, 101 << 23, 101 << 23, 101 << 23], 16);
/** Bits of scaled numbers behind the pattern, and the last one of the pattern. */
const BEHIND_FLOAT16: usize = memory.data<u32>([0x1fff, 0x1fff, 0x1fff, 0x1fff], 16);
const LAST_OF_FLOAT16: usize = memory.data<u32>([0x2000, 0x2000, 0x2000, 0x2000], 16);

/** Values of patterns, exact. */
// @ts-ignore: decorator
@inline
export function valuesOf(patterns: v128, half: bool): v128 {
  if (!half) return i32x4.shl(patterns, 16);
  const scaled = i32x4.shl(v128.and(patterns, v128.load(LOW_MAGNITUDE)), 13);
  const finite = f32x4.mul(scaled, v128.load(UP));
  const isNotFinite = i32x4.ge_s(scaled, v128.load(SCALED_INFINITY));
  const sign = signOf(i32x4.shl(patterns, 16));
  return v128.or(sign, v128.or(finite, exponentOf(isNotFinite)));
}

/** Patterns nearest to numbers, ties to even. A NaN gives a quiet NaN. */
// @ts-ignore: decorator
@inline
export function rounded(values: v128, half: bool): v128 {
  if (!half) {
    // a NaN of either sign without the low bits, whose carry would make another number of it
    const positive = i32x4.min_s(values, v128.load(NAN));
    const tame = i32x4.min_u(positive, v128.load(NEGATIVE_NAN));
    const even = v128.and(i32x4.shr_u(tame, 16), v128.load(ONE));
    return i32x4.shr_u(i32x4.add(i32x4.add(tame, v128.load(ROUNDING)), even), 16);
  }
  const sign = signOf(values);
  const low = i32x4.max_s(exponentOf(values), v128.load(LOWEST));
  const exponent = i32x4.min_s(low, v128.load(HIGHEST));
  // numbers of this size have the spacing that float16 has at the value: adding one rounds
  const large = v128.or(i32x4.add(exponent, v128.load(LARGER)), sign);
  const coarse = f32x4.sub(f32x4.add(values, large), large);
  const magnitude = v128.and(f32x4.mul(coarse, v128.load(DOWN)), v128.load(MAGNITUDE));
  const finite = i32x4.min_s(i32x4.shr_u(magnitude, 13), v128.load(INFINITY));
  const quiet = v128.and(f32x4.ne(values, values), v128.load(QUIET));
  return v128.or(v128.or(finite, quiet), i32x4.shr_u(sign, 16));
}

/** Magnitudes of patterns, scaled. */
// @ts-ignore: decorator
@inline
export function scaledMagnitudes(patterns: v128, half: bool): v128 {
  if (!half) return v128.and(i32x4.shl(patterns, 16), v128.load(MAGNITUDE));
  return i32x4.shl(v128.and(patterns, v128.load(LOW_MAGNITUDE)), 13);
}

/** Exponents of scaled numbers, of subnormal ones that which fits their spacing. A sign counts as subnormal. */
// @ts-ignore: decorator
@inline
function spacingOf(scaled: v128): v128 {
  return i32x4.max_s(v128.and(scaled, v128.load(EXPONENT_AND_SIGN)), v128.load(SUBNORMAL));
}

/** Inner ends of the intervals that p is in, scaled; negative or 0 where an interval reaches 0. */
// @ts-ignore: decorator
@inline
export function innerEnd(magnitudes: v128, values: v128, differences: v128, half: bool): v128 {
  // towards 0, for p, is down for p' if both have the same sign: there the spacing is that of the number below
  const isUp = i32x4.shr_s(v128.xor(values, differences), 31);
  const step = v128.load(half ? LAST_OF_FLOAT16 : LAST_OF_BFLOAT16);
  const inner = spacingOf(i32x4.sub(magnitudes, v128.andnot(step, isUp)));
  const distances = v128.and(differences, v128.load(MAGNITUDE));
  // half of the last place: of 10 bits, and unscaled; or of 7 bits, 0 where it would be subnormal
  if (half) {
    const end = f32x4.sub(distances, i32x4.add(inner, v128.load(TO_HALF_PLACE)));
    return f32x4.mul(end, v128.load(DOWN));
  }
  return f32x4.sub(distances, i32x4.max_s(i32x4.sub(inner, v128.load(HALF_PLACE)), i32x4.splat(0)));
}

/** Lanes whose interval reaches 0, or so near that there are too many patterns in it. */
// @ts-ignore: decorator
@inline
export function isAtZero(end: v128, lost: v128): v128 {
  return v128.or(i32x4.gt_s(v128.load(ONE), end), i32x4.gt_s(lost, v128.load(WIDEST)));
}

/** Bits that p has lost: the difference of exponents, and 1 more where both ends of the interval have this sum. */
// @ts-ignore: decorator
@inline
export function lostPlaces(magnitudes: v128, end: v128, half: bool): v128 {
  const lost = i32x4.sub(spacingOf(magnitudes), i32x4.max_s(exponentOf(end), v128.load(SUBNORMAL)));
  // an end that is a pattern, and a p' that is even and not 0: less 1, it is odd and not negative
  const last = v128.load(half ? LAST_OF_FLOAT16 : LAST_OF_BFLOAT16);
  const isBetween = v128.and(end, v128.load(half ? BEHIND_FLOAT16 : BEHIND_BFLOAT16));
  const before = i32x4.sub(magnitudes, last);
  const isClosed = i32x4.eq(v128.or(isBetween, v128.or(signOf(before), v128.and(before, last))), last);
  return i32x4.add(lost, v128.and(isClosed, v128.load(ONE_PLACE)));
}

/** Widths of codes. @param atZero - that of lanes at zero */
// @ts-ignore: decorator
@inline
export function parkedWidth(lost: v128, isAtZero: v128, atZero: v128): v128 {
  return v128.bitselect(atZero, i32x4.max_s(lost, i32x4.splat(0)), isAtZero);
}

/** Patterns of the smallest numbers in the intervals, with the sign of p; 0 in lanes at zero. */
// @ts-ignore: decorator
@inline
export function firstPattern(end: v128, differences: v128, isAtZero: v128, half: bool): v128 {
  const shift = half ? 13 : 16;
  const behind = v128.load(half ? BEHIND_FLOAT16 : BEHIND_BFLOAT16);
  const first = i32x4.shr_u(i32x4.add(end, behind), shift);
  return v128.andnot(v128.or(first, i32x4.shr_u(signOf(differences), 16)), isAtZero);
}

/** The pattern, from the first one of its interval on, that ends with a code. */
// @ts-ignore: decorator
@inline
export function complete(first: v128, code: v128, mask: v128): v128 {
  return i32x4.add(first, v128.and(i32x4.sub(code, first), mask));
}
