/** Statistics of host values, in float64 and in index order, so that they are the same on every store. */

/** Population standard deviation; two passes. NaN if a value is NaN or infinite. */
export function standardDeviation(values: ArrayLike<number>): number {
  const n = values.length;
  if (n === 0) return 0;
  let sum = 0;
  for (let i = 0; i < n; i++) sum += values[i]!;
  const mean = sum / n;
  let squares = 0;
  for (let i = 0; i < n; i++) squares += (values[i]! - mean) ** 2;
  return Math.sqrt(squares / n);
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

/**
 * The k-th smallest magnitude of many values, exactly, without a copy of them: the values are looked at twice, to count
 * them by the upper bits of their magnitude, and to collect those that have the upper bits of the one that is looked for.
 */
export class MagnitudeSelection {
  readonly #counts = new Uint32Array(65536);
  #total = 0;
  /** Which of all magnitudes in order is looked for, from 1 on; 0 for none of them. */
  #rank = -1;
  /** Upper bits of the one that is looked for, and how many magnitudes have smaller ones. */
  #bin = 0;
  #below = 0;
  /** Those with the same upper bits. */
  #candidates = new Float64Array(0);
  #collected = 0;

  /** Counts values. Returns false if there is a NaN among them. */
  count(values: ArrayLike<number>): boolean {
    for (let i = 0; i < values.length; i++) {
      const magnitude = Math.abs(values[i]!);
      if (Number.isNaN(magnitude)) return false;
      this.#counts[upperBits(magnitude)]!++;
    }
    this.#total += values.length;
    return true;
  }

  /** Looks at all values that were counted once more. `share`: the same each time, from 0 to 1. */
  collect(values: ArrayLike<number>, share: number): void {
    if (this.#rank < 0) this.#find(Math.round(share * this.#total));
    if (this.#rank === 0) return;
    for (let i = 0; i < values.length; i++) {
      const magnitude = Math.abs(values[i]!);
      if (upperBits(magnitude) === this.#bin) this.#candidates[this.#collected++] = magnitude;
    }
  }

  #find(rank: number): void {
    this.#rank = rank;
    if (rank === 0) return;
    while (this.#below + this.#counts[this.#bin]! < rank) this.#below += this.#counts[this.#bin++]!;
    this.#candidates = new Float64Array(this.#counts[this.#bin]!);
  }

  /** The magnitude that the share of values does not exceed; −1 if the share is less than half a value. */
  get result(): number {
    return this.#rank <= 0 ? -1 : this.#candidates.sort()[this.#rank - this.#below - 1]!;
  }
}
