/** What theaters hold: by plan, by report, and by the allocations of jax-js itself. */
import { numpy as np, tree } from "@jax-js/jax";
import { describe, expect, it } from "vitest";
import {
  custom,
  disable,
  Ema,
  interpolate,
  lora,
  type LoraFactors,
  type Modification,
  noise,
  planTheater,
  scale,
  surgicalTheater,
} from "../../src/jax.ts";
import { smallFloats } from "../support/bits.ts";
import { arrayOf, leavesOf } from "../support/jax.ts";
import { bytesOfTree, leavingNoTrace, lossOf, makeParams, meter } from "./params.ts";

const params = makeParams();
/** That of `layers.1.kernel` and `layers.0.kernel`. */
const LARGEST = 4 * 64 * 16;
const ALL = bytesOfTree(params);
const matrices = ["attn.q", "attn.proj", "layers.0.kernel", "layers.1.kernel"];
const MATRICES = 4 * (16 * 48 + 16 * 16 + 2 * 16 * 64);

/** Factors of rank 2 for the matrices, [inputs, outputs]. */
function adapter(layout: "inOut" | "outIn"): Record<string, LoraFactors<np.Array>> {
  const { attn, layers } = params;
  const shapes = [attn.q, attn.proj, layers[0]!.kernel, layers[1]!.kernel].map(({ shape }) => shape);
  return Object.fromEntries(
    matrices.map((name, i) => {
      const [rows, columns] = shapes[i] as [number, number];
      const [inputs, outputs] = layout === "inOut" ? [rows, columns] : [columns, rows];
      const a = arrayOf(smallFloats(2 * inputs, i), [2, inputs]);
      return [name, { a, b: arrayOf(smallFloats(2 * outputs, i + 9), [outputs, 2]) }];
    }),
  );
}

const adapters = { inOut: adapter("inOut"), outIn: adapter("outIn") };
const towards = Object.fromEntries(matrices.map((name) => [name, towardsOf(name)]));

function towardsOf(name: string): np.Array {
  const { shape, size } =
    leavesOf(params)[["attn.q", "attn.proj", "layers.0.kernel", "", "layers.1.kernel"].indexOf(name)]!;
  return arrayOf(smallFloats(size, 5), shape);
}

interface Case {
  readonly title: string;
  readonly modification: Modification<np.Array> | readonly Modification<np.Array>[];
  readonly held: number;
  readonly layers?: string;
}

const LORA = { alpha: 4, loraRank: 2 };
const cases: readonly Case[] = [
  { title: "scale", modification: scale(0.9), layers: "all", held: ALL },
  { title: "noise", modification: noise({ std: 0.1, seed: 1 }), layers: "all", held: ALL },
  { title: "disable: the largest alone", modification: disable(), layers: "all", held: LARGEST },
  { title: "disable a list in another order", modification: disable(), layers: "layers.1", held: LARGEST },
  { title: "lora, inOut", modification: lora(adapters.inOut, { ...LORA, layout: "inOut" }), held: MATRICES },
  { title: "lora, outIn", modification: lora(adapters.outIn, { ...LORA, layout: "outIn" }), held: MATRICES },
  { title: "custom, a delta", modification: custom((w: np.Array) => w.mul(2)), layers: "all", held: ALL },
  {
    title: "custom, a value",
    modification: custom((w: np.Array) => w.mul(2), { returns: "value" }),
    layers: "all",
    held: ALL,
  },
  { title: "interpolate, all the way", modification: interpolate(towards), held: 0 },
  { title: "interpolate, part of the way", modification: interpolate(towards, 0.5), held: MATRICES },
  {
    title: "scale, then noise",
    modification: [scale(2), noise({ std: 1, seed: 1 })],
    layers: "all",
    held: ALL,
  },
  {
    title: "disable, then noise",
    modification: [disable(), noise({ std: 1, seed: 1 })],
    layers: "all",
    held: ALL,
  },
  {
    title: "noise, then disable",
    modification: [noise({ std: 1, seed: 1 }), disable()],
    layers: "all",
    held: LARGEST,
  },
];

describe("a theater holds what its plan says, which is what it reports and what jax-js allocates:", () => {
  it.each(cases)("$title", ({ modification, held, layers }) =>
    leavingNoTrace(params, () => {
      const options = { modification, ...(layers === undefined ? {} : { layers }) };
      // The first time, what is compiled once is made.
      for (let time = 0; time < 2; time++) {
        const plan = planTheater(params, options);
        expect(plan).toMatchObject({ technique: "swap", heldBytes: held, modelBytes: ALL });
        const before = meter.bytes();
        meter.resetPeak();
        const theater = surgicalTheater(params, options);
        const peak = meter.peak() - before;
        expect(theater.plan).toEqual(plan);
        expect(theater.report().heldBytes).toBe(held);
        lossOf(theater.take());
        // Numbers that kernels are given are arrays of 4 bytes until those have run.
        expect(meter.bytes() - before).toBeLessThanOrEqual(held + 64);
        expect(meter.bytes() - before).toBeGreaterThanOrEqual(held);
        expect(peak).toBeGreaterThanOrEqual(0.95 * plan.peakBytes);
        expect(peak).toBeLessThanOrEqual(Math.max(1.05 * plan.peakBytes, plan.peakBytes + 64));
        expect(theater.close().heldBytes).toBe(held);
      }
    }),
  );

  it("nothing without a modification, however many trees are taken", () =>
    leavingNoTrace(params, () => {
      const before = meter.bytes();
      using theater = surgicalTheater(params, {});
      for (let i = 0; i < 10; i++) theater.take();
      expect(theater.report().heldBytes).toBe(0);
      expect(meter.bytes()).toBe(before);
    }));

  it("nothing for an average that is shown", () => {
    const ema = new Ema(params, { decay: 0.5 });
    ema.update(params);
    ema.update(params);
    expect(ema.bytes).toBe(ALL);
    const before = meter.bytes();
    const theater = surgicalTheater(params, { modification: interpolate(ema.weights) });
    lossOf(theater.take());
    expect(meter.bytes()).toBeLessThanOrEqual(before + 8);
    theater.close();
    ema.dispose();
  });
});

describe("taking trees", () => {
  it("a hundred times keeps bytes constant, consumed or not", () =>
    leavingNoTrace(params, () => {
      using theater = surgicalTheater(params, { modification: scale(2), layers: "all" });
      const loss = lossOf(theater.take());
      const [bytes, slots] = [meter.bytes(), meter.slots()];
      for (let i = 0; i < 100; i++) {
        if (i % 2 === 0) theater.take();
        else expect(lossOf(theater.take())).toBe(loss);
      }
      expect(meter.bytes()).toBe(bytes);
      expect(meter.slots()).toBe(slots);
    }));
});

it("a budget is kept: what opening needs for a moment counts", () => {
  const options = { modification: noise({ std: 1, seed: 1 }), layers: "all" } as const;
  const { peakBytes } = planTheater(params, options);
  expect(peakBytes).toBeGreaterThan(ALL);
  expect(planTheater(params, { ...options, budget: peakBytes }).peakBytes).toBe(peakBytes);
  expect(() => planTheater(params, { ...options, budget: peakBytes - 1 })).toThrow(
    expect.objectContaining({ code: "over_budget" }),
  );
});

it("zeros are shared on each device", async () => {
  const mixed = {
    w: params.head.ref,
    v: np.ones([200], { device: "cpu" }),
    u: np.ones([300], { device: "cpu" }),
  };
  const plan = planTheater(mixed, { modification: disable(), layers: "all" });
  expect(plan.heldBytes).toBe(4 * (16 * 24 + 300));
  tree.dispose(mixed);
});
