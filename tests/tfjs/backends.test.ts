import { engine } from "@tensorflow/tfjs-core";
import * as tf from "@tensorflow/tfjs";
import { beforeEach, describe, expect, it } from "vitest";
import { custom, disable, interpolate, noise, scale, surgicalTheater, withTheater } from "../../src/tfjs.ts";
import { bits, smallFloats } from "../support/bits.ts";
import { liveCounts } from "../support/meter.ts";
import { dataIds, input, mlp, predictionBits, variable, weightBits } from "../support/models.ts";
import { useBackend } from "../support/tensorflow.ts";

const directions = [
  { from: "cpu", to: "wasm" },
  { from: "wasm", to: "cpu" },
] as const;

/** Where a tensor's data lives. */
function homeOf({ dataId }: tf.Tensor): string | undefined {
  const { registry, state } = engine();
  const { backend } = state.tensorInfo.get(dataId)!;
  return Object.keys(registry).find((name) => registry[name] === backend);
}

/** Live tensors, on whichever backend. */
function tensorCounts(): unknown {
  const { numTensors, numDataBuffers } = liveCounts();
  return { numTensors, numDataBuffers };
}

describe.each(directions)("setBackend inside, from $from to $to", ({ from, to }) => {
  let model: tf.Sequential;
  let x: tf.Tensor;

  beforeEach(async () => {
    await useBackend(to);
    await useBackend(from);
    model = mlp();
    x = input([2, 4]);
    return async () => {
      await useBackend(from);
      x.dispose();
      model.dispose();
    };
  });

  /** Only kernels are modified: what is not is moved by the engine itself, theater or not. */
  const kernels = (): tf.Variable[] =>
    model.weights.filter(({ name }) => name.endsWith("kernel")).map((w) => w.read() as tf.Variable);
  const options = (modification: Parameters<typeof surgicalTheater>[1]["modification"]) =>
    ({ modification, layers: "**/kernel" }) as Parameters<typeof surgicalTheater>[1];

  const towards = (): Record<string, tf.Tensor> =>
    Object.fromEntries(
      kernels().map((w, i) => [model.weights[2 * i]!.name, tf.tensor(smallFloats(w.size, 50 + i), w.shape)]),
    );

  it.each([
    { title: "scale", make: () => scale(0.5) },
    { title: "noise", make: () => noise({ std: 0.1, seed: 1 }) },
    { title: "disable", make: () => disable() },
    { title: "custom", make: () => custom<tf.Tensor>((w) => tf.mul(w, 0.5)) },
    { title: "interpolate", make: () => interpolate(towards()) },
    { title: "interpolate part of the way", make: () => interpolate(towards(), 0.3) },
  ])("brings back the same buffers, which never moved: $title", async ({ make }) => {
    const before = weightBits(model);
    const ids = kernels().map(({ dataId }) => dataId);
    const theater = surgicalTheater(model, options(make()));
    await tf.setBackend(to);
    tf.dispose(model.predict(x));
    theater.close();
    expect(kernels().map(({ dataId }) => dataId)).toEqual(ids);
    expect(kernels().every((w, i) => w.dataId === ids[i])).toBe(true);
    expect(kernels().map(homeOf)).toEqual([from, from]);
    expect(tf.getBackend()).toBe(to);
    await useBackend(from);
    expect(weightBits(model)).toEqual(before);
  });

  it("shows the same values on either backend, nested and closed out of order", async () => {
    const before = weightBits(model);
    const [kernel] = kernels();
    const original = kernel!.dataSync().slice() as Float32Array;
    const counts = tensorCounts();
    const ids = dataIds(model);
    const one = surgicalTheater(model, options(scale(0.3)));
    await tf.setBackend(to);
    tf.dispose(model.predict(x));
    const two = surgicalTheater(model, options(custom<tf.Tensor>((w) => tf.add(w, w), { returns: "value" })));
    tf.dispose(model.predict(x));
    await tf.setBackend(from);
    const three = surgicalTheater(model, options(scale(0.7)));
    await tf.setBackend(to);
    const first = original.map((value) => value * Math.fround(0.3));
    const second = first.map((value) => value + value);
    expect(bits(kernel!.dataSync())).toBe(bits(second.map((value) => value * Math.fround(0.7))));
    one.close();
    expect(bits(kernel!.dataSync())).toBe(bits(second.map((value) => value * Math.fround(0.7))));
    two.close();
    expect(bits(kernel!.dataSync())).toBe(bits(original.map((value) => value * Math.fround(0.7))));
    tf.dispose(model.predict(x));
    three.close();
    expect(homeOf(kernel!)).toBe(from);
    expect(kernel!.dataId).toBe(ids[0]);
    await useBackend(from);
    expect(weightBits(model)).toEqual(before);
    expect(tensorCounts()).toEqual(counts);
  });

  it("is safe for a guard, verified by fingerprint", async () => {
    const before = weightBits(model);
    const guard = surgicalTheater(model, { verify: "fingerprint" });
    await tf.setBackend(to);
    tf.dispose(model.predict(x));
    const receipt = guard.close();
    expect([...receipt.parameters.values()].every(({ by }) => by === "fingerprint")).toBe(true);
    await useBackend(from);
    expect(weightBits(model)).toEqual(before);
  });

  it("may happen before a theater is opened: it works where the parameters are", async () => {
    const before = weightBits(model);
    await tf.setBackend(to);
    withTheater(model, options(noise({ std: 1, seed: 1 })), () => {
      expect(kernels().map(homeOf)).toEqual([from, from]);
    });
    expect(kernels().map(homeOf)).toEqual([from, from]);
    expect(tf.getBackend()).toBe(to);
    await useBackend(from);
    expect(weightBits(model)).toEqual(before);
  });

  it("leaves nothing behind, whatever was opened", async () => {
    const counts = tensorCounts();
    const theaters = [scale(2), disable(), noise({ std: 1, seed: 1 })].map((each) =>
      surgicalTheater(model, options(each)),
    );
    await tf.setBackend(to);
    tf.dispose(model.predict(x));
    for (const i of [1, 0, 2]) theaters[i]!.close();
    await useBackend(from);
    expect(tensorCounts()).toEqual(counts);
    expect(predictionBits(model, x)).toBe(predictionBits(model, x));
    expect(homeOf(variable(model, "kernel"))).toBe(from);
  });
});
