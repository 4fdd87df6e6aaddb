/** Low-rank adapters on arrays of jax-js. */
import { jit, numpy as np } from "@jax-js/jax";
import { describe, expect, it } from "vitest";
import * as memory from "../../src/index.ts";
import { lora, type Options, surgicalTheater, withTheater } from "../../src/jax.ts";
import { bits, smallFloats } from "../support/bits.ts";
import { arrayOf } from "../support/jax.ts";
import { numbersOf } from "./params.ts";

/** The numbers of `w` inside a theater. */
function inside(w: np.Array, options: Options<np.Array>): Float32Array {
  return withTheater({ w }, options, (modified) => numbersOf(modified.w)).slice();
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((size, length) => size * length, 1);

describe("lora", () => {
  const shapes = [
    { shape: [5, 7], what: "a matrix" },
    { shape: [4, 3, 2, 2], what: "a convolution" },
    { shape: [130, 3], what: "one with many rows" },
    { shape: [6, 1], what: "one output or input" },
  ];
  const layouts = ["outIn", "inOut"] as const;

  it.each(shapes.flatMap((each) => layouts.map((layout) => ({ ...each, layout }))))(
    "adds b · a to $what, $layout, as to typed arrays",
    ({ shape, layout }) => {
      const loraRank = 3;
      const [values, scaling] = [smallFloats(sizeOf(shape), 1), 0.5];
      const outputs = layout === "outIn" ? shape[0]! : shape.at(-1)!;
      const inputs = values.length / outputs;
      const factors = { a: smallFloats(loraRank * inputs, 2), b: smallFloats(outputs * loraRank, 3) };
      const options = { alpha: scaling * loraRank, loraRank, layout };
      const w = arrayOf(values, shape);
      const arrays = {
        a: arrayOf(factors.a, [loraRank, inputs]),
        b: arrayOf(factors.b, [outputs, loraRank]),
      };
      const found = inside(w, { modification: lora({ w: arrays }, options) });
      const record = { w: { data: values.slice(), shape, dtype: "float32" } } as const;
      memory.withTheater(record, { modification: lora({ w: factors }, options) }, () => {
        // Sums of three products in another order, and another rounding of the sum.
        for (const [i, x] of record.w.data.entries()) expect(found[i]).toBeCloseTo(x, 6);
      });
      // Factors of a convolution may have its dimensions.
      if (shape.length === 4 && layout === "outIn") {
        const a = arrayOf(factors.a, [loraRank, ...shape.slice(1)]);
        const again = inside(w, { modification: lora({ w: { ...arrays, a } }, options) });
        expect(bits(again)).toBe(bits(found));
      }
    },
  );

  // Products with few terms and many columns are made in blocks of columns.
  const products = [
    { rows: 12, columns: 64, loraRank: 4 },
    { rows: 9, columns: 8, loraRank: 1 },
    { rows: 1, columns: 144, loraRank: 16 },
    { rows: 10, columns: 40, loraRank: 17 },
    { rows: 6, columns: 12, loraRank: 2 },
  ];
  it.each(products)("is bit for bit the sum in a graph: $rows × $columns, rank $loraRank", (size) => {
    const { rows, columns, loraRank } = size;
    const w = arrayOf(smallFloats(rows * columns, 1), [rows, columns]);
    const left = smallFloats(rows * loraRank, 2).map((x) => x / 3);
    const right = smallFloats(loraRank * columns, 3).map((x) => x / 7);
    const [l, r] = [arrayOf(left, [rows, loraRank]), arrayOf(right, [loraRank, columns])];
    const merged = jit((w: np.Array, l: np.Array, r: np.Array) => w.add(np.matmul(l, r).mul(0.3)));
    const expected = bits(numbersOf(merged(w.ref, l.ref, r.ref)));
    const options = { alpha: 0.3 * loraRank, loraRank };
    expect(bits(inside(w, { modification: lora({ w: { a: r, b: l } }, options) }))).toBe(expected);
    const [a, b] = [l, r].map((factor) =>
      np.array(numbersOf(factor.ref.transpose()), { shape: [...factor.shape].reverse() }),
    );
    const inOut = lora({ w: { a: a!, b: b! } }, { ...options, layout: "inOut" });
    expect(bits(inside(w, { modification: inOut }))).toBe(expected);
  });

  it("scales each output to its magnitude (DoRA)", () => {
    const [outputs, inputs] = [4, 6];
    const values = smallFloats(24, 1);
    const magnitude = Float32Array.of(1, 2, 3, 0.5);
    const factors = { a: smallFloats(inputs, 2), b: smallFloats(outputs, 3) };
    const w = arrayOf(values, [outputs, inputs]);
    const entry = {
      a: arrayOf(factors.a, [1, inputs]),
      b: arrayOf(factors.b, [outputs, 1]),
      magnitude: arrayOf(magnitude, [outputs]),
    };
    const found = inside(w, { modification: lora({ w: entry }, { alpha: 1, loraRank: 1 }) });
    for (let output = 0; output < outputs; output++) {
      const row = found.subarray(output * inputs, (output + 1) * inputs);
      expect(Math.hypot(...row)).toBeCloseTo(magnitude[output]!, 5);
    }
    const transposed = withTheater(
      { w: w.ref.transpose() },
      { modification: lora({ w: entry }, { alpha: 1, loraRank: 1, layout: "inOut" }) },
      (modified) => numbersOf(modified.w.ref.transpose()).slice(),
    );
    expect(bits(transposed)).toBe(bits(found));
  });

  it("refuses factors on another device, of another shape, and none at all", () => {
    const w = arrayOf(smallFloats(24, 1), [4, 6]);
    const good = { a: arrayOf(smallFloats(6, 2), [1, 6]), b: arrayOf(smallFloats(4, 3), [4, 1]) };
    const opening = (entry: object) => () =>
      surgicalTheater({ w }, { modification: lora({ w: { ...good, ...entry } }, { alpha: 1, loraRank: 1 }) });
    const elsewhere = np.ones([1, 6], { device: "cpu" });
    expect(opening({ a: elsewhere })).toThrow(/factor a for "w" is on cpu, and the parameter is on wasm/);
    expect(opening({ a: np.ones([1, 5]) })).toThrow(expect.objectContaining({ code: "shape_mismatch" }));
    expect(opening({ b: smallFloats(4, 1) })).toThrow(expect.objectContaining({ code: "dtype_mismatch" }));
  });
});
