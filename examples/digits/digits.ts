/** The digits as tensors, and in batches. */
import * as tf from "@tensorflow/tfjs";
import { toArrays } from "../support/digits.ts";
import { shuffledBatches } from "../support/random.ts";

/** Digits: images `[n, 8, 8, 1]` from 0 to 1, and labels one-hot, `[n, 10]`. Whoever asks for them disposes of them. */
export interface Digits {
  readonly images: tf.Tensor4D;
  readonly labels: tf.Tensor2D;
}

/** Every run shuffles alike. */
const seed = 2;

/** Puts digits on the current backend. */
export function toTensors(rows: readonly (readonly number[])[]): Digits {
  const { images, labels } = toArrays(rows);
  return {
    images: tf.tensor4d(images, [rows.length, 8, 8, 1]),
    labels: tf.tidy(() => tf.cast(tf.oneHot(tf.tensor1d(labels, "int32"), 10), "float32") as tf.Tensor2D),
  };
}

/**
 * Batches without end: epoch after epoch, each in an order of its own. What does not fill a batch is left out.
 * Whoever takes a batch disposes of it.
 */
export function* batches({ images, labels }: Digits, size: number): Generator<Digits, never> {
  const positions = shuffledBatches(images.shape[0], size, seed);
  for (;;) {
    const chosen = tf.tensor1d(positions.next().value, "int32");
    const batch = { images: tf.gather(images, chosen), labels: tf.gather(labels, chosen) };
    chosen.dispose();
    yield batch;
  }
}
