import * as tf from "@tensorflow/tfjs";
import { beforeEach, describe, expect, it } from "vitest";
import { noise, scale, surgicalTheater, withTheater } from "../../src/tfjs.ts";
import { bits } from "../support/bits.ts";
import { liveCounts } from "../support/meter.ts";
import { input, mlp, weightBits } from "../support/models.ts";
import { backends, useBackend } from "../support/tensorflow.ts";

const modifications = [
  { title: "scale", modification: scale(0.7) },
  { title: "noise", modification: noise({ std: 0.1, seed: 4 }) },
];

/** Bits of the gradient of a loss with respect to every variable. */
function gradientBits(model: tf.LayersModel, x: tf.Tensor, y: tf.Tensor): string[] {
  const variables = model.weights.map((weight) => weight.read() as tf.Variable);
  const { value, grads } = tf.variableGrads(
    () => tf.losses.meanSquaredError<tf.Tensor, tf.Scalar>(y, model.apply(x) as tf.Tensor),
    variables,
  );
  const found = [value, ...variables.map(({ name }) => grads[name]!)].map((each) => bits(each.dataSync()));
  tf.dispose([value, grads]);
  return found;
}

/** A model of its own that holds what `model` shows now. */
function copyOf(model: tf.LayersModel): tf.Sequential {
  const copy = mlp();
  tf.tidy(() =>
    copy.setWeights(
      model.weights.map((weight) => tf.tensor(weight.read().dataSync().slice(), weight.read().shape)),
    ),
  );
  return copy;
}

describe.each(backends)("gradients on %s", (backend) => {
  let x: tf.Tensor;
  let y: tf.Tensor;

  beforeEach(async () => {
    await useBackend(backend);
    [x, y] = [input([4, 4]), input([4, 3])];
    return () => tf.dispose([x, y]);
  });

  it.each(modifications)(
    "inside are those of a model that holds these weights: $title",
    ({ modification }) => {
      const model = mlp();
      const plain = gradientBits(model, x, y);
      withTheater(model, { modification, layers: "all" }, () => {
        const copy = copyOf(model);
        const inside = gradientBits(model, x, y);
        expect(inside).toEqual(gradientBits(copy, x, y));
        expect(inside).not.toEqual(plain);
        copy.dispose();
      });
      model.dispose();
    },
  );

  it.each(modifications)(
    "afterwards are those of a model on which none was opened: $title",
    ({ modification }) => {
      const [model, untouched] = [mlp(), mlp()];
      for (let i = 0; i < 3; i++) {
        withTheater(model, { modification, layers: "all" }, () => gradientBits(model, x, y));
        expect(gradientBits(model, x, y)).toEqual(gradientBits(untouched, x, y));
      }
      for (const each of [model, untouched]) each.dispose();
    },
  );

  it("of a theater that is opened and closed while they are taken are those of what it showed", () => {
    const model = mlp();
    const before = weightBits(model);
    const forward = (modify: boolean): string => {
      const gradient = tf.grad((at: tf.Tensor) => {
        if (!modify) return tf.sum(model.apply(at) as tf.Tensor);
        return withTheater(model, { modification: scale(0.7), layers: "all" }, () =>
          tf.sum(model.apply(at) as tf.Tensor),
        );
      })(x);
      const found = bits(gradient.dataSync());
      gradient.dispose();
      return found;
    };
    const plain = forward(false);
    const counts = liveCounts();
    const modified = forward(true);
    expect(liveCounts()).toEqual(counts);
    expect(weightBits(model)).toEqual(before);
    const held = surgicalTheater(model, { modification: scale(0.7), layers: "all" });
    expect(modified).toBe(forward(false));
    held.close();
    expect(forward(false)).toBe(plain);
    model.dispose();
  });

  it("with respect to variables do not see a theater that was opened and closed while they were taken", () => {
    const model = mlp();
    const plain = gradientBits(model, x, y);
    const variables = model.weights.map((weight) => weight.read() as tf.Variable);
    const counts = liveCounts();
    const { value, grads } = tf.variableGrads(() => {
      withTheater(model, { modification: scale(0.7), layers: "all" }, () => tf.dispose(model.predict(x)));
      return tf.losses.meanSquaredError<tf.Tensor, tf.Scalar>(y, model.apply(x) as tf.Tensor);
    }, variables);
    const found = [value, ...variables.map(({ name }) => grads[name]!)].map((each) => bits(each.dataSync()));
    tf.dispose([value, grads]);
    expect(found).toEqual(plain);
    expect(liveCounts()).toEqual(counts);
    model.dispose();
  });
});
