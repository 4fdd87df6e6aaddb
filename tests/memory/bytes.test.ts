import { describe, expect, it } from "vitest";
import type { NumericArray } from "../../src/dtypes/dtype.ts";
import {
  custom,
  disable,
  Ema,
  interpolate,
  type Modification,
  noise,
  planTheater,
  scale,
  surgicalTheater,
} from "../../src/index.ts";

const KERNEL = 4 * 1000;
const BIAS = 4 * 10;
const ALL = KERNEL + BIAS;

const model = () => ({ kernel: new Float32Array(1000).fill(1), bias: new Float32Array(10).fill(2) });
const towards = model();
const own = custom<Float32Array>((w) => w.map((x) => x + 1), { returns: "value" });
const delta = custom<Float32Array>((w) => w.map((x) => x / 3));

type Modifications = Modification<NumericArray> | readonly Modification<NumericArray>[];

describe("held bytes", () => {
  const single: readonly { title: string; modification: Modifications }[] = [
    { title: "scale", modification: scale(0.5) },
    { title: "noise", modification: noise({ std: 1, seed: 1 }) },
    { title: "disable", modification: disable() },
    { title: "custom value", modification: own },
    { title: "custom delta", modification: delta },
    { title: "interpolate", modification: interpolate<NumericArray>(towards) },
    { title: "interpolate 0.3", modification: interpolate<NumericArray>(towards, 0.3) },
    { title: "scale and noise", modification: [scale(0.5), noise({ std: 1, seed: 1 })] },
    { title: "disable and noise", modification: [disable(), noise({ std: 1, seed: 1 })] },
  ];

  it.each(single)("are one copy of the targets: $title", ({ modification }) => {
    const plan = planTheater(model(), { modification, layers: "all" });
    expect(plan).toMatchObject({
      heldBytes: ALL,
      targetBytes: ALL,
      modelBytes: ALL,
      savedBytes: 0,
      engineBytes: 0,
    });
    expect(plan.parameters.map(({ heldBytes }) => heldBytes)).toEqual([KERNEL, BIAS]);
    const theater = surgicalTheater(model(), { modification, layers: "all" });
    expect(theater.report().heldBytes).toBe(ALL);
    expect(theater.close().heldBytes).toBe(ALL);
  });

  it("are those of the selected parameters alone", () => {
    using theater = surgicalTheater(model(), { modification: scale(2), layers: "bias" });
    expect(theater.report()).toMatchObject({ heldBytes: BIAS, targetBytes: BIAS, savedBytes: ALL - BIAS });
  });

  // What is given once, at opening, has to outlive a theater below it; what can be computed again has not.
  const nested: readonly { title: string; below: Modifications; above: Modifications; more: number }[] = [
    { title: "scale over scale", below: scale(2), above: scale(3), more: 0 },
    { title: "noise over disable", below: disable(), above: noise({ std: 1, seed: 1 }), more: 0 },
    { title: "custom over scale", below: scale(2), above: own, more: ALL },
    { title: "scale over custom", below: own, above: scale(2), more: ALL },
    { title: "custom over custom", below: delta, above: own, more: 2 * ALL },
    {
      title: "interpolate over scale",
      below: scale(2),
      above: interpolate<NumericArray>(towards),
      more: ALL,
    },
    {
      title: "interpolate 0.3 over scale",
      below: scale(2),
      above: interpolate<NumericArray>(towards, 0.3),
      more: ALL,
    },
  ];

  it.each(nested)(
    "of an inner theater are planned and held to the byte: $title",
    ({ below, above, more }) => {
      const weights = model();
      using outer = surgicalTheater(weights, { modification: below, layers: "all" });
      expect(outer.report().heldBytes).toBe(ALL);
      const options = { modification: above, layers: "all" };
      expect(planTheater(weights, options).heldBytes).toBe(more);
      using inner = surgicalTheater(weights, options);
      expect(inner.report().heldBytes).toBe(ALL + more);
    },
  );

  it("of an inner theater that lends float32 values to a float16 parameter are planned to the byte", () => {
    const w = { data: new Uint16Array(100), shape: [100], dtype: "float16" } as const;
    using outer = surgicalTheater({ w }, { modification: scale(2), layers: "all" });
    expect(outer.report().heldBytes).toBe(200);
    const options = { modification: interpolate<NumericArray>({ w: new Float32Array(100) }, 0.3) };
    const { heldBytes } = planTheater({ w }, options);
    using inner = surgicalTheater({ w }, options);
    expect(inner.report().heldBytes).toBe(200 + heldBytes);
  });

  it("of a guard are none", () => {
    expect(planTheater(model(), {})).toMatchObject({ heldBytes: 0, transientBytes: 0, targetBytes: 0 });
  });

  it("of an average are its floating-point parameters once, 16-bit ones as float32", () => {
    const weights = {
      ...model(),
      half: { data: new Uint16Array(8), shape: [8], dtype: "bfloat16" },
    } as const;
    const ema = new Ema(weights, { decay: 0.9 });
    expect(ema.bytes).toBe(0);
    ema.update();
    expect(ema.bytes).toBe(ALL + 32);
  });

  it("are what the process grows by", () => {
    const weights = { kernel: new Float32Array(8_000_000).fill(1) };
    const options = { modification: scale(0.5), layers: "all", technique: "copy" } as const;
    const { heldBytes } = planTheater(weights, options);
    expect(heldBytes).toBe(32_000_000);
    const before = process.memoryUsage().arrayBuffers;
    const theater = surgicalTheater(weights, options);
    const grown = process.memoryUsage().arrayBuffers - before;
    expect(Math.abs(grown / heldBytes - 1)).toBeLessThan(0.05);
    theater.close();
  });

  it("that exceed the budget are an error which says how many are needed", () => {
    const weights = model();
    const options = { modification: scale(2), layers: "all", technique: "copy", budget: ALL - 1 } as const;
    expect(() => surgicalTheater(weights, options)).toThrow(expect.objectContaining({ code: "over_budget" }));
    expect(() => surgicalTheater(weights, options)).toThrow(new RegExp(`${ALL} bytes`));
    expect([...weights.bias]).toEqual(Array(10).fill(2));
    surgicalTheater(weights, { ...options, budget: ALL }).close();
  });
});
