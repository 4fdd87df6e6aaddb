/** Statistics of host values, the same on every store, and for parts of a parameter as for the whole. */
import { ExactSum, PARTS, quotient, sumOfParts } from "./exact-sum.ts";

/** x · x − square, which is a float64 itself (Dekker 1971); 0 where that is out of range. */
function roundingOfSquare(x: number, square: number): number {
  const scaled = x * 134217729;
  const high = scaled - (scaled - x);
  const low = x - high;
  const rest = high * high - square + 2 * high * low + low * low;
  return Number.isFinite(rest) ? rest : 0;
}

/** Which parts of a sum, and of a sum of squares, can be other than zero. */
interface Extent {
  readonly sum: { readonly first: number; readonly count: number };
  readonly squares: { readonly first: number; readonly count: number };
}

const OF_FLOAT64: Extent = { sum: { first: 0, count: PARTS }, squares: { first: 0, count: PARTS } };
/** From 2^-149 to 2^128, squares from 2^-298 to 2^256, and at least 70 bits for carries: a quarter of the bytes. */
const OF_FLOAT32: Extent = { sum: { first: 23, count: 9 }, squares: { first: 19, count: 16 } };

const numbersIn = ({ sum, squares }: Extent): number => sum.count + squares.count + 1;

/** Sums that a standard deviation follows from: exact, so that parts of a parameter can be summed anywhere. */
export class Moments {
  readonly #extent: Extent;
  readonly #sum = new ExactSum();
  readonly #squares = new ExactSum();
  #count = 0;

  /** @param inFloat32 - whether all values are integers of 32 bits, or numbers that a float32 can hold */
  constructor(inFloat32 = false) {
    this.#extent = inFloat32 ? OF_FLOAT32 : OF_FLOAT64;
  }

  add(values: ArrayLike<number>): void {
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!;
      const square = value * value;
      this.#sum.add(value);
      this.#squares.add(square);
      // Of a float32 the square is a float64.
      if (Math.fround(value) !== value) this.#squares.add(roundingOfSquare(value, square));
    }
    this.#count += values.length;
  }

  /** As numbers that can be added to those of other parts. */
  toParts(): Float64Array {
    const { sum, squares } = this.#extent;
    const parts = new Float64Array(numbersIn(this.#extent));
    this.#sum.toParts(parts.subarray(0, sum.count), sum.first);
    this.#squares.toParts(parts.subarray(sum.count, -1), squares.first);
    parts[parts.length - 1] = this.#count;
    return parts;
  }
}

/** Population standard deviation from added-up parts of {@link Moments}; NaN if a value, or its square, is not finite. */
export function deviationOf(parts: Float64Array): number {
  const extent = parts.length === numbersIn(OF_FLOAT32) ? OF_FLOAT32 : OF_FLOAT64;
  const sum = sumOfParts(parts.subarray(0, extent.sum.count), extent.sum.first);
  const squares = sumOfParts(parts.subarray(extent.sum.count, -1), extent.squares.first);
  const count = BigInt(parts.at(-1)!);
  if (sum === undefined || squares === undefined) return NaN;
  if (count === 0n) return 0;
  // Units of 2^-2148: the square of that of sums.
  const variance = ((count * squares) << 1074n) - sum * sum;
  return Math.sqrt(quotient(variance < 0n ? 0n : variance, count * count, -2148));
}

/** Mean and largest absolute difference. */
export function absoluteDifference(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
): { readonly meanAbsDelta: number; readonly maxAbsDelta: number } {
  let sum = 0;
  let max = 0;
  for (let i = 0; i < a.length; i++) {
    // Equal infinities differ by nothing, though their difference is NaN.
    const delta = Object.is(a[i], b[i]) ? 0 : Math.abs(b[i]! - a[i]!);
    sum += delta;
    // Math.max lets a NaN through, and a NaN must be seen.
    max = Math.max(max, delta);
  }
  return { meanAbsDelta: a.length === 0 ? 0 : sum / a.length, maxAbsDelta: max };
}

const scratch = new DataView(new ArrayBuffer(8));

/** Upper half of the bits of a magnitude as float64: in the order of magnitudes. */
function upperBits(magnitude: number): number {
  scratch.setFloat64(0, magnitude);
  return scratch.getUint32(0) >>> 15;
}

/** How many different {@link upperBits} there are. */
export const BINS = 65536;

/**
 * The k-th smallest magnitude of many values, exactly, without a copy of them: they are looked at twice, to count them by
 * the upper bits of their magnitudes, and to collect those that have the upper bits of the one that is looked for.
 */
export class MagnitudeSelection {
  /** How many values there are by upper bits: of a part of all values until it is added to those of other parts. */
  readonly counts = new Float64Array(BINS);
  /** Which of all magnitudes in order is looked for, from 1 on; 0 for none of them. */
  #rank = 0;
  /** Upper bits of the one that is looked for, and how many magnitudes have smaller ones. */
  #bin = -1;
  #below = 0;
  readonly #candidates: number[] = [];

  /** Counts values. Returns how many of them are NaN, and have no magnitude. */
  count(values: ArrayLike<number>): number {
    let nans = 0;
    for (let i = 0; i < values.length; i++) {
      const magnitude = Math.abs(values[i]!);
      if (Number.isNaN(magnitude)) nans++;
      else this.counts[upperBits(magnitude)]!++;
    }
    return nans;
  }

  /** Looks for the magnitude that a share of all values, from 0 to 1, does not exceed. */
  find(share: number): void {
    this.#rank = Math.round(share * this.counts.reduce((sum, count) => sum + count, 0));
    if (this.#rank === 0) return;
    this.#bin = 0;
    while (this.#below + this.counts[this.#bin]! < this.#rank) this.#below += this.counts[this.#bin++]!;
  }

  /** The magnitudes with the same upper bits. */
  candidatesOf(values: ArrayLike<number>): Float64Array {
    const found: number[] = [];
    for (let i = 0; i < values.length; i++) {
      const magnitude = Math.abs(values[i]!);
      if (upperBits(magnitude) === this.#bin) found.push(magnitude);
    }
    return Float64Array.from(found);
  }

  collect(candidates: Float64Array): void {
    for (const candidate of candidates) this.#candidates.push(candidate);
  }

  /** The magnitude that the share does not exceed; −1 if it is less than half a value. */
  get result(): number {
    return this.#rank === 0 ? -1 : Float64Array.from(this.#candidates).sort()[this.#rank - this.#below - 1]!;
  }
}
