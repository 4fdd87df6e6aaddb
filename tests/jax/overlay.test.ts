/** Functions that take the modification as an argument. */
import { jit, numpy as np, tree } from "@jax-js/jax";
import { beforeEach, describe, expect, it } from "vitest";
import {
  custom,
  disable,
  interpolate,
  lora,
  type Modification,
  noise,
  overlay,
  scale,
  withTheater,
} from "../../src/jax.ts";
import { bits, smallFloats } from "../support/bits.ts";
import { arrayOf, leavesOf } from "../support/jax.ts";
import { forward, leavingNoTrace, lossOf, makeParams, numbersOf, type Params } from "./params.ts";

const params = makeParams();
let traces = 0;
beforeEach(() => void (traces = 0));

const traced = (tree: Params): np.Array => {
  traces++;
  return forward(tree);
};
const compiled = jit(forward as never) as unknown as (modified: Params) => np.Array;
// What a compiled function keeps is made at its first call.
compiled(tree.ref(params)).dispose();

const factor = (length: number, seed: number, shape: readonly number[]): np.Array =>
  arrayOf(smallFloats(length, seed), shape);
const adapter = { "attn.q": { a: factor(2 * 16, 1, [2, 16]), b: factor(48 * 2, 2, [48, 2]) } };
const towards = { head: factor(16 * 24, 3, [16, 24]) };
const magnitude = arrayOf(
  smallFloats(48, 4).map((x) => 1 + x * x),
  [48],
);

const modifications: readonly (readonly [
  string,
  Modification<np.Array> | readonly Modification<np.Array>[],
])[] = [
  ["scale", scale(0.5)],
  ["noise", noise({ std: 0.1, seed: 1 })],
  ["noise relative to a deviation", noise({ std: 0.1, seed: 1, relativeTo: "parameterStd" })],
  ["disable", disable()],
  ["lora, inOut", lora(adapter, { alpha: 4, loraRank: 2, layout: "inOut" })],
  [
    "lora with a magnitude",
    lora({ "attn.q": { ...adapter["attn.q"], magnitude } }, { alpha: 4, loraRank: 2, layout: "inOut" }),
  ],
  ["custom, a delta", custom((w: np.Array) => w.mul(0.25))],
  ["custom, a value", custom((w: np.Array) => np.tanh(w), { returns: "value" })],
  ["interpolate, all the way", interpolate(towards)],
  ["interpolate, part of the way", interpolate(towards, 0.25)],
  ["several", [scale(0.5), noise({ std: 0.1, seed: 1 }), disable(), noise({ std: 0.2, seed: 2 })]],
];

describe("a function with an overlay gives what it gives in a theater:", () => {
  it.each(modifications)("%s", (_, modification) => {
    const isNamed = "type" in modification && ["lora", "interpolate"].includes(modification.type);
    const layers = isNamed ? {} : { layers: ["attn", "layers.0", "layers.1"] };
    const overlaid = overlay(traced, layers);
    return leavingNoTrace(params, () => {
      const found = overlaid(tree.ref(params), modification).item();
      const expected = withTheater(params, { modification, ...layers }, (modified) =>
        compiled(modified).item(),
      );
      expect(found).toBe(expected);
      expect(found).not.toBe(lossOf(tree.ref(params)));
      overlaid.dispose();
    });
  });
});

describe("it is compiled", () => {
  it("once for all factors, seeds and adapters", () => {
    const overlaid = overlay(traced, { layers: "attention" });
    const factors = Array.from({ length: 20 }, (_, i) => i / 10);
    const losses = factors.map((each) => overlaid(tree.ref(params), scale(each)).item());
    expect(new Set(losses).size).toBe(20);
    expect(traces).toBe(1);
    for (let seed = 0; seed < 5; seed++)
      overlaid(tree.ref(params), noise({ std: 0.1 * seed + 0.1, seed })).dispose();
    expect(traces).toBe(2);
    for (const alpha of [1, 2]) {
      const modification = lora(adapter, { alpha, loraRank: 2, layout: "inOut" });
      overlay(traced)(tree.ref(params), modification).dispose();
    }
    overlaid.dispose();
  });

  it("again for another kind, other parameters, and another custom function", () => {
    const overlaid = overlay(traced, { layers: "attn.q" });
    const twice = custom((w: np.Array) => w.mul(2), { returns: "value" });
    const thrice = custom((w: np.Array) => w.mul(3), { returns: "value" });
    const losses = [twice, thrice, twice, disable(), twice].map((each) =>
      overlaid(tree.ref(params), each).item(),
    );
    expect(traces).toBe(3);
    expect(losses[0]).toBe(losses[2]);
    expect(losses[0]).toBe(losses[4]);
    expect(losses[0]).not.toBe(losses[1]);
    overlaid.dispose();
  });

  it("again after dispose, which frees what was compiled", () => {
    const overlaid = overlay(traced, { layers: "attn.q" });
    const first = overlaid(tree.ref(params), scale(2)).item();
    overlaid.dispose();
    expect(overlaid(tree.ref(params), scale(2)).item()).toBe(first);
    expect(traces).toBe(2);
    overlaid.dispose();
    overlaid.dispose();
  });

  it("for each shape: what a custom function is told is that of the call", () => {
    const told: string[] = [];
    const tell = custom((w: np.Array, { name, shape }) => (told.push(`${name} ${shape.join()}`), w.mul(1)));
    const overlaid = overlay(({ w }: { w: np.Array }) => np.sum(w), { layers: "all" });
    for (const length of [200, 300]) overlaid({ w: np.ones([length]) }, tell).dispose();
    expect(told).toEqual(["w 200", "w 300"]);
  });
});

it("noise is that of a theater, and of typed arrays, bit for bit", () => {
  const overlaid = overlay((modified: Params) => modified, { layers: "all" });
  const modification = noise({ std: 0.1, seed: 5 });
  const found = leavesOf(overlaid(tree.ref(params), modification)).map((leaf) => bits(numbersOf(leaf)));
  const expected = withTheater(params, { modification, layers: "all" }, (modified) =>
    leavesOf(modified).map((leaf) => bits(numbersOf(leaf))),
  );
  expect(found).toEqual(expected);
  overlaid.dispose();
});

describe("other arguments", () => {
  it("are handed on", () => {
    const overlaid = overlay(({ w }: { w: np.Array }, x: np.Array, y: np.Array) => np.sum(w.mul(x).add(y)), {
      layers: "all",
    });
    const found = overlaid(
      { w: np.array([1, 2]) },
      scale(10),
      np.array([3, 4]),
      np.array([0.5, 0.25]),
    ).item();
    expect(found).toBe(10 * 3 + 20 * 4 + 0.75);
  });

  it("and ties are kept", () => {
    const shared = arrayOf(smallFloats(200, 1), [200]);
    const tied = { one: shared, two: shared };
    const overlaid = overlay(({ one, two }: typeof tied) => np.sum(one.sub(two)), { layers: "all" });
    for (const modification of [
      scale(2),
      noise({ std: 1, seed: 1 }),
      [noise({ std: 1, seed: 1 }), scale(2)],
    ]) {
      expect(overlaid({ one: shared.ref, two: shared.ref }, modification).item()).toBe(0);
      expect(shared.refCount).toBe(1);
    }
    overlaid.dispose();
  });
});

it("takes a seed for noise that has none", () => {
  const seeded = overlay(traced, { layers: "attention", seed: 3 });
  const own = overlay(traced, { layers: "attention" });
  const found = seeded(tree.ref(params), noise({ std: 1 })).item();
  expect(found).toBe(own(tree.ref(params), noise({ std: 1, seed: 3 })).item());
});
