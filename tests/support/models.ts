/** Small TensorFlow.js models of every kind, with the same weights each time. */
import * as tf from "@tensorflow/tfjs";
import { bits, smallFloats } from "./bits.ts";

/** Gives every weight of a model values of its own, the same each time. */
export function withWeights<M extends tf.LayersModel>(model: M, seed = 1): M {
  for (const [i, weight] of model.weights.entries()) {
    const { size } = weight.read();
    // Variances are positive.
    const values = smallFloats(size, seed + i).map((x) =>
      weight.name.includes("variance") ? x * x + 0.1 : x,
    );
    tf.tidy(() => void weight.write(tf.tensor(values, weight.shape as number[])));
  }
  return model;
}

/** Dense, dense: trained by plain gradient descent, so that steps are the same each time. */
export function mlp(): tf.Sequential {
  const model = tf.sequential({
    layers: [
      tf.layers.dense({ units: 8, inputShape: [4], activation: "tanh" }),
      tf.layers.dense({ units: 3 }),
    ],
  });
  model.compile({ optimizer: tf.train.sgd(0.1), loss: "meanSquaredError" });
  return withWeights(model);
}

/** Convolution, BatchNorm, pooling, dense: what an image model without attention looks like. */
export function cnn(): tf.Sequential {
  const model = tf.sequential({
    layers: [
      tf.layers.conv2d({ filters: 4, kernelSize: 3, inputShape: [8, 8, 1], activation: "relu" }),
      tf.layers.batchNormalization(),
      tf.layers.flatten(),
      tf.layers.dense({ units: 3, activation: "softmax" }),
    ],
  });
  model.compile({ optimizer: tf.train.sgd(0.05), loss: "meanSquaredError" });
  return withWeights(model);
}

/** The same input each time. */
export function input(shape: number[], seed = 7): tf.Tensor {
  return tf.tensor(
    smallFloats(
      shape.reduce((product, n) => product * n, 1),
      seed,
    ),
    shape,
  );
}

/** Bits of all weights, by name. */
export function weightBits(model: tf.LayersModel): Record<string, string> {
  return Object.fromEntries(
    model.weights.map((weight) => [weight.originalName + weight.id, bits(weight.read().dataSync())]),
  );
}

/** Bits of what a model predicts for `x`. */
export function predictionBits(model: tf.LayersModel, x: tf.Tensor | tf.Tensor[]): string {
  const y = model.predict(x) as tf.Tensor;
  const found = bits(y.dataSync());
  y.dispose();
  return found;
}

/** The variable of a weight, by a part of its name. */
export function variable(model: tf.LayersModel, part: string): tf.Variable {
  return model.weights.find(({ name }) => name.includes(part))!.read() as tf.Variable;
}

/** Data ids of all weights: identities of their buffers. */
export function dataIds(model: tf.LayersModel): object[] {
  return model.weights.map((weight) => weight.read().dataId);
}
