import * as tf from "@tensorflow/tfjs";
import { beforeEach, describe, expect, it } from "vitest";
import { Ema, interpolate, noise, scale, withTheater, withTheaterAsync } from "../../src/tfjs.ts";
import { input, mlp, predictionBits, weightBits } from "../support/models.ts";
import { backends, useBackend } from "../support/tensorflow.ts";

/** Bits of the weights only: names differ from model to model. */
const trained = (model: tf.LayersModel): string[] => Object.values(weightBits(model));

describe.each(backends)("validating while fit runs, on %s", (backend) => {
  let x: tf.Tensor;
  let y: tf.Tensor;

  beforeEach(async () => {
    await useBackend(backend);
    [x, y] = [input([64, 4]), input([64, 3])];
    return () => tf.dispose([x, y]);
  });

  /** Trains a fresh model; `meanwhile` runs whenever `fit` lets other code run. */
  async function fit(
    meanwhile?: (model: tf.Sequential) => void,
  ): Promise<{ weights: string[]; runs: number }> {
    const model = mlp();
    model.compile({ optimizer: tf.train.adam(0.05), loss: "meanSquaredError" });
    let runs = 0;
    const timer = setInterval(() => {
      runs++;
      meanwhile?.(model);
    }, 0);
    try {
      await model.fit(x, y, { epochs: 15, batchSize: 4, shuffle: false, yieldEvery: "batch" });
    } finally {
      clearInterval(timer);
    }
    const weights = trained(model);
    model.dispose();
    return { weights, runs };
  }

  it("leaves the training as it would be without, to the bit, with the synchronous form", async () => {
    const plain = await fit();
    let seen = 0;
    const validated = await fit((model) => {
      const outputs = predictionBits(model, x);
      for (const modification of [scale(0.5), noise({ std: 0.1, seed: 1 })]) {
        const inside = withTheater(model, { modification, layers: "all" }, () => predictionBits(model, x));
        if (inside !== outputs) seen++;
      }
    });
    expect(validated.runs).toBeGreaterThan(10);
    expect(seen).toBe(2 * validated.runs);
    expect(validated.weights).toEqual(plain.weights);
  });

  it("leaves the training as it would be without when an average is shown", async () => {
    const plain = await fit();
    let ema: Ema | undefined;
    const validated = await fit((model) => {
      ema ??= new Ema(model, { decay: 0.9 });
      ema.update();
      withTheater(model, { modification: interpolate(ema.weights) }, () => predictionBits(model, x));
    });
    ema?.dispose();
    expect(validated.weights).toEqual(plain.weights);
  });

  it("in an awaited callback leaves the training as it would be without, with either form", async () => {
    const runWith = async (validate: (model: tf.Sequential) => Promise<void>): Promise<string[]> => {
      const model = mlp();
      const callbacks = { onBatchEnd: () => validate(model) };
      await model.fit(x, y, { epochs: 2, batchSize: 16, shuffle: false, callbacks });
      const weights = trained(model);
      model.dispose();
      return weights;
    };
    const options = { modification: noise({ std: 0.1, seed: 1 }), layers: "all" };
    const plain = await runWith(async () => undefined);
    const synchronous = await runWith(async (model) => {
      withTheater(model, options, () => predictionBits(model, x));
    });
    const asynchronous = await runWith((model) =>
      withTheaterAsync(model, options, async () => {
        await tf.nextFrame();
        predictionBits(model, x);
      }),
    );
    expect(synchronous).toEqual(plain);
    expect(asynchronous).toEqual(plain);
  });

  it("is told of the training steps that ran meanwhile under the asynchronous form, and undoes them", async () => {
    const model = mlp();
    const options = { modification: scale(0.5), layers: "all" };
    const before = weightBits(model);
    const body = async (): Promise<void> => {
      await model.fit(x, y, { epochs: 1 });
    };
    await expect(withTheaterAsync(model, options, body)).rejects.toMatchObject({
      code: "written_inside",
      parameters: expect.arrayContaining(model.weights.map(({ name }) => name)) as string[],
    });
    expect(weightBits(model)).toEqual(before);
    model.dispose();
  });
});
