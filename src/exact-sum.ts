/**
 * Sums of float64 numbers without rounding, so that neither order nor the place where a part was added matters: parts of
 * a parameter can be summed wherever they are.
 */
/* oxlint-disable typescript/no-non-null-assertion -- indices are in range by construction; a check would cost the loop */

const EXPONENTS = 2048;
/** So many numbers can be added before sums of their lower 32 bits could need more than 53. */
const MOST = 2 ** 20;

const number = new Float64Array(1);
const words = new Uint32Array(number.buffer);
const [LOW, HIGH] = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1 ? [0, 1] : [1, 0];

/** Bits of a part of a sum when it travels, and how many parts there are. */
const PART_BITS = 40n;
/** 2^1024 down to 2^-1074, and 40 bits for carries. */
export const PARTS = 54;

/** A sum in units of 2^-1074, the smallest float64. */
export class ExactSum {
  /** By exponent: sums of the upper 21 and of the lower 32 bits of mantissas, each exact. */
  readonly #upper = new Float64Array(EXPONENTS);
  readonly #lower = new Float64Array(EXPONENTS);
  #smallest = EXPONENTS;
  #largest = -1;
  #pending = 0;
  #total = 0n;
  #isFinite = true;

  /** Adds a number. */
  add(x: number): void {
    number[0] = x;
    const high = words[HIGH]!;
    const exponent = (high >>> 20) & 0x7ff;
    if (exponent === 0x7ff) {
      this.#isFinite = false;
      return;
    }
    const upper = (high & 0xfffff) | (exponent === 0 ? 0 : 0x100000);
    const sign = high >>> 31 === 0 ? 1 : -1;
    this.#upper[exponent]! += sign * upper;
    this.#lower[exponent]! += sign * words[LOW]!;
    if (exponent < this.#smallest) this.#smallest = exponent;
    if (exponent > this.#largest) this.#largest = exponent;
    if (++this.#pending === MOST) this.#settle();
  }

  #settle(): void {
    for (let exponent = this.#smallest; exponent <= this.#largest; exponent++) {
      const upper = this.#upper[exponent]!;
      const lower = this.#lower[exponent]!;
      if (upper === 0 && lower === 0) continue;
      this.#total += ((BigInt(upper) << 32n) + BigInt(lower)) << BigInt(Math.max(exponent, 1) - 1);
      this.#upper[exponent] = this.#lower[exponent] = 0;
    }
    this.#smallest = EXPONENTS;
    this.#largest = -1;
    this.#pending = 0;
  }

  /** Whether all numbers were. */
  get isFinite(): boolean {
    return this.#isFinite;
  }

  /** The sum, in units of 2^-1074. */
  get total(): bigint {
    this.#settle();
    return this.#total;
  }

  /** Begins anew. */
  reset(): void {
    this.#settle();
    this.#total = 0n;
    this.#isFinite = true;
  }

  /**
   * The sum as numbers that can be added part by part to those of other sums, exactly, for up to 2^12 of them. NaN
   * everywhere if not all numbers were finite.
   *
   * @param first - which of the {@link PARTS} is the first in `out`; those that are not in it must be zero
   */
  toParts(out: Float64Array, first = 0): void {
    if (!this.#isFinite) {
      out.fill(NaN);
      return;
    }
    const { total } = this;
    let rest = (total < 0n ? -total : total) >> (PART_BITS * BigInt(first));
    for (let i = 0; i < out.length; i++) {
      out[i] = Number(BigInt.asUintN(Number(PART_BITS), rest)) * (total < 0n ? -1 : 1);
      rest >>= PART_BITS;
    }
  }
}

/** The sum whose parts these are, from `first` on, in units of 2^-1074; undefined if a number was not finite. */
export function sumOfParts(parts: Float64Array, first = 0): bigint | undefined {
  if (Number.isNaN(parts[0]!)) return undefined;
  const sum = parts.reduceRight((upper, part) => (upper << PART_BITS) + BigInt(part), 0n);
  return sum << (PART_BITS * BigInt(first));
}

/** The float64 nearest to numerator / denominator · 2^exponent, for a numerator ≥ 0: within 1 ulp of it. */
export function quotient(numerator: bigint, denominator: bigint, exponent: number): number {
  if (numerator === 0n) return 0;
  // So many bits that the quotient has at least 64.
  const shift = Math.max(0, 64 + denominator.toString(2).length - numerator.toString(2).length);
  const whole = (numerator << BigInt(shift)) / denominator;
  const excess = Math.max(0, whole.toString(2).length - 64);
  const result = Number(whole >> BigInt(excess));
  // In two steps: one factor alone may be out of range.
  const power = exponent - shift + excess;
  const half = Math.trunc(power / 2);
  return result * 2 ** half * 2 ** (power - half);
}
