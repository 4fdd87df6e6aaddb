/** Sums without rounding: whatever the order, the magnitudes and the parts. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ExactSum, PARTS, quotient, sumOfParts } from "../../src/exact-sum.ts";

/** A float64 in units of 2^-1074. */
function exact(x: number): bigint {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, x);
  const bits = view.getBigUint64(0);
  const exponent = (bits >> 52n) & 0x7ffn;
  const mantissa = (bits & 0xfffffffffffffn) | (exponent === 0n ? 0n : 1n << 52n);
  const magnitude = mantissa << (exponent === 0n ? 0n : exponent - 1n);
  return x < 0 ? -magnitude : magnitude;
}

const numbers = fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }), { maxLength: 40 });

describe("ExactSum", () => {
  it("is the sum of the numbers as integers", () => {
    fc.assert(
      fc.property(numbers, (values) => {
        const sum = new ExactSum();
        for (const value of values) sum.add(value);
        expect(sum.total).toBe(values.reduce((total, value) => total + exact(value), 0n));
      }),
      { numRuns: 1000 },
    );
  });

  it("travels in parts, which add up to the sum of all", () => {
    fc.assert(
      fc.property(fc.array(numbers, { minLength: 1, maxLength: 5 }), (groups) => {
        const all = new Float64Array(PARTS);
        for (const group of groups) {
          const sum = new ExactSum();
          for (const value of group) sum.add(value);
          const parts = new Float64Array(PARTS);
          sum.toParts(parts);
          for (let i = 0; i < PARTS; i++) all[i]! += parts[i]!;
        }
        expect(sumOfParts(all)).toBe(groups.flat().reduce((total, value) => total + exact(value), 0n));
      }),
      { numRuns: 1000 },
    );
  });

  it("stays exact beyond what it collects at once", () => {
    const sum = new ExactSum();
    for (let i = 0; i < 2 ** 21 + 3; i++) sum.add(Number.MAX_SAFE_INTEGER);
    expect(sum.total).toBe(BigInt(2 ** 21 + 3) * exact(Number.MAX_SAFE_INTEGER));
  });

  it("says so if a number is not finite, and begins anew", () => {
    const sum = new ExactSum();
    sum.add(NaN);
    sum.add(1);
    const parts = new Float64Array(PARTS);
    sum.toParts(parts);
    expect(sumOfParts(parts)).toBeUndefined();
    sum.reset();
    sum.add(2);
    expect(sum.total).toBe(exact(2));
  });
});

describe("quotient", () => {
  it("is within one unit in the last place of the exact one", () => {
    const positive = fc.bigInt({ min: 0n, max: 2n ** 300n });
    const divisor = fc.bigInt({ min: 1n, max: 2n ** 100n });
    fc.assert(
      fc.property(
        positive,
        divisor,
        fc.integer({ min: -200, max: 200 }),
        (numerator, denominator, exponent) => {
          const result = quotient(numerator, denominator, exponent);
          // In units of 2^-1074: |result · denominator − numerator · 2^exponent| against a unit of result.
          const left = exact(result) * denominator;
          const right = exponent >= -1074 ? (numerator << 1074n) << BigInt(exponent + 1074) : 0n;
          const difference = (left << 1074n) - right;
          const magnitude = difference < 0n ? -difference : difference;
          const unit = (exact(result * 2 ** -52) + 1n) * denominator;
          expect(magnitude <= unit << 1074n).toBe(true);
        },
      ),
      { numRuns: 1000 },
    );
  });
});
