import { describe, expect, it } from "vitest";
import { absoluteDifference, deviationOf, Moments } from "../../src/statistics.ts";

/** Of a whole parameter. */
function standardDeviation(values: ArrayLike<number>): number {
  const moments = new Moments();
  moments.add(values);
  return deviationOf(moments.toParts());
}

describe("the standard deviation", () => {
  it.each([
    { values: [], std: 0 },
    { values: [5], std: 0 },
    { values: [2, 2, 2], std: 0 },
    { values: [1, -1], std: 1 },
    { values: [2, 4, 4, 4, 5, 5, 7, 9], std: 2 },
    { values: [0, 3, 6, 9], std: Math.sqrt(11.25) },
  ])("of $values is that of a population: $std", ({ values, std }) => {
    expect(standardDeviation(values)).toBe(std);
  });

  it("does not cancel where the mean is large", () => {
    // The textbook formula E[x²] − E[x]² gives 0 here: the squares differ below their last bit.
    expect(standardDeviation([2 ** 40 + 1, 2 ** 40 - 1, 2 ** 40 + 1, 2 ** 40 - 1])).toBe(1);
  });

  it.each([
    { name: "NaN", values: [1, Number.NaN] },
    { name: "infinity", values: [1, Infinity] },
    { name: "both infinities", values: [Infinity, -Infinity] },
  ])("is NaN where a value is $name", ({ values }) => {
    expect(standardDeviation(values)).toBeNaN();
  });

  it("is taken in float64 of a Float32Array", () => {
    const values = Float32Array.of(0.1, 0.2);
    expect(standardDeviation(values)).toBe((Math.fround(0.2) - Math.fround(0.1)) / 2);
  });
});

describe("absoluteDifference", () => {
  it.each([
    { name: "nothing", a: [], b: [], mean: 0, max: 0 },
    { name: "the same values", a: [1, -2], b: [1, -2], mean: 0, max: 0 },
    { name: "values on both sides", a: [1, 1, 1, 1], b: [2, 0, 1, 4], mean: 1.25, max: 3 },
    { name: "the same infinities", a: [Infinity, -Infinity], b: [Infinity, -Infinity], mean: 0, max: 0 },
    { name: "the same NaN", a: [Number.NaN], b: [Number.NaN], mean: 0, max: 0 },
    { name: "zeros of both signs", a: [0, -0], b: [-0, 0], mean: 0, max: 0 },
    { name: "opposite infinities", a: [Infinity], b: [-Infinity], mean: Infinity, max: Infinity },
  ])("of $name has mean $mean and maximum $max", ({ a, b, mean, max }) => {
    expect(absoluteDifference(a, b)).toEqual({ meanAbsDelta: mean, maxAbsDelta: max });
  });

  it("shows a NaN, wherever it is", () => {
    for (const b of [
      [Number.NaN, 9, 9],
      [9, 9, Number.NaN],
    ]) {
      expect(absoluteDifference([0, 0, 0], b)).toEqual({ meanAbsDelta: Number.NaN, maxAbsDelta: Number.NaN });
    }
  });
});
