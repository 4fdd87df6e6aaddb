/** What modified trees show, bit for bit. The contract suite has most modifications; here is what it does not reach. */
import { numpy as np } from "@jax-js/jax";
import { describe, expect, it } from "vitest";
import * as memory from "../../src/index.ts";
import {
  disable,
  interpolate,
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

describe("arrays of any size", () => {
  const params = { none: np.zeros([0, 3]), scalar: np.array(3), one: np.array([[2]]), many: np.ones([300]) };

  it.each([scale(2), noise({ std: 1, seed: 1 }), disable(), [disable(), scale(2)]])(
    "are modified: %o",
    (modification) => {
      withTheater(params, { modification, layers: "all" }, (modified) => {
        expect(leavesOf(modified).map(({ shape }) => shape)).toEqual([[0, 3], [], [1, 1], [300]]);
        if ("factor" in modification) expect(modified.scalar.ref.item() + modified.one.ref.item()).toBe(10);
      });
      expect(params.scalar.ref.item()).toBe(3);
    },
  );
});

it("tells how far each parameter is from its original", async () => {
  const params = makeParams();
  const theater = surgicalTheater(params, { modification: scale(1.5), layers: "head" });
  const { head } = theater.params;
  const deltas = numbersOf(params.head).map((w, i) => Math.abs(numbersOf(head)[i]! - w));
  const statistics = await theater.deltaStatistics();
  expect(statistics.get("head")).toMatchObject({
    maxAbsDelta: Math.max(...deltas),
    shape: [16, 24],
    dtype: "float32",
  });
  theater.close();
});
