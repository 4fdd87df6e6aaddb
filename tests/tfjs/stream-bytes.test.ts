import * as tf from "@tensorflow/tfjs";
import { beforeEach, describe, expect, it } from "vitest";
import {
  custom,
  disable,
  interpolate,
  type Modification,
  noise,
  type Options,
  planTheater,
  scale,
  surgicalTheater,
  withTheater,
} from "../../src/tfjs.ts";
import { startMeter } from "../support/meter.ts";
import { input, mlp, withWeights } from "../support/models.ts";
import { valuesFor, zoo } from "../support/stream-models.ts";
import { backends, useBackend } from "../support/tensorflow.ts";

const L = tf.layers;

type Modifications = Modification<tf.Tensor> | readonly Modification<tf.Tensor>[];

/** Planned figures may differ from measured ones by this much where one kernel's targets dwarf all else. */
const TOLERANCE = 0.05;

/** Planned and measured bytes, as text that is equal where they are near enough. */
function near(measured: number, planned: number): string {
  const off = Math.abs(measured - planned) > TOLERANCE * Math.max(measured, planned);
  return off ? `measured ${measured} bytes, planned ${planned}` : "as planned";
}

/** The most bytes at a time, over what was there before, while `model` predicts. */
function peakOf(model: tf.LayersModel, x: tf.Tensor | tf.Tensor[]): number {
  const meter = startMeter();
  try {
    tf.dispose(model.predict(x));
    return meter.peak();
  } finally {
    meter.stop();
  }
}

const noisy = noise({ std: 0.1, seed: 5 });
const double = (w: tf.Tensor): tf.Tensor => tf.mul(w, 2);
const cases: readonly {
  readonly title: string;
  readonly make: (towards: Record<string, tf.Tensor>) => Modifications;
  /** Copies of a parameter that its being made needs at the worst moment. */
  readonly copies: number;
}[] = [
  { title: "scale", make: () => scale(0.9), copies: 1 },
  { title: "noise", make: () => noisy, copies: 2 },
  { title: "scale, noise", make: () => [scale(0.9), noisy], copies: 3 },
  { title: "interpolate 0.3", make: (towards) => interpolate(towards, 0.3), copies: 3 },
];

/** Models of which one layer is nearly all there is. */
const dominated = [
  {
    title: "a dense layer",
    make: () => tf.sequential({ layers: [L.dense({ units: 400, inputShape: [300] })] }),
    shape: [1, 300],
  },
  {
    title: "the largest of three dense layers",
    make: () =>
      tf.sequential({
        layers: [
          L.dense({ units: 300, inputShape: [40] }),
          L.dense({ units: 400 }),
          L.dense({ units: 30, useBias: false }),
        ],
      }),
    shape: [1, 40],
  },
  {
    title: "an LSTM",
    make: () =>
      tf.sequential({
        layers: [L.lstm({ units: 300, inputShape: [3, 5], recurrentInitializer: "glorotUniform" })],
      }),
    shape: [1, 3, 5],
  },
];

/** The parameter with the most bytes. */
const largest = (model: tf.LayersModel): tf.LayerVariable =>
  model.weights.reduce((a, b) => (a.read().size >= b.read().size ? a : b));

describe.each(backends)("what streaming needs on %s", (backend) => {
  beforeEach(async () => void (await useBackend(backend)));

  describe.each(dominated)("with $title", ({ make, shape }) => {
    it.each(cases)("is what the plan says, and nothing is held: $title", ({ make: modify, copies }) => {
      const model = withWeights(make());
      const x = input(shape);
      const towards = valuesFor(model);
      const { name } = largest(model);
      const bytes = 4 * largest(model).read().size;
      // All parameters, then nothing but the largest.
      for (const layers of ["all", name]) {
        const modification = modify(layers === "all" ? towards : { [name]: towards[name]! });
        const select = "towards" in (modification as object) ? {} : { layers };
        const options: Options<tf.Tensor> = { modification, technique: "stream", ...select };
        const { heldBytes, transientBytes } = planTheater(model, options);
        const meter = startMeter();
        const theater = surgicalTheater(model, options);
        expect({ held: meter.grown(), opening: meter.peak() }).toEqual({ held: 0, opening: 0 });
        meter.stop();
        const peak = peakOf(model, x);
        expect(theater.report().heldBytes).toBe(0);
        theater.close();
        expect(heldBytes).toBe(0);
        expect(near(peak, transientBytes)).toBe("as planned");
        expect(near(peak, copies * bytes)).toBe("as planned");
      }
      tf.dispose([x, towards] as tf.TensorContainer);
      model.dispose();
    });
  });

  const every: typeof cases = [
    ...cases,
    { title: "disable", make: () => disable(), copies: 0 },
    { title: "interpolate 1", make: (towards) => interpolate(towards), copies: 0 },
    { title: "custom", make: () => custom(double), copies: 0 },
    { title: "custom, noise", make: () => [custom(double), noisy], copies: 2 },
    { title: "disable, scale", make: () => [disable(), scale(0.5)], copies: 2 },
  ];

  it.each(zoo)(
    "is, on top of what predict needs in any case, at most what the plan says: $title",
    (specimen) => {
      const model = specimen.make();
      const x = specimen.input();
      const towards = valuesFor(model);
      // Recurrent states, once they are there.
      tf.dispose(model.predict(x));
      const plain = peakOf(model, x);
      for (const { title, make, copies } of every) {
        const layers = title.startsWith("interpolate") ? {} : { layers: "all" };
        const options: Options<tf.Tensor> = { modification: make(towards), technique: "stream", ...layers };
        const { parameters, transientBytes, heldBytes } = planTheater(model, options);
        const byLayer = new Map<string, number>();
        for (const { layer, bytes } of parameters) byLayer.set(layer, (byLayer.get(layer) ?? 0) + bytes);
        const theater = surgicalTheater(model, options);
        const peak = peakOf(model, x);
        expect(theater.report().heldBytes).toBe(heldBytes);
        theater.close();
        expect.soft(peak - plain, `${title}: peak`).toBeLessThanOrEqual(transientBytes);
        // A plan is no more than each parameter of the largest layer by itself would need.
        if (heldBytes === 0) {
          expect
            .soft(transientBytes, `${title}: plan`)
            .toBeLessThanOrEqual(copies * Math.max(...byLayer.values()));
        }
      }
      tf.dispose([x, towards] as tf.TensorContainer);
      model.dispose();
    },
  );

  it("is held for as long as the theater is open only where values are computed by a function", () => {
    const model = mlp();
    const towards = valuesFor(model);
    for (const { title, make } of every) {
      const layers = title.startsWith("interpolate") ? {} : { layers: "all" };
      const options: Options<tf.Tensor> = { modification: make(towards), technique: "stream", ...layers };
      const plan = planTheater(model, options);
      const meter = startMeter();
      const theater = surgicalTheater(model, options);
      meter.stop();
      const shared = title.startsWith("disable");
      if (!shared) expect.soft(plan.heldBytes, title).toBe(title.startsWith("custom") ? plan.targetBytes : 0);
      expect.soft(meter.grown(), title).toBe(plan.heldBytes);
      // But for the constants in operations, a number each.
      expect.soft(meter.peak(), title).toBeLessThanOrEqual(plan.heldBytes + plan.transientBytes + 8);
      expect.soft(theater.report().heldBytes, title).toBe(plan.heldBytes);
      theater.close();
    }
    tf.dispose(towards);
    model.dispose();
  });

  it("is at most what the plan says where one operation takes all variables of one path", () => {
    const [a, b, c] = [1, 2, 3].map((seed) => tf.tidy(() => tf.variable(input([40, 50], seed))));
    const record = { "one/kernel": a!, "one/gain": b!, "one/bias": c! };
    for (const { title, make } of cases) {
      if (title.startsWith("interpolate")) continue;
      const options: Options<tf.Tensor> = { modification: make({}), layers: "all", technique: "stream" };
      const use = (): void => tf.dispose(tf.addN([a!, b!, c!]));
      const peak = (): number => {
        const meter = startMeter();
        use();
        meter.stop();
        return meter.peak();
      };
      const plain = peak();
      const theater = surgicalTheater(record, options);
      expect.soft(peak() - plain, title).toBeLessThanOrEqual(theater.plan.transientBytes);
      theater.close();
    }
    tf.dispose(record);
  });

  it("does not grow with the number of layers, the number of batches, or of uses", () => {
    const stack = (layers: number): tf.Sequential =>
      withWeights(
        tf.sequential({
          layers: [
            L.inputLayer({ inputShape: [120] }),
            ...Array.from({ length: layers }, () => L.dense({ units: 120 })),
          ],
        }),
      );
    const x = input([3, 120]);
    const peaks = [2, 6].map((count) => {
      const model = stack(count);
      const meter = startMeter();
      withTheater(model, { modification: noisy, layers: "all", technique: "stream" }, () => {
        for (let i = 0; i < 3; i++) tf.dispose(model.predict(x, { batchSize: 1 }));
      });
      meter.stop();
      model.dispose();
      return meter.peak();
    });
    expect(near(peaks[1]!, peaks[0]!)).toBe("as planned");
    expect(near(peaks[0]!, 2 * 4 * 120 * 120)).toBe("as planned");
    x.dispose();
  });

  it("decides: the first technique that fits the budget is taken, and it is an error if none does", () => {
    const model = withWeights(
      tf.sequential({
        layers: [
          L.dense({ units: 30, inputShape: [30] }),
          L.dense({ units: 30 }),
          L.dense({ units: 30 }),
          L.dense({ units: 30 }),
        ],
      }),
    );
    for (const modification of [scale(0.5), noisy, [scale(0.5), noisy]]) {
      const options = { modification, layers: "all" };
      const swap = planTheater(model, { ...options, technique: "swap" }).peakBytes;
      const stream = planTheater(model, { ...options, technique: "stream" }).peakBytes;
      expect(stream).toBeLessThan(swap);
      const taken = (budget: number): string => {
        const theater = surgicalTheater(model, { ...options, budget });
        const { technique, peakBytes } = theater.plan;
        expect(theater.plan.parameters.every((each) => each.technique === technique)).toBe(true);
        expect(peakBytes).toBeLessThanOrEqual(budget);
        theater.close();
        return technique;
      };
      expect([Infinity, swap, swap - 1, stream].map(taken)).toEqual(["swap", "swap", "stream", "stream"]);
      const overBudget = expect.objectContaining({ code: "over_budget" }) as Error;
      expect(() => surgicalTheater(model, { ...options, budget: stream - 1 })).toThrow(overBudget);
      const forced = { ...options, technique: "swap", budget: swap - 1 } as const;
      expect(() => surgicalTheater(model, forced)).toThrow(overBudget);
    }
    model.dispose();
  });
});
