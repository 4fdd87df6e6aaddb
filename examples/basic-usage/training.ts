/** An ordinary training loop. It knows no theater. */
import * as tf from "@tensorflow/tfjs";
import { batches, type Digits } from "../digits/digits.ts";

const batchSize = 32;

/** Trains on batches of `digits`, the same ones each time. `afterStep` is called after each step, with its loss. */
export async function train(
  model: tf.LayersModel,
  digits: Digits,
  steps: number,
  afterStep: (step: number, loss: number) => void = () => {},
): Promise<void> {
  const batch = batches(digits, batchSize);
  for (let step = 1; step <= steps; step++) {
    const { images, labels } = batch.next().value;
    const loss = (await model.trainOnBatch(images, labels)) as number;
    tf.dispose([images, labels]);
    afterStep(step, loss);
  }
}
