import { engine } from "@tensorflow/tfjs-core";
import * as tf from "@tensorflow/tfjs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { disable, Ema, interpolate, noise, scale, surgicalTheater, withTheater } from "../../src/tfjs.ts";
import { smallFloats } from "../support/bits.ts";
import { liveCounts, startMeter } from "../support/meter.ts";
import { cnn, dataIds, input, predictionBits, weightBits, withWeights } from "../support/models.ts";
import { backends, useBackend } from "../support/tensorflow.ts";

interface Backend {
  /** cpu: the array itself. */
  readonly data?: { get(dataId: object): { values: unknown } };
  /** wasm: where in the heap. */
  readonly dataIdMap?: { get(dataId: object): { memoryOffset: number } };
}

/** What a tensor's data physically is. */
function bufferOf(dataId: object): unknown {
  const { data, dataIdMap } = engine().backend as Backend;
  return data?.get(dataId).values ?? dataIdMap?.get(dataId).memoryOffset;
}

describe.each(backends)("swap on %s", (backend) => {
  let model: tf.Sequential;

  beforeEach(async () => {
    await useBackend(backend);
    model = cnn();
  });

  afterEach(() => model.dispose());

  it.each([
    { title: "scale", modification: scale(0.9) },
    { title: "noise", modification: noise({ std: 1, seed: 1 }) },
    { title: "disable", modification: disable() },
    { title: "three in a row", modification: [scale(0.9), disable(), noise({ std: 1, seed: 1 })] },
  ])("returns the very same buffer to every parameter after $title", ({ modification }) => {
    const ids = dataIds(model);
    const buffers = ids.map(bufferOf);
    const x = input([1, 8, 8, 1]);
    const outputs = predictionBits(model, x);
    const theater = surgicalTheater(model, { modification, layers: "all" });
    expect(predictionBits(model, x)).not.toBe(outputs);
    const receipt = theater.close();
    expect([...receipt.parameters.values()].every(({ by }) => by === "identity")).toBe(true);
    const after = dataIds(model);
    expect(after.every((id, i) => id === ids[i])).toBe(true);
    expect(after.map(bufferOf).every((buffer, i) => buffer === buffers[i])).toBe(true);
    expect(buffers.every((buffer) => buffer !== undefined)).toBe(true);
    expect(predictionBits(model, x)).toBe(outputs);
    x.dispose();
  });

  it("returns the same buffer when theaters close out of order", () => {
    const ids = dataIds(model);
    const [a, b, c] = [scale(2), disable(), noise({ std: 1, seed: 2 })].map((modification) =>
      surgicalTheater(model, { modification, layers: "all" }),
    );
    for (const theater of [b!, a!, c!]) theater.close();
    expect(dataIds(model).every((id, i) => id === ids[i])).toBe(true);
  });

  it("shows an average without allocating a buffer, and leaves the average to its owner", () => {
    const ema = new Ema(model, { decay: 0.5 });
    ema.update();
    tf.tidy(() => void model.weights[0]!.write(tf.zerosLike(model.weights[0]!.read())));
    ema.update();
    const averages = Object.values(ema.weights).map((average) => average.dataId);
    const before = liveCounts();
    const weights = weightBits(model);
    const meter = startMeter();
    const theater = surgicalTheater(model, { modification: interpolate(ema.weights) });
    expect(theater.plan).toMatchObject({ heldBytes: 0, transientBytes: 0 });
    expect(theater.report().heldBytes).toBe(0);
    expect(meter.peak()).toBe(0);
    expect(liveCounts()["numDataBuffers"]).toBe(before["numDataBuffers"]);
    const shown = new Set(dataIds(model));
    expect(averages.every((id) => shown.has(id))).toBe(true);
    theater.close();
    meter.stop();
    expect(liveCounts()).toEqual(before);
    expect(weightBits(model)).toEqual(weights);
    expect(Object.values(ema.weights).map((average) => average.dataId)).toEqual(averages);
    expect(Object.values(ema.weights).some((average) => average.isDisposed)).toBe(false);
    ema.dispose();
  });
});

describe("disabled parameters", () => {
  // Three sizes, four shapes.
  const shapes = [[4, 16], [16, 4], [64], [64], [8], [1, 1]];
  const variables = (): tf.Variable[] =>
    shapes.map((shape) => tf.tidy(() => tf.variable(tf.ones(shape as [number]))));
  const disabled = { modification: disable(), layers: "all" } as const;

  it.each([
    // Where the wasm backend is loaded: it may be given the zeros at any time.
    { backend: "cpu", buffers: 5, bytes: 4 * (64 + 64 + 64 + 8 + 1) },
    // XNNPACK keeps packed weights by data: a buffer for two shapes would be read with the wrong dimensions.
    { backend: "wasm", buffers: 5, bytes: 4 * (64 + 64 + 64 + 8 + 1) },
  ] as const)("hold $buffers buffers of zeros on $backend", async ({ backend, buffers, bytes }) => {
    await useBackend(backend);
    const model = variables();
    const before = liveCounts();
    const theater = surgicalTheater(model, disabled);
    expect(liveCounts()["numDataBuffers"]! - before["numDataBuffers"]!).toBe(buffers);
    expect(theater.plan.heldBytes).toBe(bytes);
    expect(theater.report().heldBytes).toBe(bytes);
    const again = surgicalTheater(model, disabled);
    expect(liveCounts()["numDataBuffers"]! - before["numDataBuffers"]!).toBe(buffers);
    theater.close();
    again.close();
    expect(liveCounts()).toEqual(before);
    tf.dispose(model);
  });

  it("of two shapes and one size do not crash wasm, and are zero", async () => {
    await useBackend("wasm");
    const dense = (units: number) => tf.layers.dense({ units, useBias: false });
    const model = tf.sequential({
      layers: [tf.layers.dense({ units: 32, useBias: false, inputShape: [8] }), dense(8)],
    });
    withWeights(model);
    const x = input([2, 8]);
    const outputs = predictionBits(model, x);
    for (let i = 0; i < 3; i++) {
      withTheater(model, disabled, () => {
        const y = model.predict(x) as tf.Tensor;
        expect([...y.dataSync()]).toEqual(Array(16).fill(0));
        y.dispose();
      });
      expect(predictionBits(model, x)).toBe(outputs);
    }
    tf.dispose([x]);
    model.dispose();
  });

  it.each(backends)("of one shape leave each layer its own bias and activation on %s", async (backend) => {
    await useBackend(backend);
    const layer = (activation: "relu" | "linear") =>
      tf.layers.dense({ units: 8, activation, inputShape: [8] });
    const model = tf.sequential({ layers: [layer("linear"), layer("relu"), layer("linear")] });
    withWeights(model);
    const x = input([2, 8]);
    withTheater(model, { modification: disable(), layers: "**/kernel" }, () => {
      for (const [i, each] of model.layers.entries()) {
        const y = each.apply(x) as tf.Tensor;
        const bias = each.weights[1]!.read().dataSync();
        const row = [...bias].map((value) => (i === 1 ? Math.max(value, 0) : value));
        expect([...y.dataSync()]).toEqual([...row, ...row]);
        y.dispose();
      }
    });
    x.dispose();
    model.dispose();
  });

  it("are not the zeros of another dtype", async () => {
    await useBackend("cpu");
    const model = tf.tidy(() => ({
      ids: tf.variable(tf.tensor1d([1, 2], "int32")),
      gain: tf.variable(tf.tensor1d(smallFloats(2, 1))),
    }));
    withTheater(model, { modification: disable(), layers: ["ids", "gain"] }, () => {
      expect(model.ids.dataSync()).toEqual(Int32Array.of(0, 0));
      expect(model.gain.dataSync()).toEqual(Float32Array.of(0, 0));
    });
    expect(model.ids.dataSync()).toEqual(Int32Array.of(1, 2));
    tf.dispose(model);
  });
});
