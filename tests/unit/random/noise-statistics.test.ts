/**
 * The noise is Gaussian and independent. Seeds are fixed, so every run sees the same numbers; bounds are four
 * standard errors unless said otherwise, which a perfect generator exceeds once in 16,000 statistics.
 */
import { beforeAll, describe, expect, it } from "vitest";
import { fillNoise, noiseSource } from "../../../src/random/noise.ts";
import { threefryWords } from "../../../src/random/threefry.ts";

/** Standard normals: std 1 on the float32 lattice, whose deltas are odd multiples of 2^-12. */
function normals(seed: number, name: string, count: number): Float32Array {
  const out = new Float32Array(count);
  fillNoise(out, noiseSource(seed, name, 1, "float32"), 0);
  return out;
}

/** Σ x y / √n: standard normal for independent standard normals. */
function correlation(x: Float32Array, y: Float32Array): number {
  const n = Math.min(x.length, y.length);
  let sum = 0;
  for (let i = 0; i < n; i++) sum += x[i]! * y[i]!;
  return sum / Math.sqrt(n);
}

/** (x² − 1) / √2: mean 0, variance 1 for a standard normal; correlated if sizes are, signs or not. */
function sizes(x: Float32Array): Float32Array {
  return x.map((value) => (value * value - 1) * Math.SQRT1_2);
}

describe("one stream of 2^25 normals", () => {
  const n = 2 ** 25;
  /** A cell holds one delta: (2j + 1) · 2^-12 lies in the middle of [j, j + 1) · 2^-11. */
  const cellsPerSigma = 2 ** 11;
  const half = 7 * cellsPerSigma;
  const counts = new Float64Array(2 * half);
  /** Normal distribution function at the lower edge of each cell. */
  const distribution = new Float64Array(2 * half + 1);

  beforeAll(() => {
    const source = noiseSource(2024, "statistics", 1, "float32");
    const part = new Float32Array(2 ** 16);
    for (let first = 0; first < n; first += part.length) {
      fillNoise(part, source, first);
      for (let i = 0; i < part.length; i++) counts[Math.floor(part[i]! * cellsPerSigma) + half]!++;
    }
    // Simpson's rule per cell: error below (2^-11)^4, far under what n samples can see
    const density = (x: number): number => Math.exp(-x * x * 0.5) / Math.sqrt(2 * Math.PI);
    const width = 1 / cellsPerSigma;
    distribution[0] = 1.2798e-12;
    for (let cell = 0; cell < 2 * half; cell++) {
      const x = (cell - half) * width;
      const area = (density(x) + 4 * density(x + width / 2) + density(x + width)) * (width / 6);
      distribution[cell + 1] = distribution[cell]! + area;
    }
  });

  const moment = (power: number): number => {
    let sum = 0;
    counts.forEach((count, cell) => (sum += count * ((cell - half + 0.5) / cellsPerSigma) ** power));
    return sum / n;
  };

  it("has mean 0, variance 1 and no excess kurtosis", () => {
    // standard errors: 1/√n, √(2/n), √(24/n); the lattice adds (2^-11)²/12 = 2e-8 to the variance
    const variance = moment(2) - moment(1) ** 2;
    expect(Math.abs(moment(1)) * Math.sqrt(n)).toBeLessThan(4);
    expect(Math.abs(variance - 1) * Math.sqrt(n / 2)).toBeLessThan(4);
    expect(Math.abs(moment(4) / variance ** 2 - 3) * Math.sqrt(n / 24)).toBeLessThan(4);
  });

  it.each([3, 4])("has the expected number of values beyond %d standard deviations", (sigmas) => {
    // 90,600 and 2,125 expected: the count is Poisson, its standard error the root
    const { found, expected } = beyond(sigmas);
    expect(Math.abs(found - expected) / Math.sqrt(expected)).toBeLessThan(4);
  });

  it("has the expected number of values beyond 5 standard deviations", () => {
    // 19.2 expected: too few for a normal approximation, so Poisson tails of 3e-5 on either side
    const { found, expected } = beyond(5);
    expect(expected).toBeGreaterThan(19);
    expect(atMost(found, expected)).toBeGreaterThan(3e-5);
    expect(1 - atMost(found - 1, expected)).toBeGreaterThan(3e-5);
  });

  it("follows the normal distribution function (Kolmogorov-Smirnov)", () => {
    // √n · D exceeds 2.33 once in 25,000 (2 exp(-2 · 2.33²)); edges of cells are exact, so binning loses nothing
    let below = 0;
    let largest = 0;
    counts.forEach((count, cell) => {
      below += count;
      largest = Math.max(largest, Math.abs(below / n - distribution[cell + 1]!));
    });
    expect(below).toBe(n);
    expect(Math.abs(distribution.at(-1)! - 1)).toBeLessThan(1e-11);
    expect(largest * Math.sqrt(n)).toBeLessThan(2.33);
  });

  function beyond(sigmas: number): { found: number; expected: number } {
    const edge = sigmas * cellsPerSigma;
    let found = 0;
    counts.forEach((count, cell) => (found += cell < half - edge || cell >= half + edge ? count : 0));
    return { found, expected: 2 * n * distribution[half - edge]! };
  }

  /** Probability that a Poisson count is at most k. */
  function atMost(k: number, expected: number): number {
    let term = Math.exp(-expected);
    let sum = term;
    for (let i = 1; i <= k; i++) sum += term *= expected / i;
    return k < 0 ? 0 : sum;
  }
});

describe("elements of one parameter", () => {
  const x = normals(7, "autocorrelation", 2 ** 21);
  const squares = sizes(x);

  // neighbours, the lanes and words of one counter group, its period of 16, a block of 1024
  it.each([1, 2, 3, 4, 5, 8, 12, 15, 16, 17, 64, 1023, 1024, 4096])("do not correlate at lag %i", (lag) => {
    expect(Math.abs(correlation(x, x.subarray(lag)))).toBeLessThan(4);
    expect(Math.abs(correlation(squares, squares.subarray(lag)))).toBeLessThan(4);
  });
});

describe("streams whose keys are close", () => {
  const n = 2 ** 19;

  it.each([
    ["layers.0.weight", "layers.1.weight"],
    ["layers.0.weight", "layers.0.weighu"],
    ["a", "b"],
    ["w", "w\0"],
    ["", "\0"],
  ])("are independent for the names %j and %j", (one, other) => {
    expect(largestCorrelation(normals(5, one, n), normals(5, other, n))).toBeLessThan(4);
  });

  it.each([
    [0, 1],
    [1, 2],
    [41, 42],
    [2 ** 32 - 1, 2 ** 32],
    [0, 2 ** 32],
    [Number.MAX_SAFE_INTEGER - 1, Number.MAX_SAFE_INTEGER],
  ])("are independent for the seeds %i and %i", (one, other) => {
    expect(largestCorrelation(normals(one, "w", n), normals(other, "w", n))).toBeLessThan(4);
  });

  /** Of values, of sizes, and with a stream shifted by a lane, a word or a group: the largest |z|. */
  function largestCorrelation(x: Float32Array, y: Float32Array): number {
    const shifted = [0, 1, 4, 16].map((lag) => correlation(x, y.subarray(lag)));
    return Math.max(...[...shifted, correlation(sizes(x), sizes(y))].map(Math.abs));
  }
});

describe("words", () => {
  it("have no biased bit", () => {
    const n = 2 ** 20;
    const words = new Uint32Array(n);
    threefryWords(words, [11, 0, 22, 33], 0, n);
    for (let bit = 0; bit < 32; bit++) {
      let ones = 0;
      for (let i = 0; i < n; i++) ones += (words[i]! >>> bit) & 1;
      // standard error of a count of fair bits: √n / 2
      expect(Math.abs(ones - n / 2) / (Math.sqrt(n) / 2)).toBeLessThan(4);
    }
  });
});
