import { describe, expect, it } from "vitest";
import { statisticsOf, studentT } from "../../src/sweep/statistics.ts";

describe("studentT", () => {
  // Abramowitz and Stegun, table 26.10, and the same quantiles of R's qt(0.975, freedom).
  it.each([
    [1, "12.706204736"],
    [2, "4.302652730"],
    [3, "3.182446305"],
    [4, "2.776445105"],
    [5, "2.570581836"],
    [9, "2.262157163"],
    [10, "2.228138852"],
    [29, "2.045229642"],
    [30, "2.042272456"],
    [100, "1.983971519"],
    [1000, "1.962339081"],
  ])("is the 97.5 %% quantile for %d degrees of freedom", (freedom, quantile) => {
    expect(studentT(freedom).toFixed(9)).toBe(quantile);
  });

  it("comes down to the quantile of the normal distribution", () => {
    expect(studentT(1e5).toFixed(4)).toBe("1.9600");
  });
});

describe("statisticsOf", () => {
  it("gives mean, sample deviation and interval", () => {
    const { count, mean, deviation, interval } = statisticsOf([2, 4, 4, 4, 5, 5, 7, 9]);
    expect([count, mean]).toEqual([8, 5]);
    expect(deviation).toBe(Math.sqrt(32 / 7));
    const margin = (2.364624251592784 * Math.sqrt(32 / 7)) / Math.sqrt(8);
    expect(interval?.map((end) => end.toFixed(9))).toEqual([
      (5 - margin).toFixed(9),
      (5 + margin).toFixed(9),
    ]);
  });

  it("knows no deviation of one value", () => {
    expect(statisticsOf([0.1])).toEqual({ count: 1, mean: 0.1, deviation: undefined, interval: undefined });
  });

  it.each([0.1, 1 / 3, -7e300, 5e-324])("loses nothing of equal values: %d", (value) => {
    const { mean, deviation, interval } = statisticsOf([value, value, value]);
    expect([mean, deviation, interval]).toEqual([value, 0, [value, value]]);
  });

  it("refuses an empty list", () => {
    expect(() => statisticsOf([])).toThrow(
      new RangeError("statisticsOf: the list is empty. Give one value or more."),
    );
  });
});
