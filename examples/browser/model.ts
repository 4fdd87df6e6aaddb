/** A convolution, a normalisation and a dense layer: small enough for a GPU made of software. */
import * as tf from "@tensorflow/tfjs";

/** Builds and compiles the classifier, with the same initial weights each time; about 1,400 parameters. */
export function createModel(): tf.LayersModel {
  const initial = (seed: number): ReturnType<typeof tf.initializers.heNormal> =>
    tf.initializers.heNormal({ seed });
  const image = tf.input({ shape: [8, 8, 1], name: "image" });
  const layers = [
    tf.layers.conv2d({
      name: "conv",
      filters: 8,
      kernelSize: 3,
      padding: "same",
      useBias: false,
      kernelInitializer: initial(1),
    }),
    tf.layers.batchNormalization({ name: "norm" }),
    tf.layers.reLU({ name: "relu" }),
    tf.layers.maxPooling2d({ name: "pool", poolSize: 2 }),
    tf.layers.flatten({ name: "flat" }),
    tf.layers.dense({ name: "digit", units: 10, activation: "softmax", kernelInitializer: initial(2) }),
  ];
  const digit = layers.reduce((x, layer) => layer.apply(x) as tf.SymbolicTensor, image);
  const model = tf.model({ inputs: image, outputs: digit, name: "digits" });
  model.compile({ optimizer: tf.train.adam(0.01), loss: "categoricalCrossentropy" });
  return model;
}
