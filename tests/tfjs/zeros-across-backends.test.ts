// In a file of its own: where this fails, the wasm module aborts and no later test could run on it.
import * as tf from "@tensorflow/tfjs";
import { expect, it } from "vitest";
import { disable, surgicalTheater } from "../../src/tfjs.ts";
import { input, weightBits, withWeights } from "../support/models.ts";
import { useBackend } from "../support/tensorflow.ts";

it("layers disabled on cpu do not crash wasm when the backend is set inside, and are zero there", async () => {
  await useBackend("wasm");
  await useBackend("cpu");
  const dense = (units: number) => tf.layers.dense({ units, useBias: false, inputShape: [8] });
  const model = withWeights(tf.sequential({ layers: [dense(32), dense(8)] }));
  const x = input([2, 8]);
  const before = weightBits(model);
  const theater = surgicalTheater(model, { modification: disable(), layers: "all" });
  await useBackend("wasm");
  const y = model.predict(x) as tf.Tensor;
  expect([...y.dataSync()]).toEqual(Array(16).fill(0));
  theater.close();
  await useBackend("cpu");
  expect(weightBits(model)).toEqual(before);
});
