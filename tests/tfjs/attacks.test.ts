/** Regressions found by attacking the TensorFlow.js store. */
import * as tf from "@tensorflow/tfjs";
import { describe, expect, it } from "vitest";
import { custom, disable, Ema, scale, surgicalTheater, withTheater } from "../../src/tfjs.ts";
import { liveCounts } from "../support/meter.ts";
import { backends, useBackend } from "../support/tensorflow.ts";
import { thrownBy } from "../support/thrown.ts";

const variable = (values: number[], name: string): tf.Variable =>
  tf.tidy(() => tf.variable(tf.tensor1d(values), true, name));

describe.each(backends)("on %s", (backend) => {
  it("flags of two layers of one name come back", async () => {
    await useBackend(backend);
    const [i, x] = [tf.input({ shape: [2] }), tf.input({ shape: [2] })];
    const dense = (): tf.layers.Layer => tf.layers.dense({ name: "same", units: 2 });
    const inner = tf.model({ inputs: i, outputs: dense().apply(i) as tf.SymbolicTensor });
    const outer = dense().apply(inner.apply(x)) as tf.SymbolicTensor;
    const model = tf.model({ inputs: x, outputs: outer });
    const layers = [inner.layers[1]!, model.layers[2]!];
    withTheater(model, {}, () => {
      for (const layer of layers) layer.trainable = false;
    });
    expect(layers.map(({ trainable }) => trainable)).toEqual([true, true]);
    model.dispose();
  });

  it("flags come back for a model and a record of its variables, closed out of order", async () => {
    await useBackend(backend);
    const model = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [1] })] });
    const variables = model.weights.map((weight) => weight.read() as tf.Variable);
    const first = surgicalTheater(model, {});
    model.layers[0]!.trainable = false;
    const second = surgicalTheater(variables, {});
    first.close();
    second.close();
    expect(variables.map(({ trainable }) => trainable)).toEqual([true, true]);
    expect(model.layers[0]!.trainable).toBe(true);
    model.dispose();
  });

  it.each(["own", "earlier", "later", "bystander"])(
    "a custom function that writes to a variable (%s) is an error, and the original is back",
    async (victim) => {
      await useBackend(backend);
      const all = { earlier: 1, own: 2, later: 3, bystander: 4 };
      const model = Object.fromEntries(
        Object.entries(all).map(([name, value]) => [name, variable([value], `${name}_${backend}_${victim}`)]),
      );
      const before = liveCounts();
      const modification = custom<tf.Tensor>(
        (value, { name }) => {
          if (name === "own") tf.tidy(() => model[victim]!.assign(tf.tensor1d([99])));
          return value;
        },
        { returns: "value" },
      );
      const layers = ["earlier", "own", "later"];
      expect(thrownBy(() => surgicalTheater(model, { modification, layers }))).toMatchObject({
        code: "written_inside",
        parameters: [victim],
      });
      expect(Object.values(model).map((each) => each.dataSync()[0])).toEqual([1, 2, 3, 4]);
      expect(liveCounts()).toEqual(before);
      tf.dispose(model);
    },
  );

  it("zero-sized parameters need nothing", async () => {
    await useBackend(backend);
    const empty = tf.tidy(() => tf.variable(tf.zeros([3, 0])));
    const plan = withTheater([empty], { modification: scale(2), layers: "all" }, () => 1);
    expect(plan).toBe(1);
    empty.dispose();
  });

  it("an average of which one parameter is gone does not move at all", async () => {
    await useBackend(backend);
    const [a, b] = [variable([1], `ema_a_${backend}`), variable([1], `ema_b_${backend}`)];
    const ema = new Ema({ a, b }, { decay: 0.5 });
    ema.update();
    tf.tidy(() => a.assign(tf.tensor1d([5])));
    b.dispose();
    expect(() => ema.update()).toThrow('"b" is disposed');
    expect(ema.updates).toBe(1);
    expect(ema.weights["a"]!.dataSync()[0]).toBe(1);
    ema.dispose();
    a.dispose();
  });

  it("a delta on integers, which would wrap around, is refused", async () => {
    await useBackend(backend);
    const ints = tf.tidy(() => tf.variable(tf.tensor1d([2147483647], "int32"), true, `ints_${backend}`));
    const options = { modification: custom<tf.Tensor>((value) => value), layers: ints.name };
    expect(thrownBy(() => surgicalTheater([ints], options))).toMatchObject({ code: "dtype" });
    ints.dispose();
  });
});

it("zeros are given back when a backend goes while they are shown", async () => {
  await useBackend("wasm");
  await useBackend("cpu");
  const [a, b] = [variable([1, 1], "gone_a"), variable([1, 1], "gone_b")];
  const before = liveCounts();
  const theater = surgicalTheater([a, b], { modification: disable(), layers: "all" });
  const factory = tf.findBackendFactory("wasm");
  tf.removeBackend("wasm");
  expect(theater.close().identical).toBe(true);
  expect(liveCounts()).toEqual(before);
  tf.registerBackend("wasm", factory);
  tf.dispose([a, b]);
});
