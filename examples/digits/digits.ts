/** The digits as tensors: some to train on, in batches, and some held out. */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import * as tf from "@tensorflow/tfjs";
import { permutation, randomNumbers } from "./random.ts";

/** Digits: images `[n, 8, 8, 1]` from 0 to 1, and labels one-hot, `[n, 10]`. Whoever asks for them disposes of them. */
export interface Digits {
  readonly images: tf.Tensor4D;
  readonly labels: tf.Tensor2D;
}

/** Every run splits and shuffles alike. */
const seed = 1;
const heldOutCount = 360;
const pixels = 64;
const brightest = 16;

/** Reads all 1,797 digits, and splits them into 1,437 to train on and 360 held out. */
export function loadDigits(): { readonly training: Digits; readonly heldOut: Digits } {
  const file = new URL("data/digits.csv.gz", import.meta.url);
  const lines = gunzipSync(readFileSync(file)).toString("ascii").trimEnd().split("\n");
  const rows = lines.map((line) => line.split(",").map(Number));
  const order = permutation(rows.length, randomNumbers(seed));
  const shuffled = Array.from(order, (i) => rows[i]!);
  return {
    heldOut: toTensors(shuffled.slice(0, heldOutCount)),
    training: toTensors(shuffled.slice(heldOutCount)),
  };
}

function toTensors(rows: readonly (readonly number[])[]): Digits {
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
