/** Noise in both sets of kernels: the deltas that `random/noise.ts` defines, in whole blocks. */
import { describe, expect, it } from "vitest";
import { noiseLattice } from "../../../src/random/lattice.ts";
import { fillNoise, type NoiseSource, noiseSource } from "../../../src/random/noise.ts";
import { BLOCK, OPERANDS } from "../../../src/reversible/layout.ts";
import { referenceKernels } from "../../../src/reversible/reference.ts";
import { wasmKernels } from "../../../src/reversible/wasm.ts";
import { bits } from "../../support/bits.ts";

const UNTOUCHED = 12345;

describe.each([wasmKernels(), referenceKernels()])("noise of the $name kernels", (kernels) => {
  /** The operands after noise for `count` elements from `first` on, and one block more. */
  function operands({ key, lattice }: NoiseSource, first: number, count: number): Float32Array {
    const all = new Float32Array(kernels.buffer, OPERANDS, (Math.ceil(count / BLOCK) + 1) * BLOCK);
    all.fill(UNTOUCHED);
    const counter = first / 4;
    const { high, low, shift, quantum } = lattice;
    kernels.noise(count, ...key, counter >>> 0, Math.floor(counter / 2 ** 32), high, low, shift, quantum);
    return all.slice();
  }

  function expectNoise(source: NoiseSource, first: number, count: number): void {
    const found = operands(source, first, count);
    const expected = new Float32Array(found.length);
    fillNoise(expected.subarray(0, expected.length - BLOCK), source, first);
    expected.fill(UNTOUCHED, expected.length - BLOCK);
    expect(bits(found)).toBe(bits(expected));
  }

  it.each([1, 1023, 1024, 1025, 5000, 31 * BLOCK])("fills whole blocks for %d elements", (count) => {
    expectNoise(noiseSource(7, "w", 0.01, "float32"), 0, count);
  });

  it("goes on where the window before ended", () => {
    const source = noiseSource(2 ** 40 + 5, "dense/kernel", 0.3, "bfloat16");
    for (const first of [0, 16384, 32768, 1024 * 1023]) expectNoise(source, first, 2048);
  });

  it.each([2 ** 34 - 2048, 2 ** 34, 2 ** 50, 2 ** 53 - 8192])(
    "carries into the high word of the counter, from element %d on",
    (first) => {
      expectNoise(noiseSource(1, "large", 1, "float32"), first, 4096);
    },
  );

  it.each([1e-300, 1e-45, 3e-44, 1e-42, 1e-40, 1e-36, 1e-20, 0.00390625, 1, 1e20, 3e38, 1e300])(
    "has the deltas of std %d, rounded to float32 where they must be",
    (std) => {
      for (const sixteenBit of [false, true]) {
        const lattice = noiseLattice(std, sixteenBit);
        expectNoise({ key: [1, 2, 3, 0xffffffff], lattice }, 4096, 2048);
      }
    },
  );

  it("depends on all four words of the key", () => {
    const { lattice } = noiseSource(1, "w", 1, "float32");
    const keys = [0, 1, 2, 3, 4].map(
      (changed) => [0, 1, 2, 3].map((i) => (i === changed ? 1 : 0)) as unknown as NoiseSource["key"],
    );
    const found = keys.map((key) => bits(operands({ key, lattice }, 0, 16).subarray(0, 16)));
    expect(new Set(found).size).toBe(keys.length);
  });
});
