/** Values that are the model's own parameters would change while a theater opens. */
import * as tf from "@tensorflow/tfjs";
import { expect, it } from "vitest";
import { interpolate, withTheater } from "../../src/index.ts";
import { scale, surgicalTheater, withTheater as withTensors } from "../../src/tfjs.ts";
import { useBackend } from "../support/tensorflow.ts";
import { thrownBy } from "../support/thrown.ts";

it("exchanging two arrays by their own memory is refused, by copies is possible", () => {
  const model = { a: Float32Array.of(1), b: Float32Array.of(2) };
  const live = { modification: interpolate({ a: model.b, b: model.a }) };
  expect(thrownBy(() => withTheater(model, live, () => 0))).toMatchObject({
    code: "live_value",
    parameter: "a",
  });
  const copies = { modification: interpolate({ a: model.b.slice(), b: model.a.slice() }) };
  expect(withTheater(model, copies, () => [model.a[0], model.b[0]])).toEqual([2, 1]);
  expect([model.a[0], model.b[0]]).toEqual([1, 2]);
});

it("an array half way towards itself is refused", () => {
  const model = { a: Float32Array.of(1, 2) };
  const half = { modification: interpolate({ a: model.a.subarray(0) }, 0.5) };
  expect(thrownBy(() => withTheater(model, half, () => 0))).toMatchObject({ code: "live_value" });
});

it("exchanging two variables by themselves is refused, by copies is possible", async () => {
  await useBackend("cpu");
  const [a, b] = [tf.variable(tf.scalar(1)), tf.variable(tf.scalar(2))];
  const model = { a, b };
  const live = { modification: interpolate<tf.Tensor>({ a: b, b: a }) };
  expect(thrownBy(() => withTensors(model, live, () => 0))).toMatchObject({ code: "live_value" });
  const copies = tf.tidy(() =>
    withTensors(model, { modification: interpolate<tf.Tensor>({ a: tf.clone(b), b: tf.clone(a) }) }, () => [
      a.dataSync()[0],
      b.dataSync()[0],
    ]),
  );
  expect(copies).toEqual([2, 1]);
  tf.dispose([a, b]);
});

it("variables freed by tf.disposeVariables inside are named as lost, and nothing is left", async () => {
  await useBackend("cpu");
  const before = tf.memory();
  const make = (value: number, name: string): tf.Variable =>
    tf.tidy(() => tf.variable(tf.scalar(value), true, name));
  const [a, b] = [make(1, "lost_a"), make(2, "lost_b")];
  const theater = surgicalTheater([a, b], { modification: scale(2), layers: "lost_a" });
  tf.disposeVariables();
  const error = thrownBy(() => theater.close());
  expect(error).toMatchObject({ code: "original_lost" });
  expect([...(error as { failures: Map<string, unknown> }).failures.keys()].sort()).toEqual([
    "lost_a",
    "lost_b",
  ]);
  expect(tf.memory().numDataBuffers).toBe(before.numDataBuffers);
});
