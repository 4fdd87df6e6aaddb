import * as tf from "@tensorflow/tfjs";
import { beforeEach, describe, expect, it } from "vitest";
import {
  custom,
  disable,
  Ema,
  interpolate,
  type Modification,
  noise,
  type Options,
  planTheater,
  scale,
  surgicalTheater,
} from "../../src/tfjs.ts";
import { bits } from "../support/bits.ts";
import { liveCounts, startMeter } from "../support/meter.ts";
import { dataIds, input, mlp, predictionBits, variable, weightBits } from "../support/models.ts";
import { surroundings, valuesFor } from "../support/stream-models.ts";
import { backends, useBackend } from "../support/tensorflow.ts";
import { thrownBy } from "../support/thrown.ts";

type Technique = "swap" | "stream";
type Opened = ReturnType<typeof surgicalTheater>;

/** Orders of some things. */
function orders<T>(of: readonly T[]): T[][] {
  if (of.length === 0) return [[]];
  return of.flatMap((first, i) => orders(of.filter((_, j) => j !== i)).map((rest) => [first, ...rest]));
}

/** Selections that overlap in part, and the modification of each. */
const parts: readonly (Options<tf.Tensor> & { modification: Modification<tf.Tensor> })[] = [
  { modification: scale(0.5), layers: /kernel/ },
  { modification: noise({ std: 0.3, seed: 3 }), layers: "all" },
  { modification: custom((w: tf.Tensor) => tf.cos(w), { returns: "value" }), layers: /bias|_2|1/ },
];

const techniques: readonly Technique[] = ["swap", "stream"];
const mixed = techniques.flatMap((a) =>
  techniques.flatMap((b) => techniques.map((c) => [a, b, c] as [Technique, Technique, Technique])),
);

describe.each(backends)("theaters of several techniques, one inside the other, on %s", (backend) => {
  let model: tf.Sequential;
  let x: tf.Tensor;

  beforeEach(async () => {
    await useBackend(backend);
    model = mlp();
    x = input([3, 4]);
    return () => {
      model.dispose();
      x.dispose();
    };
  });

  const look = (): unknown => [predictionBits(model, x), weightBits(model)];

  /** What is seen at each stage, of theaters opened in turn and closed in the order given. */
  function stages(using: readonly Technique[], order: readonly number[]): unknown[] {
    const seen = [look()];
    const opened: Opened[] = [];
    for (const [i, technique] of using.entries()) {
      opened.push(surgicalTheater(model, { ...parts[i]!, technique }));
      seen.push(look());
    }
    for (const i of order) {
      expect(opened[i]!.close()).toMatchObject({ identical: true, written: [] });
      seen.push(look());
    }
    return seen;
  }

  it("show, at each stage and closed in each order, what they show if all are swapped", () => {
    const [ids, counts, around] = [dataIds(model), liveCounts(), surroundings(model)];
    for (const order of orders([0, 1, 2])) {
      const expected = stages(["swap", "swap", "swap"], order);
      expect(expected.at(-1)).toEqual(expected[0]);
      for (const using of mixed) {
        expect
          .soft(stages(using, order), `${using.join()} closed in order ${order.join()}`)
          .toEqual(expected);
        expect(dataIds(model).every((id, i) => id === ids[i])).toBe(true);
        expect(liveCounts()).toEqual(counts);
      }
    }
    expect(surroundings(model)).toEqual(around);
  });

  it.each(mixed.filter(([first, second]) => first !== second))(
    "leave the technique in force that a parameter is modified by already: %s, %s, %s",
    (first, second, third) => {
      const [kernel] = model.weights.map(({ name }) => name);
      const outer = surgicalTheater(model, { modification: scale(0.5), layers: kernel!, technique: first });
      const options = { modification: noise({ std: 1, seed: 1 }), layers: "all" };
      const planned = planTheater(model, { ...options, technique: second });
      const inner = surgicalTheater(model, { ...options, technique: second });
      for (const { technique, parameters } of [planned, inner.plan]) {
        expect(technique).toBe(second);
        expect(parameters.map((each) => each.technique)).toEqual([first, second, second, second]);
      }
      expect(inner.plan).toEqual(planned);
      outer.close();
      // That of the inner one is still in force where it has it, and that of the outer one on the kernel.
      const last = planTheater(model, { ...options, technique: third });
      expect(last.parameters.map((each) => each.technique)).toEqual([first, second, second, second]);
      inner.close();
      const free = planTheater(model, { ...options, technique: third });
      expect(free.parameters.map((each) => each.technique)).toEqual([third, third, third, third]);
    },
  );

  it.each(techniques)("hold, in sum, what their plans say, over one that is by %s", (first) => {
    for (const second of techniques) {
      const meter = startMeter();
      const opened: Opened[] = [];
      let held = 0;
      for (const technique of [first, second, first]) {
        opened.push(surgicalTheater(model, { modification: scale(0.5), layers: /kernel|1/, technique }));
        held += opened.at(-1)!.plan.heldBytes;
        expect(meter.grown()).toBe(held);
        expect(opened.at(-1)!.report().heldBytes).toBe(held);
      }
      for (const each of opened) each.close();
      expect(meter.grown()).toBe(0);
      meter.stop();
    }
  });

  describe.each(techniques)("with a guard", (technique) => {
    it.each(orders(["guard below", "theater", "guard above"]))(
      `over or under it have the technique that they ask for, ${technique}: closed in order %s, %s, %s`,
      (...order) => {
        const [before, counts, around] = [look(), liveCounts(), surroundings(model)];
        const options = { modification: scale(0.5), layers: "all", technique };
        const opened: Record<string, Opened> = { "guard below": surgicalTheater(model, {}) };
        expect(planTheater(model, options).parameters.every((each) => each.technique === technique)).toBe(
          true,
        );
        opened["theater"] = surgicalTheater(model, options);
        opened["guard above"] = surgicalTheater(model, {});
        expect(opened["theater"].plan.parameters.every((each) => each.technique === technique)).toBe(true);
        const shown = look();
        expect(shown).not.toEqual(before);
        for (const name of order) {
          const visible = look();
          expect(opened[name]!.close()).toMatchObject({ identical: true, written: [] });
          expect(look()).toEqual(name === "theater" ? before : visible);
        }
        expect(look()).toEqual(before);
        expect(liveCounts()).toEqual(counts);
        expect(surroundings(model)).toEqual(around);
      },
    );

    it(`leaves it free which technique the next one uses, once one by ${technique} has closed`, () => {
      const guard = surgicalTheater(model, {});
      const before = look();
      for (const next of [technique, ...techniques, technique]) {
        const theater = surgicalTheater(model, { modification: scale(0.5), layers: "all", technique: next });
        expect(theater.plan.parameters.every((each) => each.technique === next)).toBe(true);
        theater.close();
        expect(look()).toEqual(before);
      }
      // A write is undone by whichever stage there is by now.
      tf.tidy(() => variable(model, "/kernel").assign(tf.ones(variable(model, "/kernel").shape)));
      expect(thrownBy(() => guard.close())).toMatchObject({ code: "written_inside" });
      expect(look()).toEqual(before);
    });
  });

  it("that cannot open leave the one that is open as it was", () => {
    for (const technique of techniques) {
      const outer = surgicalTheater(model, { modification: scale(0.5), layers: "all", technique });
      const [shown, counts] = [look(), liveCounts()];
      let calls = 0;
      const modification = custom((w: tf.Tensor) => {
        if (++calls === 3) throw new Error("no more");
        return w;
      });
      expect(() => surgicalTheater(model, { modification, layers: "all", technique: "stream" })).toThrow(
        "no more",
      );
      expect(look()).toEqual(shown);
      expect(liveCounts()).toEqual(counts);
      expect(outer.report().technique).toBe(technique);
      outer.close();
    }
  });

  it("refuse a write if one of them does, and let it through if none does", () => {
    const write = (): void =>
      tf.tidy(() => variable(model, "/kernel").assign(tf.ones(variable(model, "/kernel").shape)));
    const before = look();
    const options = { modification: scale(0.5), layers: "all", technique: "stream" } as const;
    const lenient = surgicalTheater(model, { ...options, onWrite: "discard" });
    const strict = surgicalTheater(model, options);
    expect(thrownBy(write)).toMatchObject({ code: "written_inside" });
    strict.close();
    write();
    expect(lenient.close().written).toHaveLength(1);
    expect(look()).toEqual(before);
  });

  describe.each(mixed.filter(([, , third]) => third === "swap"))("towards a model", (of, by) => {
    it.each([1, 0.3])(`that is shown by ${of}, shown by ${by}, move to what it shows: %d`, (amount) => {
      const other = mlp();
      tf.tidy(() => other.setWeights(other.weights.map((weight) => tf.add(weight.read(), 1))));
      const names = model.weights.map(({ originalName }) => originalName);
      const live = Object.fromEntries(other.weights.map((weight, i) => [names[i]!, weight.read()]));
      const [before, otherBefore, counts] = [look(), weightBits(other), liveCounts()];
      const outer = surgicalTheater(other, { modification: scale(-2), layers: "all", technique: of });
      const values = Object.fromEntries(
        other.weights.map((weight, i) => {
          const value = weight.read();
          return [names[i]!, tf.tensor(value.dataSync().slice(), value.shape)];
        }),
      );
      const expected = surgicalTheater(model, {
        modification: interpolate(values, amount),
        technique: "swap",
      });
      const wanted = look();
      expected.close();
      tf.dispose(values);

      const inner = surgicalTheater(model, { modification: interpolate(live, amount), technique: by });
      expect(look()).toEqual(wanted);
      outer.close();
      // What it was given stays what it was then.
      expect(look()).toEqual(wanted);
      expect(weightBits(other)).toEqual(otherBefore);
      inner.close();
      expect(look()).toEqual(before);
      expect(liveCounts()).toEqual(counts);
      other.dispose();
    });
  });

  it("towards a model that is streamed hold what the plan says", () => {
    const other = mlp();
    const names = model.weights.map(({ originalName }) => originalName);
    const live = Object.fromEntries(other.weights.map((weight, i) => [names[i]!, weight.read()]));
    const outer = surgicalTheater(other, { modification: scale(-2), layers: "all", technique: "stream" });
    for (const technique of techniques) {
      for (const amount of [1, 0.3]) {
        const meter = startMeter();
        const theater = surgicalTheater(model, { modification: interpolate(live, amount), technique });
        const { heldBytes } = theater.plan;
        meter.stop();
        expect.soft(meter.grown(), `${technique} ${amount}`).toBe(heldBytes);
        expect.soft(theater.report().heldBytes, `${technique} ${amount}`).toBe(heldBytes);
        theater.close();
      }
    }
    outer.close();
    other.dispose();
  });

  it("of the average and of the model that it is of do not disturb each other", () => {
    const ema = new Ema(model, { decay: 0.5 });
    ema.update();
    tf.tidy(() => model.setWeights(model.weights.map((weight) => tf.add(weight.read(), 1))));
    ema.update();
    const averages = (): string[] => Object.values(ema.weights).map((each) => bits(each.dataSync()));
    const [before, kept, counts] = [look(), averages(), liveCounts()];
    const theater = surgicalTheater(model, { modification: interpolate(ema.weights), technique: "stream" });
    expect(Object.values(weightBits(model))).toEqual(kept);
    expect(thrownBy(() => ema.update())).toMatchObject({ code: "already_open" });
    const without = surgicalTheater(model, { modification: disable(), layers: 0, technique: "stream" });
    predictionBits(model, x);
    theater.close();
    without.close();
    expect(look()).toEqual(before);
    expect(averages()).toEqual(kept);
    expect(liveCounts()).toEqual(counts);
    ema.dispose();
  });

  it("with what is closed twice, or by the scope it was opened in, are exact", () => {
    const [before, counts] = [look(), liveCounts()];
    const towards = valuesFor(model);
    const opened = tf.tidy(
      () =>
        [
          surgicalTheater(model, { modification: interpolate(towards, 0.3), technique: "stream" }),
          surgicalTheater(model, { modification: disable(), layers: /bias/, technique: "swap" }),
          surgicalTheater(model, {
            modification: custom((w: tf.Tensor) => w),
            layers: "all",
            technique: "stream",
          }),
        ] as unknown as tf.TensorContainer,
    ) as unknown as Opened[];
    look();
    for (const i of [1, 0, 1, 2, 0]) tf.tidy(() => void opened[i]!.close());
    tf.dispose(towards);
    expect(look()).toEqual(before);
    expect(liveCounts()).toEqual(counts);
  });
});
