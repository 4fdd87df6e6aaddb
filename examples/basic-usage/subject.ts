/** What all six parts look at: a classifier of handwritten digits, its moving average, and a validation. */
import * as tf from "@tensorflow/tfjs";
// In a project of your own: from "surgical-theater/tfjs".
import { Ema } from "../../src/tfjs.ts";
import type { Digits } from "../digits/digits.ts";
import { loadDigits } from "../digits/load.ts";
import { createModel } from "../digits/model.ts";

export interface Score {
  /** Mean cross-entropy, in nats. */
  readonly loss: number;
  /** Share of digits that are read correctly. */
  readonly accuracy: number;
}

export interface Subject {
  readonly model: tf.LayersModel;
  readonly ema: Ema;
  readonly training: Digits;
  /** What no training sees. */
  readonly heldOut: Digits;
  /** An ordinary validation of the model, on the digits held out. It knows no theater. */
  validate(): Score;
}

/** The model is not trained yet. */
export function createSubject(): Subject {
  const model = createModel();
  const { training, heldOut } = loadDigits();
  return {
    model,
    ema: new Ema(model, { decay: 0.9 }),
    training,
    heldOut,
    validate: () => scoreOf(model, heldOut),
  };
}

/** How well a model reads some digits. */
export function scoreOf(model: tf.LayersModel, { images, labels }: Digits): Score {
  return tf.tidy(() => {
    const predicted = model.predict(images, { batchSize: images.shape[0] }) as tf.Tensor;
    const [loss, accuracy] = [tf.metrics.categoricalCrossentropy, tf.metrics.categoricalAccuracy].map(
      (metric) => tf.mean(metric(labels, predicted)).dataSync()[0]!,
    ) as [number, number];
    return { loss, accuracy };
  });
}
