/** A model that is made twice in one process has numbered variable names, and is the same model all the same. */
import * as tf from "@tensorflow/tfjs";
import { expect, it } from "vitest";
import { Ema, interpolate, noise, planTheater, scale, withTheater } from "../../src/tfjs.ts";
import { useBackend } from "../support/tensorflow.ts";

const make = (): tf.Sequential =>
  tf.sequential({ layers: [tf.layers.dense({ name: "twice", units: 3, inputShape: [2] })] });
const kernel = (model: tf.LayersModel): number[] => [...model.weights[0]!.read().dataSync()];

it("noise, averages and selections fit every instance of a model", async () => {
  await useBackend("cpu");
  const [first, second] = [make(), make()];
  expect(second.weights[0]!.name).not.toBe(first.weights[0]!.name);
  second.setWeights(first.getWeights());
  const noisy = { modification: noise({ std: 1, seed: 1 }), layers: "twice/kernel" };
  expect(withTheater(second, noisy, () => kernel(second))).toEqual(
    withTheater(first, noisy, () => kernel(first)),
  );
  const ema = new Ema(first, { decay: 0.9 });
  ema.update();
  expect(withTheater(second, { modification: interpolate(ema.weights) }, () => kernel(second))).toEqual(
    kernel(first),
  );
  const numbered = planTheater(second, { modification: scale(2), layers: second.weights[0]!.name });
  expect(numbered.parameters.map(({ name }) => name)).toEqual(["twice/kernel"]);
  ema.dispose();
  first.dispose();
  second.dispose();
});

it("two layers of one name in one model keep their numbered names", async () => {
  await useBackend("cpu");
  const input = tf.input({ shape: [2] });
  const [a, b] = [make(), make()];
  const joined = tf.model({
    inputs: input,
    outputs: [a, b].map((each) => each.apply(input) as tf.SymbolicTensor),
  });
  const { parameters } = planTheater(joined, { modification: scale(2), layers: "all" });
  expect(new Set(parameters.map(({ name }) => name)).size).toBe(4);
  expect(parameters.some(({ name }) => name === "twice/kernel")).toBe(false);
  joined.dispose();
});
