import * as tf from "@tensorflow/tfjs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  custom,
  disable,
  interpolate,
  type Modification,
  noise,
  planTheater,
  scale,
  surgicalTheater,
} from "../../src/tfjs.ts";
import { smallFloats } from "../support/bits.ts";
import { startMeter } from "../support/meter.ts";
import { backends, useBackend } from "../support/tensorflow.ts";

/** Planned figures may differ from measured ones by this much. */
const TOLERANCE = 0.05;

type Model = Readonly<Record<string, tf.Variable>>;

const shapes: Readonly<Record<string, [number, number]>> = {
  first: [64, 48],
  second: [48, 64],
  third: [32, 16],
  last: [64, 48],
};

function tensors(seed: number): Record<string, tf.Tensor> {
  return Object.fromEntries(
    Object.entries(shapes).map(([name, shape], i) => [
      name,
      tf.tensor(smallFloats(shape[0] * shape[1], seed + i), shape),
    ]),
  );
}

/** Planned and measured bytes, as text that is equal where they are near enough. */
function near(measured: number, planned: number): string {
  const off = Math.abs(measured - planned) > TOLERANCE * Math.max(Math.abs(measured), Math.abs(planned));
  return off ? `measured ${measured} bytes, planned ${planned}` : "as planned";
}

/** What a custom function computes, with nothing but its result. */
const double = (w: tf.Tensor): tf.Tensor => tf.mul(w, 2);

interface Case {
  readonly title: string;
  readonly make: (
    towards: Record<string, tf.Tensor>,
  ) => Modification<tf.Tensor> | readonly Modification<tf.Tensor>[];
}

const noisy = noise({ std: 0.1, seed: 5 });
const cases: readonly Case[] = [
  { title: "scale", make: () => scale(0.9) },
  { title: "noise", make: () => noisy },
  { title: "disable", make: () => disable() },
  { title: "custom delta", make: () => custom(double) },
  { title: "custom value", make: () => custom(double, { returns: "value" }) },
  { title: "interpolate 1", make: (towards) => interpolate(towards) },
  { title: "interpolate 0.3", make: (towards) => interpolate(towards, 0.3) },
  { title: "scale, noise", make: () => [scale(0.9), noisy] },
  { title: "disable, noise", make: () => [disable(), noisy] },
  { title: "scale, custom delta", make: () => [scale(0.9), custom(double)] },
  {
    title: "custom value, noise, disable",
    make: () => [custom(double, { returns: "value" }), noisy, disable()],
  },
];

/** What a theater is opened over: arithmetic, shared zeros, a value of its own, a value that is lent. */
const outer = cases.filter(({ title }) =>
  ["scale", "disable", "custom delta", "interpolate 1"].includes(title),
);

describe.each(backends)("what a plan says on %s", (backend) => {
  let model: Model;
  let towards: Record<string, tf.Tensor>;

  beforeEach(async () => {
    await useBackend(backend);
    const initial = tensors(1);
    model = Object.fromEntries(Object.entries(initial).map(([name, tensor]) => [name, tf.variable(tensor)]));
    tf.dispose(initial);
    towards = tensors(9);
  });

  afterEach(() => {
    tf.dispose([model, towards]);
  });

  /** Opens with a meter running. */
  function measure(
    modification: Modification<tf.Tensor> | readonly Modification<tf.Tensor>[],
    layers: string | string[],
  ): { readonly theater: { close(): unknown }; readonly found: { held: string; peak: string } } {
    const options = { modification, layers };
    const { heldBytes, transientBytes } = planTheater(model, options);
    const meter = startMeter();
    const theater = surgicalTheater(model, options);
    meter.stop();
    const held = near(meter.grown(), heldBytes);
    const peak = near(meter.peak(), heldBytes + transientBytes);
    return { theater, found: { held, peak } };
  }

  const asPlanned = { held: "as planned", peak: "as planned" };

  it.each(cases)("is what is measured: $title", ({ make }) => {
    const { theater, found } = measure(make(towards), "all");
    theater.close();
    expect(found).toEqual(asPlanned);
  });

  it.each(cases.filter(({ title }) => !title.startsWith("interpolate")))(
    "is what is measured on some of the parameters: $title",
    ({ make }) => {
      for (const layers of ["third", ["first", "last"], ["third", "second"]]) {
        const { theater, found } = measure(make(towards), layers);
        theater.close();
        expect(found).toEqual(asPlanned);
      }
    },
  );

  describe.each(outer)("of an inner theater is what is measured, over $title", (below) => {
    it.each(cases)("under $title", (above) => {
      const first = surgicalTheater(model, { modification: below.make(towards), layers: "all" });
      const second = measure(above.make(towards), "all");
      const third = measure(scale(1.5), "all");
      for (const { theater } of [third, second]) theater.close();
      first.close();
      expect(second.found).toEqual(asPlanned);
      expect(third.found).toEqual(asPlanned);
    });
  });

  it.each(cases)("agrees with what the report says is held: $title", ({ make }) => {
    const theater = surgicalTheater(model, { modification: make(towards), layers: "all" });
    const { heldBytes } = theater.report();
    theater.close();
    expect(heldBytes).toBe(theater.plan.heldBytes);
  });

  it.each(cases)("is all given back at closing: $title", ({ make }) => {
    const meter = startMeter();
    surgicalTheater(model, { modification: make(towards), layers: "all" }).close();
    meter.stop();
    expect(meter.grown()).toBe(0);
  });
});
