import * as tf from "@tensorflow/tfjs";
import type { RNN } from "@tensorflow/tfjs-layers";
import { beforeEach, describe, expect, it } from "vitest";
import { scale, surgicalTheater, withTheater } from "../../src/tfjs.ts";
import { bits } from "../support/bits.ts";
import { liveCounts } from "../support/meter.ts";
import { cnn, input, variable, weightBits, withWeights } from "../support/models.ts";
import { backends, useBackend } from "../support/tensorflow.ts";

const all = { modification: scale(0.5), layers: "all" };

const lstm = (stateful: boolean): tf.Sequential =>
  withWeights(
    tf.sequential({ layers: [tf.layers.lstm({ units: 3, stateful, batchInputShape: [2, 5, 2] })] }),
  );
const states = (layer: unknown): (string | null)[] =>
  (layer as RNN)
    .getStates()
    .map((state: tf.Tensor | null) => (state === null ? null : bits(state.dataSync())));

describe.each(backends)("recurrent states on %s", (backend) => {
  beforeEach(async () => void (await useBackend(backend)));

  const run = (model: tf.LayersModel, x: tf.Tensor): void => tf.dispose(model.predict(x));

  it.each([
    { title: "never run", times: 0 },
    { title: "run before", times: 2 },
  ])("come back: $title", ({ times }) => {
    const [model, x] = [lstm(true), input([2, 5, 2])];
    for (let i = 0; i < times; i++) run(model, x);
    const before = states(model.layers[0]);
    const counts = liveCounts();
    for (const options of [all, {}]) {
      withTheater(model, options, () => {
        for (let i = 0; i < 3; i++) run(model, x);
        expect(states(model.layers[0])).not.toEqual(before);
      });
      expect(states(model.layers[0])).toEqual(before);
      expect(liveCounts()).toEqual(counts);
    }
    // The model goes on from there as if nothing had been.
    const other = lstm(true);
    for (let i = 0; i < times; i++) run(other, x);
    for (const each of [model, other]) run(each, x);
    expect(states(model.layers[0])).toEqual(states(other.layers[0]));
    tf.dispose(x);
    for (const each of [model, other]) each.dispose();
  });

  it("come back when the states are reset inside, or given", () => {
    const [model, x] = [lstm(true), input([2, 5, 2])];
    run(model, x);
    const layer = model.layers[0] as unknown as RNN;
    const before = states(layer);
    const counts = liveCounts();
    withTheater(model, all, () => layer.resetStates());
    expect(states(layer)).toEqual(before);
    withTheater(model, all, () => {
      layer.resetStates();
      run(model, x);
    });
    expect(states(layer)).toEqual(before);
    expect(liveCounts()).toEqual(counts);
    x.dispose();
    model.dispose();
  });

  it.each([[["first", "second"]], [["second", "first"]]])(
    "come back when theaters close in the order %s",
    (order) => {
      const [model, x] = [lstm(true), input([2, 5, 2])];
      run(model, x);
      const before = states(model.layers[0]);
      const counts = liveCounts();
      const first = surgicalTheater(model, all);
      run(model, x);
      const second = surgicalTheater(model, all);
      run(model, x);
      for (const which of order) (which === "first" ? first : second).close();
      expect(states(model.layers[0])).toEqual(before);
      expect(liveCounts()).toEqual(counts);
      x.dispose();
      model.dispose();
    },
  );

  it("are null before and after where a layer has none", () => {
    const [model, x] = [lstm(false), input([2, 5, 2])];
    expect(states(model.layers[0])).toEqual([null, null]);
    withTheater(model, all, () => run(model, x));
    expect(states(model.layers[0])).toEqual([null, null]);
    x.dispose();
    model.dispose();
  });

  it("of layers inside wrappers and nested models come back", () => {
    const inner = tf.sequential({
      layers: [
        tf.layers.lstm({ units: 3, stateful: true, returnSequences: true, batchInputShape: [2, 5, 2] }),
      ],
    });
    const wrapped = tf.layers.bidirectional({
      layer: tf.layers.gru({ units: 2, stateful: true }),
      mergeMode: "concat",
    });
    const model = withWeights(tf.sequential({ layers: [inner, wrapped] as never }));
    const { forwardLayer, backwardLayer } = wrapped as unknown as Record<string, RNN>;
    const x = input([2, 5, 2]);
    run(model, x);
    const now = () => [inner.layers[0], forwardLayer, backwardLayer].map(states);
    const before = now();
    const counts = liveCounts();
    withTheater(model, all, () => run(model, x));
    expect(now()).toEqual(before);
    expect(liveCounts()).toEqual(counts);
    x.dispose();
    model.dispose();
  });

  it("that cannot be saved are an error that leaves the model as it was, and nothing behind", () => {
    const model = withWeights(
      tf.sequential({
        layers: [
          tf.layers.lstm({ units: 3, stateful: true, returnSequences: true, batchInputShape: [2, 5, 2] }),
          tf.layers.gru({ units: 3, stateful: true }),
        ],
      }),
    );
    const x = input([2, 5, 2]);
    run(model, x);
    const counts = liveCounts();
    const [first] = (model.layers[1] as unknown as RNN).getStates();
    const { dataId } = first!;
    first!.dataId = {};
    expect(() => surgicalTheater(model, all)).toThrow(/unknown to the TensorFlow.js engine/);
    first!.dataId = dataId;
    expect(liveCounts()).toEqual(counts);
    withTheater(model, all, () => run(model, x));
    expect(liveCounts()).toEqual(counts);
    x.dispose();
    model.dispose();
  });
});

describe.each(backends)("BatchNorm statistics on %s", (backend) => {
  beforeEach(async () => void (await useBackend(backend)));

  it.each([
    { title: "are not targets", options: all },
    { title: "are targets", options: { modification: scale(0.5), layers: [/moving_/, "all"] } },
    { title: "are only watched", options: {} },
  ])(
    "written by a forward pass in training mode come back, and it is no error, when they $title",
    ({ title, options }) => {
      const [model, x] = [cnn(), input([4, 8, 8, 1])];
      const names = ["moving_mean", "moving_variance"].map((part) => variable(model, part).name);
      const layers = title === "are targets" ? names : undefined;
      const before = weightBits(model);
      const receipt = ((): ReturnType<ReturnType<typeof surgicalTheater>["close"]> => {
        const theater = surgicalTheater(model, layers === undefined ? options : { ...options, layers });
        const during = weightBits(model);
        tf.tidy(() => void model.apply(x, { training: true }));
        expect(weightBits(model)).not.toEqual(during);
        return theater.close();
      })();
      expect(receipt).toMatchObject({ identical: true, written: [] });
      expect(weightBits(model)).toEqual(before);
      x.dispose();
      model.dispose();
    },
  );

  it("written inside do not keep an inner theater from opening", () => {
    const [model, x] = [cnn(), input([4, 8, 8, 1])];
    const before = weightBits(model);
    const outer = surgicalTheater(model, all);
    tf.tidy(() => void model.apply(x, { training: true }));
    withTheater(model, all, () => undefined);
    expect(outer.close().identical).toBe(true);
    expect(weightBits(model)).toEqual(before);
    x.dispose();
    model.dispose();
  });
});
