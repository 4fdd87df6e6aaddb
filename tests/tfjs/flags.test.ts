import * as tf from "@tensorflow/tfjs";
import { beforeEach, describe, expect, it } from "vitest";
import { scale, surgicalTheater, withTheater } from "../../src/tfjs.ts";
import { mlp } from "../support/models.ts";
import { useBackend } from "../support/tensorflow.ts";

const all = { modification: scale(0.5), layers: "all" };

describe("trainable flags", () => {
  beforeEach(async () => void (await useBackend("cpu")));

  const flags = (model: tf.LayersModel): unknown => [
    model.trainable,
    ...model.layers.map(({ trainable }) => trainable),
    ...model.weights
      .map((weight) => `${weight.name} ${weight.trainable} ${(weight.read() as tf.Variable).trainable}`)
      .sort(),
  ];

  it("set inside on a layer, a weight, a variable, a nested model or the whole come back", () => {
    const nested = tf.sequential({
      name: "nested",
      layers: [tf.layers.dense({ units: 4, inputShape: [4] })],
    });
    const wrapped = tf.layers.dense({ units: 2 });
    const model = tf.sequential({ layers: [nested, wrapped] as never });
    model.weights[3]!.trainable = false;
    const before = flags(model);
    const inner = flags(nested);
    const changes = [
      () => (wrapped.trainable = false),
      () => (nested.trainable = false),
      () => (nested.layers[0]!.trainable = false),
      () => (model.trainable = false),
      () => (model.weights[0]!.trainable = false),
      () => (model.weights[3]!.trainable = true),
      () => ((model.weights[1]!.read() as tf.Variable).trainable = false),
    ];
    for (const options of [all, {}]) {
      for (const change of changes) {
        withTheater(model, options, change);
        expect([flags(model), flags(nested)]).toEqual([before, inner]);
      }
      withTheater(model, options, () => {
        for (const change of changes) change();
      });
      expect([flags(model), flags(nested)]).toEqual([before, inner]);
    }
    model.dispose();
  });

  it("of variables without a model come back", () => {
    const w = tf.tidy(() => tf.variable(tf.ones([2])));
    withTheater([w], all, () => (w.trainable = false));
    expect(w.trainable).toBe(true);
    w.dispose();
  });

  it.each([[[0, 1]], [[1, 0]]])("come back when theaters close in the order %s", (order) => {
    const model = mlp();
    const before = flags(model);
    const first = surgicalTheater(model, all);
    model.layers[0]!.trainable = false;
    const theaters = [first, surgicalTheater(model, all)];
    model.layers[1]!.trainable = false;
    for (const i of order) theaters[i]!.close();
    expect(flags(model)).toEqual(before);
    model.dispose();
  });

  it.each([[[0, 1]], [[1, 0]]])(
    "of a layer in two models come back when their theaters close in the order %s",
    (order) => {
      const shared = tf.layers.dense({ units: 4, inputShape: [4] });
      const models = [1, 2].map((units) => tf.sequential({ layers: [shared, tf.layers.dense({ units })] }));
      const first = surgicalTheater(models[0]!, all);
      shared.trainable = false;
      const theaters = [first, surgicalTheater(models[1]!, all)];
      for (const i of order) theaters[i]!.close();
      expect(shared.trainable).toBe(true);
      expect(shared.weights.map(({ trainable }) => trainable)).toEqual([true, true]);
    },
  );
});
