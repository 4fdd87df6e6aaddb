import * as tf from "@tensorflow/tfjs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  disable,
  Ema,
  interpolate,
  LayersError,
  noise,
  planTheater,
  scale,
  surgicalTheater,
  withTheater,
} from "../../src/tfjs.ts";
import { bits } from "../support/bits.ts";
import { liveCounts } from "../support/meter.ts";
import { cnn, input, mlp, predictionBits, variable, weightBits, withWeights } from "../support/models.ts";
import { backends, useBackend } from "../support/tensorflow.ts";
import { thrownBy } from "../support/thrown.ts";

describe.each(backends)("a model without attention, on %s", (backend) => {
  let model: tf.Sequential;
  let x: tf.Tensor;

  beforeEach(async () => {
    await useBackend(backend);
    model = cnn();
    x = input([4, 8, 8, 1]);
  });

  afterEach(() => {
    x.dispose();
    model.dispose();
  });

  it("is guarded without saying which layers", () => {
    const before = weightBits(model);
    const outputs = predictionBits(model, x);
    const counts = liveCounts();
    const guard = surgicalTheater(model, {});
    expect(predictionBits(model, x)).toBe(outputs);
    expect(guard.report()).toMatchObject({ heldBytes: 0, selected: [] });
    const receipt = guard.close();
    expect(receipt.identical).toBe(true);
    expect([...receipt.parameters.keys()].sort()).toEqual(model.weights.map(({ name }) => name).sort());
    expect(weightBits(model)).toEqual(before);
    expect(liveCounts()).toEqual(counts);
  });

  it("is evaluated with an average of itself without saying which layers", () => {
    const ema = new Ema(model, { decay: 0.5 });
    for (let step = 0; step < 3; step++) {
      // Training a convolution is not offered on wasm.
      for (const weight of model.weights) tf.tidy(() => void weight.write(tf.mul(weight.read(), 0.9)));
      ema.update();
    }
    const before = weightBits(model);
    const averages = ema.weights;
    withTheater(model, { modification: interpolate(averages) }, () => {
      for (const weight of model.weights) {
        expect(bits(weight.read().dataSync())).toBe(bits(averages[weight.name]!.dataSync()));
      }
      expect(bits(variable(model, "moving_mean").dataSync())).not.toBe(
        Object.entries(before).find(([name]) => name.includes("moving_mean"))![1],
      );
    });
    expect(weightBits(model)).toEqual(before);
    ema.dispose();
  });

  it.each([
    { title: "all", layers: "all" },
    { title: "a glob", layers: "**" },
    { title: "a predicate", layers: () => true },
  ])("keeps its BatchNorm statistics under noise on $title, and the plan says so", ({ layers }) => {
    const statistics = (): string[] =>
      ["moving_mean", "moving_variance"].map((part) => bits(variable(model, part).dataSync()));
    const before = statistics();
    const options = { modification: noise({ std: 0.1, seed: 1 }), layers };
    const plan = planTheater(model, options);
    expect(plan.leftOut.map(({ name, reason }) => [name.split("/")[1], reason])).toEqual([
      ["moving_mean", "statistic"],
      ["moving_variance", "statistic"],
    ]);
    expect(plan.parameters).toHaveLength(6);
    const gamma = bits(variable(model, "gamma").dataSync());
    withTheater(model, options, () => {
      expect(statistics()).toEqual(before);
      expect(bits(variable(model, "gamma").dataSync())).not.toBe(gamma);
    });
    withTheater(model, { ...options, layers: variable(model, "moving_mean").name }, () => {
      expect(statistics()[0]).not.toBe(before[0]);
    });
    expect(statistics()).toEqual(before);
  });

  it("is told so, and which layers it has", () => {
    for (const modification of [scale(0.5), noise({ std: 1, seed: 1 }), disable()]) {
      const error = thrownBy(() => surgicalTheater(model, { modification }));
      expect(error).toBeInstanceOf(LayersError);
      expect(error).toMatchObject({ code: "no_attention" });
      const { message } = error as Error;
      for (const { name } of model.layers) expect(message).toContain(name);
      expect(message).toContain('layers: "all"');
      expect(message).toContain("The model is unchanged.");
    }
  });
});

describe("a model with attention", () => {
  beforeEach(async () => void (await useBackend("cpu")));

  it("has it modified by default, and nothing else", () => {
    const dense = (name: string) => tf.layers.dense({ units: 4, name, inputShape: [4] });
    const names = ["block_1_self_attention_q", "block_1_mlp", "crossAttn", "attentionNorm", "inattention"];
    const model = withWeights(tf.sequential({ layers: names.map(dense) }));
    const plan = planTheater(model, { modification: scale(0.5) });
    expect(plan.parameters.map(({ name }) => name)).toEqual([
      "block_1_self_attention_q/kernel",
      "crossAttn/kernel",
    ]);
    model.dispose();
  });
});

describe("selecting by index and path", () => {
  beforeEach(async () => void (await useBackend("cpu")));

  it("counts the model's own layers, and takes all that is inside one", () => {
    const inner = tf.sequential({ name: "inner", layers: [tf.layers.dense({ units: 4, inputShape: [4] })] });
    const model = tf.sequential({
      layers: [inner, tf.layers.dropout({ rate: 0.5 }), tf.layers.dense({ units: 1 })] as never,
    });
    const selected = (layers: number | string): number =>
      planTheater(model, { modification: scale(2), layers }).parameters.length;
    expect(planTheater(model, { modification: scale(2), layers: "all" }).layers).toEqual(
      model.layers.map(({ name }) => name),
    );
    expect([selected(0), selected(2), selected("inner")]).toEqual([2, 2, 2]);
    expect(() => selected(3)).toThrow(expect.objectContaining({ code: "index_out_of_range" }));
    expect(() => selected(1)).toThrow(expect.objectContaining({ code: "no_match" }));
    model.dispose();
  });

  it("does not depend on which layers are trainable", () => {
    const model = mlp();
    const names = (): string[] =>
      planTheater(model, { modification: scale(2), layers: "all" }).parameters.map(({ name }) => name);
    const before = names();
    model.layers[0]!.trainable = false;
    expect(names()).toEqual(before);
    model.dispose();
  });
});
