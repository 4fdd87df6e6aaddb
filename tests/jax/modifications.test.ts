/** What modified trees show, bit for bit. The contract suite has most modifications; here is what it does not reach. */
import { numpy as np } from "@jax-js/jax";
import { describe, expect, it } from "vitest";
import * as memory from "../../src/index.ts";
import {
  disable,
  interpolate,
  lora,
  noise,
  type Options,
  planTheater,
  scale,
  surgicalTheater,
  withTheater,
} from "../../src/jax.ts";
import { fillNoise, noiseSource } from "../../src/random/noise.ts";
import { bits, smallFloats } from "../support/bits.ts";
import { arrayOf, leavesOf } from "../support/jax.ts";
import { leavingNoTrace, makeAnyParams, makeParams, numbersOf } from "./params.ts";

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

describe("noise", () => {
  it("is that of typed arrays of the same names, added and rounded once", () => {
    const params = makeParams();
    const names = [
      "attn.q",
      "attn.proj",
      "layers.0.kernel",
      "layers.0.bias",
      "layers.1.kernel",
      "layers.1.bias",
      "head",
    ];
    const modification = noise({ std: 0.03, seed: 7 });
    withTheater(params, { modification, layers: "all" }, (modified) => {
      const originals = leavesOf(params).map(numbersOf);
      for (const [i, leaf] of leavesOf(modified).entries()) {
        const delta = new Float32Array(leaf.size);
        fillNoise(delta, noiseSource(7, names[i]!, 0.03, "float32"), 0);
        expect(bits(numbersOf(leaf))).toBe(bits(originals[i]!.map((w, at) => w + delta[at]!)));
        // Typed arrays show the sum that can be undone, within one place of it.
        const record = { [names[i]!]: originals[i]!.slice() };
        memory.withTheater(record, { modification, layers: "all" }, () => {
          for (const [at, w] of record[names[i]!]!.entries()) {
            expect(Math.abs(w - numbersOf(leaf)[at]!)).toBeLessThan(1e-7);
          }
        });
      }
    });
  });

  it("is the same in windows of any size: longer than the kernels' memory", () => {
    const w = np.array(new Float32Array(70_001).fill(1));
    const delta = new Float32Array(70_001);
    fillNoise(delta, noiseSource(1, "w", 0.5, "float32"), 0);
    const found = inside(w, { modification: noise({ std: 0.5, seed: 1 }), layers: "all" });
    expect(bits(found)).toBe(bits(delta.map((x) => 1 + x)));
  });

  it("relative to a parameter's own deviation reads the original", () => {
    const w = arrayOf(
      Float32Array.from({ length: 200 }, (_, i) => (i % 2 === 0 ? 3 : -3)),
      [200],
    );
    const relative = noise({ std: 0.1, seed: 1, relativeTo: "parameterStd" });
    const found = inside(w, { modification: relative, layers: "all" });
    const delta = new Float32Array(200);
    fillNoise(delta, noiseSource(1, "w", 0.1 * 3, "float32"), 0);
    expect(bits(found)).toBe(bits(delta.map((x, i) => (i % 2 === 0 ? 3 : -3) + x)));
  });
});

describe("every bit pattern", () => {
  it.each([
    { title: "scale", modification: scale(0.5) },
    { title: "noise", modification: noise({ std: 1, seed: 1 }) },
    { title: "disable", modification: disable() },
  ])("is in the originals after $title of all, and is what untargeted leaves show", ({ modification }) => {
    const params = makeAnyParams();
    return leavingNoTrace(params, () => {
      withTheater(params, { modification, layers: "all" }, ({ head }) => numbersOf(head));
      withTheater(params, { modification, layers: "head" }, ({ attn, layers }) => {
        expect(bits(numbersOf(attn.q))).toBe(bits(numbersOf(params.attn.q)));
        expect(bits(numbersOf(layers[0]!.bias))).toBe(bits(numbersOf(params.layers[0]!.bias)));
      });
    });
  });
});

describe("parameters that are not float32", () => {
  const params = {
    w: arrayOf(smallFloats(200, 1), [200]),
    ids: np.array(Int32Array.of(1, -2, 3)),
    codes: np.array(Uint32Array.of(1, 2, 4_000_000_000)),
    mask: np.array([true, false, true]),
  };
  const integers = ["ids", "codes"] as const;

  it("are not selected by all", () => {
    const plan = planTheater(params, { modification: scale(2), layers: "all" });
    expect(plan.parameters.map(({ name }) => name)).toEqual(["w"]);
    expect(plan.leftOut.map(({ name, reason }) => [name, reason])).toEqual([
      ["ids", "dtype"],
      ["codes", "dtype"],
      ["mask", "dtype"],
    ]);
  });

  it.each(["ids", "codes", "mask"])("are not computed with: %s", (layers) => {
    for (const modification of [scale(2), [disable(), scale(2)]]) {
      expect(() => surgicalTheater(params, { modification, layers })).toThrow(
        expect.objectContaining({ name: "UnsupportedError", code: "dtype" }),
      );
    }
  });

  it("can be disabled, where zeros can be shared", () => {
    for (const layers of integers) {
      const shown = withTheater(params, { modification: disable(), layers }, (modified) =>
        modified[layers].ref.js(),
      );
      expect(shown).toEqual([0, 0, 0]);
      expect(params[layers].dtype).toBe(layers === "ids" ? "int32" : "uint32");
    }
    expect(() => surgicalTheater(params, { modification: disable(), layers: "mask" })).toThrow(
      /np\.zerosLike/,
    );
  });

  it("can be replaced", () => {
    const towards = { ids: np.array(Int32Array.of(7, 8, 9)) };
    const shown = withTheater(params, { modification: interpolate(towards) }, ({ ids }) => ids.ref.js());
    expect(shown).toEqual([7, 8, 9]);
    expect(params.ids.ref.js()).toEqual([1, -2, 3]);
  });
});

it("offloaded arrays are modified on the device where they live", async () => {
  const host = np.array(new Float32Array(200).fill(2), { device: "cpu" });
  const params = { host, here: arrayOf(new Float32Array(200).fill(2), [200]) };
  for (const modification of [scale(2), noise({ std: 1, seed: 1 }), disable()]) {
    withTheater(params, { modification, layers: "all" }, (modified) => {
      expect(modified.host.device).toBe("cpu");
      expect(modified.here.device).toBe("wasm");
      if (modification.type === "scale") expect(numbersOf(modified.host)[0]).toBe(4);
    });
  }
});
