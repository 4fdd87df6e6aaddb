import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { latticeMagnitude, noiseLattice } from "../../../src/random/lattice.ts";

/** The largest |z| in Q17. */
const LARGEST = 816613;

/** Powers of two by repeated exact products, so that the test does not lean on `**` either. */
function powers(): Map<number, number> {
  const all = new Map<number, number>();
  for (let e = 0, x = 1; e <= 1023; e++, x *= 2) all.set(e, x);
  for (let e = 0, x = 1; e >= -1074; e--, x /= 2) all.set(e, x);
  return all;
}

/** The float64 just below a positive one. */
function below(x: number): number {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, x);
  view.setBigUint64(0, view.getBigUint64(0) - 1n);
  return view.getFloat64(0);
}

describe("noiseLattice", () => {
  it("splits R = round(std / 2^k · 4096) for a known std", () => {
    // 0.01 = 1.28 · 2^-7, R = round(1.28 · 2^23) = 10737418 = 2621 · 4096 + 1802
    expect(noiseLattice(0.01)).toEqual({ high: 2621, low: 1802, shift: 16, quantum: 2 ** -19 });
    expect(noiseLattice(0.01, true)).toEqual({ high: 2621, low: 1802, shift: 13, quantum: 2 ** -22 });
  });

  it("takes the exponent exactly at every power of two, and just below it", () => {
    const power = powers();
    for (const [e, std] of power) {
      expect(noiseLattice(std)).toEqual({ high: 2048, low: 0, shift: 16, quantum: power.get(e - 12) ?? 0 });
      // normal numbers just below keep the exponent of the binade below, and R rounds up to 2^24
      if (e <= -1021) continue;
      const just = noiseLattice(below(std), true);
      expect(just).toEqual({ high: 4096, low: 0, shift: 13, quantum: power.get(e - 16) ?? 0 });
    }
  });

  it("keeps 24 bits of std, rounded once", () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-307, max: 1.7e308, noNaN: true }), (std) => {
        const { high, low } = noiseLattice(std);
        expect(high >= 2048 && high <= 4096 && low >= 0 && low < 4096).toBe(true);
        // scaled by exact powers of two until it has the size of R
        let ratio = std;
        while (ratio < 2 ** 23) ratio *= 2;
        while (ratio >= 2 ** 24) ratio /= 2;
        // exact in float64: 53 bits less 24
        expect(Math.abs(high * 4096 + low - ratio)).toBeLessThanOrEqual(0.5);
      }),
    );
  });

  it.each([0, -1, Number.NaN, Infinity, -Infinity])("refuses std %d", (std) => {
    expect(() => noiseLattice(std)).toThrow(RangeError);
    expect(() => noiseLattice(std)).toThrow(/^noise: std/);
  });
});

describe("latticeMagnitude", () => {
  it("is floor(z · R / 2^(12 + shift)) made odd, for every R up to 2^24 inclusive", () => {
    const ratio = fc.oneof(fc.integer({ min: 2 ** 23, max: 2 ** 24 }), fc.constant(2 ** 24));
    fc.assert(
      fc.property(fc.nat(LARGEST), ratio, fc.constantFrom(13, 16), (z, r, shift) => {
        const exact = (BigInt(z) * BigInt(r)) >> BigInt(12 + shift);
        expect(latticeMagnitude(z, r >>> 12, r & 4095, shift)).toBe(Number(exact | 1n));
      }),
    );
    expect(latticeMagnitude(LARGEST, 4096, 0, 16)).toBe(51039);
    expect(latticeMagnitude(LARGEST, 4096, 0, 13)).toBe(408307);
  });
});
