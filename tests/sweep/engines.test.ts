import { jit, numpy as np, tree } from "@jax-js/jax";
import { expect, it } from "vitest";
import { disable as disableOnJax, store as jaxStore, withTheater as withJaxTheater } from "../../src/jax.ts";
import { ablation, defineSweep, grid, noiseLevels, runSweep } from "../../src/sweep.ts";
import { custom, disable, interpolate, scale, store, withTheater } from "../../src/tfjs.ts";
import { useDevices } from "../support/jax.ts";
import { useBackend } from "../support/tensorflow.ts";
import { freshPath } from "./subject.ts";

it("sweeps a model of TensorFlow.js, and leaks nothing", async () => {
  await useBackend("cpu");
  const tf = await import("@tensorflow/tfjs");
  const model = tf.sequential({
    layers: [
      tf.layers.dense({ name: "hidden", units: 3, inputShape: [4], kernelInitializer: "ones" }),
      tf.layers.batchNormalization({ name: "norm" }),
      tf.layers.reLU({ name: "relu" }),
      tf.layers.dense({ name: "out", units: 1, kernelInitializer: "ones" }),
    ],
  });
  const x = tf.linspace(-1, 2, 8).reshape([2, 4]);
  const evaluate = async (visible: typeof model): Promise<{ output: number }> => {
    const y = visible.predict(x) as import("@tensorflow/tfjs").Tensor;
    const [output] = await y.data();
    y.dispose();
    return { output: output! };
  };
  const zeros = Object.fromEntries(
    ["out/kernel", "out/bias"].map((name) => [name, tf.zeros(name.endsWith("bias") ? [1] : [3, 1])]),
  );
  const double = custom((w: import("@tensorflow/tfjs").Tensor) => tf.mul(w, 2), { returns: "value" });
  const { numTensors } = tf.memory();
  const seen: unknown[] = [];
  const sweep = defineSweep({
    name: "a small model",
    store,
    model,
    evaluate,
    minimize: "output",
    trials: ({ layers, parameters }) => {
      seen.push(layers, parameters);
      return [
        ...ablation(layers),
        ...noiseLevels({ std: [0.1], seeds: [1, 2], relativeTo: "parameterStd" }),
        ...grid({ double, average: interpolate(zeros) }, { out: "out" }),
      ];
    },
  });
  const { trials, failures, end } = await runSweep(sweep, { results: freshPath() });
  // Neither statistics nor layers without weights.
  expect(seen).toEqual([
    ["hidden", "norm", "out"],
    ["hidden/kernel", "hidden/bias", "norm/gamma", "norm/beta", "out/kernel", "out/bias"],
  ]);
  expect(failures).toEqual([]);
  expect(trials.map(({ name, technique, proofs }) => [name, technique, proofs])).toEqual(
    [
      "without hidden",
      "without norm",
      "without out",
      "noise 0.1, seed 1",
      "noise 0.1, seed 2",
      "double on out",
      "average on out",
    ].map((name) => [name, "swap", ["identity"]]),
  );
  const byHand = withTheater(model, { modification: disable(), layers: "hidden" }, () =>
    tf.tidy(() => (model.predict(x) as import("@tensorflow/tfjs").Tensor).dataSync()[0]!),
  );
  expect(trials[0]!.metrics).toEqual({ output: [byHand] });
  expect(end?.identical).toBe(true);
  expect(tf.memory().numTensors).toBe(numTensors);
});

it("names the parameter of TensorFlow.js that an evaluation trains", async () => {
  await useBackend("cpu");
  const tf = await import("@tensorflow/tfjs");
  const w = tf.variable(tf.ones([2]), true, "w");
  const sweep = defineSweep({
    name: "training",
    store,
    model: [w],
    evaluate: () => (w.assign(tf.zeros([2])), { loss: 1 }),
    minimize: "loss",
    trials: [{ name: "half", modification: scale(0.5), layers: "all" }],
  });
  await expect(runSweep(sweep)).rejects.toMatchObject({
    code: "written_inside",
    message: expect.stringMatching(/^evaluate writes to the model\. .*w/) as string,
  });
  expect([...w.dataSync()]).toEqual([1, 1]);
});

it("sweeps a tree of jax-js, of which evaluate is given the modified one", async () => {
  await useDevices("wasm");
  const model = { attn: { weight: np.ones([2, 2]) }, head: np.array([1, 2]) };
  const product = jit(({ attn, head }: typeof model) => np.sum(np.dot(attn.weight, head)));
  const sweep = defineSweep({
    name: "a tree",
    store: jaxStore,
    model,
    // Twice in one theater: a function that consumes its arguments is given references.
    evaluate: (modified, { repeat }) => ({ product: product(tree.ref(modified)).item() + repeat }),
    maximize: "product",
    repeats: 2,
    trials: ({ layers }) => [...ablation(layers), { name: "half", modification: scale(0.5), layers: "head" }],
  });
  const { baselines, trials, failures } = await runSweep(sweep);
  expect(failures).toEqual([]);
  expect(baselines[0]!.metrics).toEqual({ product: [6, 7] });
  expect(trials.map(({ name, metrics }) => [name, metrics])).toEqual([
    ["without attn", { product: [0, 1] }],
    ["without head", { product: [0, 1] }],
    ["half", { product: [3, 4] }],
  ]);
  const options = { modification: disableOnJax(), layers: "attn" } as const;
  expect(withJaxTheater(model, options, (modified) => product(modified).item())).toBe(0);
  expect(model.head.refCount).toBe(1);
});
