/** Merging an adapter and closing, on any shape, format and technique: every bit comes back. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { lora, type LoraFactors, type NumericArray, surgicalTheater } from "../../src/index.ts";
import { anyFloats, bits } from "../support/bits.ts";
import { normals } from "../support/normals.ts";

/** Weights of ordinary sizes, or (`any`) every kind of float. */
function weights(
  size: number,
  dtype: "float32" | "float16" | "bfloat16",
  seed: number,
  any: boolean,
): NumericArray {
  const values = any ? anyFloats(size, seed) : normals(size, 0.5, seed);
  if (dtype === "float32") return values;
  const words = new Uint32Array(values.buffer, 0, size);
  // The upper half of a float32 is a bfloat16, and any 16 bits are a float16; this one is in the middle of its range.
  if (dtype === "bfloat16" || any) return Uint16Array.from(words, (word) => word >>> 16);
  return Uint16Array.from(
    values,
    (x) => (x < 0 ? 0x8000 : 0) | (0x2000 + Math.min(0x1fff, Math.abs(x) * 4096)),
  );
}

const shape = fc.oneof(
  fc.tuple(fc.integer({ min: 1, max: 70 }), fc.integer({ min: 1, max: 70 })),
  fc.tuple(
    fc.integer({ min: 1, max: 9 }),
    fc.integer({ min: 1, max: 9 }),
    fc.constantFrom(1, 3),
    fc.constantFrom(1, 3),
  ),
);

describe.each(["float32", "float16", "bfloat16"] as const)("an adapter of %s weights", (dtype) => {
  it.each(["reversible", "copy"] as const)("is merged and taken out again exactly: %s", (technique) => {
    const run = fc.record({
      shape,
      seed: fc.nat(1e6),
      loraRank: fc.integer({ min: 1, max: 12 }),
      alpha: fc.double({ min: -30, max: 30, noNaN: true }),
      std: fc.constantFrom(1e-4, 0.02, 0.5, 8),
      layout: fc.constantFrom("outIn" as const, "inOut" as const),
      rsLora: fc.boolean(),
      isDora: fc.boolean(),
      any: fc.boolean(),
    });
    fc.assert(
      fc.property(run, ({ shape, seed, loraRank, alpha, std, layout, rsLora, isDora, any }) => {
        const size = shape.reduce((product, length) => product * length, 1);
        const outputs = layout === "outIn" ? shape[0] : shape.at(-1)!;
        const inputs = size / outputs;
        const data = weights(size, dtype, seed, any);
        const before = bits(data);
        const a = normals(loraRank * inputs, std, seed + 1);
        const b = normals(outputs * loraRank, std, seed + 2);
        // NaN has no norm.
        const magnitude = normals(outputs, 1, seed + 3);
        const entry: LoraFactors<NumericArray> = isDora && !any ? { a, b, magnitude } : { a, b };
        const modification = lora({ w: entry }, { alpha, loraRank, layout, rsLora });
        const theater = surgicalTheater({ w: { data, shape, dtype } }, { modification, technique });
        expect(theater.close().identical).toBe(true);
        expect(bits(data)).toBe(before);
      }),
      { numRuns: 300 },
    );
  });
});

describe.each(["outIn", "inOut"] as const)("a convolution of layout %s", (layout) => {
  it.each([1, 3])("of %i × %i gets the same delta as the matrix that it is", (kernel) => {
    const [inputs, outputs] = [4, 5];
    const size = inputs * outputs * kernel * kernel;
    const shape = layout === "outIn" ? [outputs, inputs, kernel, kernel] : [kernel, kernel, inputs, outputs];
    const matrix = layout === "outIn" ? [outputs, size / outputs] : [size / outputs, outputs];
    const entry = { a: normals(2 * (size / outputs), 0.1, 1), b: normals(2 * outputs, 0.1, 2) };
    const modification = lora({ w: entry }, { alpha: 3, loraRank: 2, layout });
    const shown = [shape, matrix].map((each) => {
      const data = normals(size, 0.3, 3);
      const theater = surgicalTheater({ w: { data, shape: each, dtype: "float32" } }, { modification });
      const found = bits(data);
      theater.close();
      return found;
    });
    expect(shown[0]).toBe(shown[1]);
    // The element of one output, input, row and column.
    const [o, i, y, x] = [3, 2, kernel - 1, 0];
    const data = new Float32Array(size);
    const theater = surgicalTheater({ w: { data, shape, dtype: "float32" } }, { modification });
    const at =
      layout === "outIn"
        ? ((o * inputs + i) * kernel + y) * kernel + x
        : ((y * kernel + x) * inputs + i) * outputs + o;
    const input = layout === "outIn" ? (i * kernel + y) * kernel + x : (y * kernel + x) * inputs + i;
    const inputSize = size / outputs;
    const should =
      1.5 * (entry.b[o * 2]! * entry.a[input]! + entry.b[o * 2 + 1]! * entry.a[inputSize + input]!);
    // Float32 products and one sum.
    expect(Math.abs(data[at]! - should)).toBeLessThanOrEqual(4 * 2 ** -24 * Math.max(0.1, Math.abs(should)));
    theater.close();
    expect(data.every((value) => value === 0)).toBe(true);
  });
});
