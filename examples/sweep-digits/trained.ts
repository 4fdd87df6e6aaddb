/** The classifier of the digits example, trained for a few seconds: the same weights in every run. */
import * as tf from "@tensorflow/tfjs";
import "@tensorflow/tfjs-backend-wasm";
import { Ema } from "../../src/tfjs.ts";
import { batches } from "../digits/digits.ts";
import { loadDigits } from "../digits/load.ts";
import { createModel } from "../digits/model.ts";
import "../support/convolution-gradient.ts";

const steps = 150;
const batchSize = 64;

/** The model, its averaged weights by name, and an ordinary validation on digits it has not seen. */
export async function trainedDigits(): Promise<{
  readonly model: tf.LayersModel;
  readonly averaged: Readonly<Record<string, tf.Tensor>>;
  readonly accuracy: () => { readonly accuracy: number; readonly loss: number };
}> {
  await tf.setBackend("wasm");
  const { training, heldOut } = loadDigits();
  const batch = batches(training, batchSize);
  const model = createModel();
  const ema = new Ema(model, { decay: 0.97 });
  for (let step = 1; step <= steps; step++) {
    const { images, labels } = batch.next().value;
    await model.trainOnBatch(images, labels);
    tf.dispose([images, labels]);
    ema.update();
  }
  tf.dispose([training.images, training.labels]);
  const accuracy = (): { readonly accuracy: number; readonly loss: number } =>
    tf.tidy(() => {
      const predicted = model.predict(heldOut.images, { batchSize: heldOut.images.shape[0] }) as tf.Tensor;
      return {
        accuracy: tf.mean(tf.metrics.categoricalAccuracy(heldOut.labels, predicted)).dataSync()[0]!,
        loss: tf.mean(tf.metrics.categoricalCrossentropy(heldOut.labels, predicted)).dataSync()[0]!,
      };
    });
  return { model, averaged: ema.weights, accuracy };
}
