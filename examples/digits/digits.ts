/** The digits as tensors, and in batches. */
import * as tf from "@tensorflow/tfjs";
import { permutation, randomNumbers } from "./random.ts";

/** Digits: images `[n, 8, 8, 1]` from 0 to 1, and labels one-hot, `[n, 10]`. Whoever asks for them disposes of them. */
export interface Digits {
  readonly images: tf.Tensor4D;
  readonly labels: tf.Tensor2D;
}

/** Every run splits and shuffles alike. */
const seed = 1;
const pixels = 64;
const brightest = 16;

/** The digits as numbers, in an order that is the same each time: 64 pixels from 0 to 16 and a label each. */
export function parseDigits(csv: string): readonly (readonly number[])[] {
  const rows = csv
    .trimEnd()
    .split("\n")
    .map((line) => line.split(",").map(Number));
  return Array.from(permutation(rows.length, randomNumbers(seed)), (i) => rows[i]!);
}

/** Puts digits on the current backend. */
export function toTensors(rows: readonly (readonly number[])[]): Digits {
  const values = Float32Array.from(
    rows.flatMap((row) => row.slice(0, pixels).map((each) => each / brightest)),
  );
  const labels = rows.map((row) => row[pixels]!);
  return {
    images: tf.tensor4d(values, [rows.length, 8, 8, 1]),
    labels: tf.tidy(() => tf.cast(tf.oneHot(tf.tensor1d(labels, "int32"), 10), "float32") as tf.Tensor2D),
  };
}

/**
 * Batches without end: epoch after epoch, each in an order of its own. What does not fill a batch is left out.
 * Whoever takes a batch disposes of it.
 */
export function* batches({ images, labels }: Digits, size: number): Generator<Digits, never> {
  const random = randomNumbers(seed + 1);
  for (;;) {
    const order = permutation(images.shape[0], random);
    for (let begin = 0; begin + size <= order.length; begin += size) {
      const chosen = tf.tensor1d(order.subarray(begin, begin + size), "int32");
      const batch = { images: tf.gather(images, chosen), labels: tf.gather(labels, chosen) };
      chosen.dispose();
      yield batch;
    }
  }
}
