/** DoRA on typed arrays: the vector of PEFT's arithmetic, the norm of the unmerged base, and what has none. */
import { describe, expect, it } from "vitest";
import { decode, encode } from "../../src/dtypes/convert.ts";
import {
  disable,
  lora,
  type LoraFactors,
  type NumericArray,
  planTheater,
  scale,
  type ShapedArray,
  surgicalTheater,
  withTheater,
} from "../../src/index.ts";
import { bits } from "../support/bits.ts";
import { normals } from "../support/normals.ts";
import { thrownBy } from "../support/thrown.ts";

const techniques = ["reversible", "plane", "copy"] as const;

/** [[1, 0, 2], [-1, 3, .5]] with B · A = [[.5, 1, -.5], [-.25, -.5, .25]], alpha 2, rank 1, magnitudes 3 and 4. */
const vector = {
  weights: [1, 0, 2, -1, 3, 0.5],
  a: [1, 2, -1],
  b: [0.5, -0.25],
  magnitude: [3, 4],
  merged: [2, 2, 1, -1.5, 2, 1],
  shown: "00000040000000400000803f309d0ec0eb263e40eb26be3f",
};

/** The same elements with the two dimensions exchanged. */
function transposed<T>(of: readonly T[], rows: number): T[] {
  const columns = of.length / rows;
  return of.map((_, i) => of[(i % rows) * columns + Math.floor(i / rows)]!);
}

describe.each(techniques)("DoRA under %s", (technique) => {
  const factors = {
    a: Float32Array.from(vector.a),
    b: Float32Array.from(vector.b),
    magnitude: Float32Array.from(vector.magnitude),
  };

  it("shows what PEFT computes, to the bit", () => {
    const data = Float32Array.from(vector.weights);
    const model = { w: { data, shape: [2, 3], dtype: "float32" as const } };
    const modification = lora({ w: factors }, { alpha: 2, loraRank: 1 });
    expect(withTheater(model, { modification, technique }, () => bits(data))).toBe(vector.shown);
    const { magnitude: _, ...pair } = factors;
    const plain = lora({ w: pair }, { alpha: 2, loraRank: 1 });
    expect(withTheater(model, { modification: plain, technique }, () => [...data])).toEqual(vector.merged);
    expect([...data]).toEqual(vector.weights);
  });

  it("shows the same where the outputs come last", () => {
    const data = Float32Array.from(transposed(vector.weights, 2));
    const model = { w: { data, shape: [3, 2], dtype: "float32" as const } };
    const modification = lora({ w: factors }, { alpha: 2, loraRank: 1, layout: "inOut" });
    const shown = withTheater(model, { modification, technique }, () => [...data]);
    expect(bits(Float32Array.from(transposed(shown, 3)))).toBe(vector.shown);
    expect([...data]).toEqual(transposed(vector.weights, 2));
  });

  it("takes the norm of the original where another theater is open below", () => {
    const make = (): ShapedArray => ({ data: normals(600, 0.3, 5), shape: [20, 30], dtype: "float32" });
    const entry = (seed: number): LoraFactors<NumericArray> => ({
      a: normals(60, 0.2, seed),
      b: normals(40, 0.2, seed + 1),
      magnitude: normals(20, 0.5, seed + 2),
    });
    const [one, two] = [10, 20].map((seed) => lora({ w: entry(seed) }, { alpha: 4, loraRank: 2 }));
    const [theirs, ours] = [make(), make()];
    const base = bits(theirs.data);
    const below = surgicalTheater({ w: theirs }, { modification: one!, technique });
    const above = surgicalTheater({ w: theirs }, { modification: two!, technique });
    const alone = withTheater({ w: ours }, { modification: two!, technique: "copy" }, () => bits(ours.data));
    const both = withTheater({ w: ours }, { modification: [one!, two!], technique: "copy" }, () =>
      bits(ours.data),
    );
    expect(bits(theirs.data)).toBe(both);
    below.close();
    expect(bits(theirs.data)).toBe(alone);
    above.close();
    expect(bits(theirs.data)).toBe(base);
  });

  it("owns its factors: changing them inside changes nothing", () => {
    const data = Float32Array.from(vector.weights);
    const model = { w: { data, shape: [2, 3], dtype: "float32" as const } };
    const mine = { a: factors.a.slice(), b: factors.b.slice(), magnitude: factors.magnitude.slice() };
    const theater = surgicalTheater(model, {
      modification: lora({ w: mine }, { alpha: 2, loraRank: 1 }),
      technique,
    });
    for (const array of Object.values(mine)) array.fill(9);
    const above = surgicalTheater(model, { modification: scale(2), layers: "all" });
    above.close();
    expect(bits(data)).toBe(vector.shown);
    theater.close();
    expect([...data]).toEqual(vector.weights);
  });

  it("comes back with a magnitude of zero, which has no inverse", () => {
    const data = Float32Array.from(vector.weights);
    const model = { w: { data, shape: [2, 3], dtype: "float32" as const } };
    const none = { ...factors, magnitude: Float32Array.of(0, 4) };
    const modification = lora({ w: none }, { alpha: 2, loraRank: 1 });
    const shown = withTheater(model, { modification, technique }, () => [...data]);
    expect(shown.slice(0, 3)).toEqual([0, 0, 0]);
    expect([...data]).toEqual(vector.weights);
  });
});

describe("the norms of DoRA", () => {
  it.each([
    { name: "a convolution, outputs first", shape: [6, 4, 3, 3], layout: "outIn" },
    { name: "a convolution, outputs last", shape: [3, 3, 4, 6], layout: "inOut" },
    { name: "an embedding", shape: [36, 6], layout: "inOut" },
  ] as const)("are over all inputs of $name", ({ shape, layout }) => {
    const [outputs, inputs] = [6, 36];
    const data = normals(216, 0.3, 1);
    const [a, b] = [normals(2 * inputs, 0.3, 2), normals(2 * outputs, 0.3, 3)];
    const magnitude = Float32Array.of(1, 2, 3, 4, 5, 6);
    const modification = lora({ w: { a, b, magnitude } }, { alpha: 3, loraRank: 2, layout });
    const model = { w: { data, shape: [...shape], dtype: "float32" as const } };
    const shown = withTheater(model, { modification }, () => data.slice());
    for (let output = 0; output < outputs; output++) {
      const at = (input: number): number =>
        layout === "outIn" ? output * inputs + input : input * outputs + output;
      const row = Array.from({ length: inputs }, (_, input) => shown[at(input)]!);
      expect(Math.hypot(...row) / magnitude[output]!).toBeCloseTo(1, 5);
    }
  });

  it.each(["float16", "bfloat16", "float64"] as const)("are of the numbers, not of the bits: %s", (dtype) => {
    const data = dtype === "float64" ? new Float64Array(6) : new Uint16Array(6);
    encode(Float64Array.from(vector.weights), 6, dtype, data, 0);
    const before = bits(data);
    const own = dtype === "float64" ? Float64Array : Float32Array;
    const factors = {
      a: own.from(vector.a),
      b: own.from(vector.b),
      magnitude: own.from(vector.magnitude),
    };
    const modification = lora<NumericArray>({ w: factors }, { alpha: 2, loraRank: 1 });
    const shown = withTheater({ w: { data, shape: [2, 3], dtype } }, { modification }, () => {
      const values = new Float64Array(6);
      decode(data, dtype, 0, 6, values);
      return values;
    });
    const factor = Math.fround(4 / Math.sqrt(7.25));
    const should = new Float64Array(6);
    const rounded = data.slice();
    encode(Float64Array.of(2, 2, 1, -1.5 * factor, 2 * factor, factor), 6, dtype, rounded, 0);
    decode(rounded, dtype, 0, 6, should);
    expect(shown).toEqual(should);
    expect(bits(data)).toBe(before);
  });

  it("are read for a plan, which estimates from values, and the plan is what is held", () => {
    const model = { w: { data: normals(1e6, 0.3, 1), shape: [1000, 1000], dtype: "float32" as const } };
    const entry = { a: normals(8000, 0.1, 2), b: normals(8000, 0.1, 3), magnitude: normals(1000, 9, 4) };
    const options = {
      modification: lora({ w: entry }, { alpha: 8, loraRank: 8, layout: "outIn" }),
      technique: "reversible",
    } as const;
    const plan = planTheater(model, options);
    const theater = surgicalTheater(model, options);
    const { heldBytes } = theater.report();
    theater.close();
    expect(heldBytes).toBeLessThan(plan.mostHeldBytes);
    expect(Math.abs(heldBytes / plan.heldBytes - 1)).toBeLessThan(0.15);
  });
});

describe("DoRA refuses", () => {
  const entry = (change: object): LoraFactors<NumericArray> => ({
    a: Float32Array.from(vector.a),
    b: Float32Array.from(vector.b),
    magnitude: Float32Array.from(vector.magnitude),
    ...change,
  });
  const zeroed = [0, 0, 0, -1, 3, 0.5];
  const cases: readonly {
    readonly name: string;
    readonly weights?: readonly number[];
    readonly change: object;
    readonly code: string;
    readonly says: readonly string[];
  }[] = [
    {
      name: "a norm of zero",
      weights: zeroed,
      change: { b: Float32Array.of(0, 1) },
      code: "non_finite",
      says: ["output 0", "norm 0", "magnitude 3"],
    },
    {
      name: "weights with NaN",
      weights: [1, 2, 3, 4, NaN, 6],
      change: {},
      code: "non_finite",
      says: ["output 1", "NaN"],
    },
    {
      name: "an infinite weight",
      weights: [Infinity, 2, 3, 4, 5, 6],
      change: {},
      code: "non_finite",
      says: ["output 0", "norm NaN"],
    },
    {
      name: "a magnitude of another size",
      change: { magnitude: new Float32Array(3) },
      code: "shape_mismatch",
      says: ["the magnitude", "must have 2 elements"],
    },
    {
      name: "a magnitude of integers",
      change: { magnitude: Int32Array.of(1, 2) },
      code: "dtype_mismatch",
      says: ["the magnitude", "Int32Array"],
    },
    {
      name: "a magnitude that is not finite",
      change: { magnitude: Float32Array.of(1, NaN) },
      code: "non_finite",
      says: ["the magnitude", "element 1"],
    },
  ];

  it.each(cases)("$name", ({ weights = vector.weights, change, code, says }) => {
    const data = Float32Array.from(weights);
    const model = { w: { data, shape: [2, 3], dtype: "float32" as const } };
    const modification = lora({ w: entry(change) }, { alpha: 2, loraRank: 1 });
    for (const run of [
      () => withTheater(model, { modification }, () => expect.fail("the body ran")),
      () => planTheater(model, { modification }),
    ]) {
      const error = thrownBy(run);
      expect(error).toMatchObject({ name: "ModificationError", code, parameter: "w" });
      for (const part of ["lora", '"w"', "unchanged", ...says])
        expect((error as Error).message).toContain(part);
    }
    expect(bits(data)).toBe(bits(Float32Array.from(weights)));
  });

  it("nothing where it stands above what destroys the parameter: the norm is the original's", () => {
    const data = Float32Array.from(vector.weights);
    const model = { w: { data, shape: [2, 3], dtype: "float32" as const } };
    const modification = lora({ w: entry({}) }, { alpha: 2, loraRank: 1 });
    withTheater(model, { modification: disable(), layers: "w" }, () =>
      withTheater(model, { modification }, () => {
        // The delta alone, each row times magnitude / norm of the whole.
        const factor = Math.fround(4 / Math.sqrt(7.25));
        expect([...data]).toEqual([1, 2, -1, ...[-0.5, -1, 0.5].map((x) => Math.fround(x * factor))]);
      }),
    );
    expect([...data]).toEqual(vector.weights);
  });
});
