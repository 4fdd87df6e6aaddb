/**
 * Scaling, pattern by pattern: all of the 16-bit formats, and a slice of float32 that has every exponent's ends. All of
 * float32 takes minutes: `npm run exhaustive`.
 */
import { describe, expect, it } from "vitest";
import type { Kernels } from "../../../src/reversible/kernels.ts";
import { referenceKernels } from "../../../src/reversible/reference.ts";
import { scaleRange } from "../../../src/reversible/scale-range.ts";
import { wasmKernels } from "../../../src/reversible/wasm.ts";
import * as patterns from "../../support/patterns.ts";

const wasm = wasmKernels();
const reference = referenceKernels();

function expectNoDifference({ differences, firstDifference }: patterns.Tally): void {
  expect(firstDifference).toBeUndefined();
  expect(differences).toBe(0);
}

/** Upper halves of numbers of every size, of both signs, of infinities and of NaNs. */
const upperHalves = [
  0x0000, 0x0080, 0x00ff, 0x0c3a, 0x2000, 0x3333, 0x3a83, 0x3c23, 0x3ca3, 0x3f35, 0x3f7f, 0x3f80, 0x4049,
  0x7b00, 0x7f7f, 0x7f80, 0x8000, 0x8080, 0xb951, 0xbc9f, 0xbf80, 0xff80,
];

/** Elements on each side of an end of an exponent. */
const MARGIN = 512;

/** Checks `run` of each of `firsts`, `count` patterns from it on. */
function checkRuns(
  kernels: Kernels,
  factor: number,
  firsts: readonly number[],
  count: number,
): patterns.Tally {
  const tally = patterns.newTally();
  const steps = patterns.scaleSteps(patterns.float32, factor);
  for (const first of firsts) patterns.checkInOrder(kernels, steps, factor, first, count, tally);
  return tally;
}

describe.each(patterns.float32Factors)("float32 times %d", (factor) => {
  it("is right and comes back, for whole ranges of lower halves", () => {
    const ends = scaleRange(Math.abs(factor), Math.abs(factor));
    const uppers = [...upperHalves, ...ends.map((end) => end >>> 16)];
    const tally = checkRuns(
      wasm,
      factor,
      uppers.map((upper) => upper * 65536),
      65536,
    );
    expectNoDifference(tally);
    expect(tally.patterns).toBe(2 * 24 * 65536);
  });

  const exponents = Array.from({ length: 512 }, (_, i) => i * 2 ** 23 - MARGIN);

  it("is right and comes back at both ends of every exponent", () => {
    const tally = checkRuns(wasm, factor, exponents, 2 * MARGIN);
    expectNoDifference(tally);
    // what is far from both ends of the range is not raw
    expect(tally.rawBlocks).toBeLessThan(tally.patterns / 1024 / 3);
  });

  it("does so in plain TypeScript", () => {
    const some = exponents.map((first) => first + MARGIN - 64);
    expectNoDifference(checkRuns(reference, factor, some, 128));
  });
});

describe.each([patterns.bfloat16, patterns.float16])("every $dtype", (format) => {
  it.each(patterns.halfFactors)("times %d is right and comes back", (factor) => {
    for (const kernels of [wasm, reference]) {
      const tally = patterns.newTally();
      const steps = patterns.scaleSteps(format, factor);
      patterns.checkInOrder(kernels, steps, factor, 0, 65536, tally);
      expectNoDifference(tally);
      expect(tally.patterns).toBe(steps.length * 65536);
    }
  });
});
