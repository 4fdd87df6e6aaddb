/**
 * What adding in float32 and in 16 bits have in common: the scratch of a block, its codes of a few bits on their way into
 * the stream and out of it, and the list of exceptions. Everything is staged by block through scratch that stays in the
 * first cache: the arithmetic of one vector does not wait for the position that the vector before it ends at.
 */
import { BITS, BLOCK, EXCEPTIONS, OPERANDS } from "../layout";
import { RAW } from "./pack.as";

/** Elements of the block as they were before. */
export const ORIGINAL: usize = memory.data(BLOCK * 4, 16);
/** Opening: codes and widths, see {@link putCodes}. Listing exceptions: the block as it would be brought back. */
export const STAGED: usize = memory.data(BLOCK * 4, 16);
/** Closing, by lane: what is known of the element without its code. */
export const KNOWN: usize = memory.data(BLOCK * 4, 16);
/** Closing, by lane: mask of the bits that its code decides on. */
export const MASKS: usize = memory.data(BLOCK * 4, 16);
/** Closing, by lane: bits of its code. */
export const WIDTHS: usize = memory.data(BLOCK * 4, 16);

// ---- Constants ----
// Vectors in memory, to be loaded: V8 makes a constant vector anew in every round of a loop, in four instructions. They
// are loaded once a round where all stores come last.

const EXPONENT: usize = memory.data<u32>([0x7f800000, 0x7f800000, 0x7f800000, 0x7f800000], 16);
const SIGN: usize = memory.data<u32>([0x80000000, 0x80000000, 0x80000000, 0x80000000], 16);
/** The floats 1 and 2^23, and the one behind 2^23. */
const ONE: usize = memory.data<u32>([0x3f800000, 0x3f800000, 0x3f800000, 0x3f800000], 16);
const TWO_23: usize = memory.data<u32>([0x4b000000, 0x4b000000, 0x4b000000, 0x4b000000], 16);
const TWO_23_PLUS_1: usize = memory.data<u32>([0x4b000001, 0x4b000001, 0x4b000001, 0x4b000001], 16);

/** The exponent of floats, where it stands: a multiple of 2^23. */
// @ts-ignore: decorator
@inline
export function exponentOf(x: v128): v128 {
  return v128.and(x, v128.load(EXPONENT));
}

// @ts-ignore: decorator
@inline
export function signOf(x: v128): v128 {
  return v128.and(x, v128.load(SIGN));
}

// ---- Widths of codes ----
// A width n is the difference of two exponents, left where exponents stand: n · 2^23.

/** Floats 2^23 + 2^n, n ≤ 23. Their mantissas are integers 2^n: {@link powerOf} and {@link maskOf}. */
// @ts-ignore: decorator
@inline
export function ulpsOf(width: v128): v128 {
  return f32x4.add(i32x4.add(width, v128.load(ONE)), v128.load(TWO_23));
}

/** Integers 2^n. */
// @ts-ignore: decorator
@inline
export function powerOf(ulps: v128): v128 {
  return i32x4.sub(ulps, v128.load(TWO_23));
}

/** Integers 2^n − 1. */
// @ts-ignore: decorator
@inline
export function maskOf(ulps: v128): v128 {
  return i32x4.sub(ulps, v128.load(TWO_23_PLUS_1));
}

/** Integers n. */
// @ts-ignore: decorator
@inline
export function bitsOf(width: v128): v128 {
  return i32x4.shr_u(width, 23);
}

// ---- Codes to bits ----

/**
 * Writes the staged codes of a block as a stream that begins at `to`, and up to 8 bytes behind it. Staged are, for every 8
 * lanes, 4 u32 with the codes of two lanes each, closed up, then the 4 widths of these.
 *
 * @returns the byte behind the stream
 */
export function putCodes(to: usize): usize {
  let pending: u64 = 0; // less than a byte, between appends
  let width: u64 = 0;
  for (let at = STAGED; at < STAGED + BLOCK * 4; at += 32) {
    const w0: u64 = load<u32>(at, 16);
    const w1: u64 = load<u32>(at, 20);
    const w2: u64 = load<u32>(at, 24);
    const w3: u64 = load<u32>(at, 28);
    const low = w0 + w1;
    const all = low + w2 + w3;
    if (all <= 56) {
      const first = <u64>load<u32>(at) | (<u64>load<u32>(at, 4) << w0);
      const second = <u64>load<u32>(at, 8) | (<u64>load<u32>(at, 12) << w2);
      pending |= (first | (second << low)) << width;
      width += all;
      store<u64>(to, pending);
      // whole bytes are done with
      to += <usize>(width >> 3);
      pending >>= width & 56;
      width &= 7;
    } else {
      for (let pair = at; pair < at + 16; pair += 4) {
        pending |= <u64>load<u32>(pair) << width;
        width += load<u32>(pair, 16);
        store<u64>(to, pending);
        to += <usize>(width >> 3);
        pending >>= width & 56;
        width &= 7;
      }
    }
  }
  store<u8>(to, <u8>pending);
  return to + <usize>(width > 0);
}

/** A stream from a position, in bits, on: 57 of them at least, which is 4 codes of 14 bits. */
// @ts-ignore: decorator
@inline
export function streamAt(bits: usize, position: u64): u64 {
  return load<u64>(bits + <usize>(position >> 3)) >> (position & 7);
}

/** 4 codes at the beginning of `stream`, with whatever follows above them. @param w0 - width of the first; of 2; of 3 */
// @ts-ignore: decorator
@inline
export function codesOf(stream: u64, w0: u64, w01: u64, w012: u64): v128 {
  let codes = i32x4.splat(<i32>stream);
  codes = i32x4.replace_lane(codes, 1, <i32>(stream >> w0));
  codes = i32x4.replace_lane(codes, 2, <i32>(stream >> w01));
  return i32x4.replace_lane(codes, 3, <i32>(stream >> w012));
}

// ---- Exceptions ----

/** Behind the last exception. */
let exceptionsEnd: usize = EXCEPTIONS;

/** Exceptions listed since they were cleared. */
export function exceptionCount(): u32 {
  return <u32>(exceptionsEnd - EXCEPTIONS) >> 3;
}

// @ts-ignore: decorator
@inline
export function clearExceptions(): void {
  exceptionsEnd = EXCEPTIONS;
}

// @ts-ignore: decorator
@inline
export function listException(element: u32, bits: u32): void {
  store<u32>(exceptionsEnd, element);
  store<u32>(exceptionsEnd, bits, 4);
  exceptionsEnd += 8;
}

/** Index entry of a block whose stream begins at `begin`. Its own bytes replace what is there: @returns their end */
export function keepRaw(begin: usize, bytes: u32, entry: usize): usize {
  store<u32>(entry, <u32>(begin - BITS) | RAW);
  memory.copy(begin, ORIGINAL, bytes);
  return begin + bytes;
}

/**
 * Ends a block whose stream goes from `begin` to `end` and whose exceptions are those from number `exceptions` on. If they
 * take as many bytes as the block itself or more, its own bytes replace them.
 *
 * @param bytes - of the block's elements
 * @param entry - where its entry in the index goes
 * @param flags - of the entry, if it is not raw
 * @returns the byte behind what was kept
 */
export function endBlock(begin: usize, end: usize, exceptions: u32, bytes: u32, entry: usize, flags: u32): usize {
  const cost = <u32>(end - begin) + ((exceptionCount() - exceptions) << 3);
  if (cost < bytes) {
    store<u32>(entry, <u32>(begin - BITS) | flags);
    return end;
  }
  exceptionsEnd = EXCEPTIONS + (exceptions << 3);
  return keepRaw(begin, bytes, entry);
}

// ---- Padding ----

/** Deltas behind the elements become 0, up to the end of the block: padding must not leave anything to park. */
export function clearOperandsTail(count: u32): void {
  memory.fill(OPERANDS + (count << 2), 0, (-count & (BLOCK - 1)) << 2);
}
