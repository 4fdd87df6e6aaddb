/** A small convolutional classifier: a convolution, a residual block, two dense layers; about 24,600 parameters. */
import * as tf from "@tensorflow/tfjs";

/**
 * Builds and compiles the classifier, with the same initial weights each time.
 *
 * Every layer has a name: names are what selections refer to, and noise depends on them.
 */
export function createModel(): tf.LayersModel {
  let seed = 1;
  const initial = (): ReturnType<typeof tf.initializers.heNormal> =>
    tf.initializers.heNormal({ seed: seed++ });
  const convolution = (name: string): tf.layers.Layer =>
    // No bias: the normalisation after it takes any constant away.
    tf.layers.conv2d({
      name,
      filters: 24,
      kernelSize: 3,
      padding: "same",
      useBias: false,
      kernelInitializer: initial(),
    });

  const image = tf.input({ shape: [8, 8, 1], name: "image" });
  let x = convolution("stem_conv").apply(image) as tf.SymbolicTensor;
  x = tf.layers.batchNormalization({ name: "stem_norm" }).apply(x) as tf.SymbolicTensor;
  const stem = tf.layers.reLU({ name: "stem_relu" }).apply(x) as tf.SymbolicTensor;

  // The block adds to what the stem found, so that the model still works, less well, when it is disabled.
  x = convolution("block_conv").apply(stem) as tf.SymbolicTensor;
  x = tf.layers.batchNormalization({ name: "block_norm" }).apply(x) as tf.SymbolicTensor;
  x = tf.layers.add({ name: "sum" }).apply([stem, x]) as tf.SymbolicTensor;
  x = tf.layers.reLU({ name: "sum_relu" }).apply(x) as tf.SymbolicTensor;

  x = tf.layers.maxPooling2d({ name: "pool", poolSize: 2 }).apply(x) as tf.SymbolicTensor;
  x = tf.layers.flatten({ name: "flat" }).apply(x) as tf.SymbolicTensor;
  x = tf.layers
    .dense({ name: "hidden", units: 48, activation: "relu", kernelInitializer: initial() })
    .apply(x) as tf.SymbolicTensor;
  const digit = tf.layers
    .dense({ name: "digit", units: 10, activation: "softmax", kernelInitializer: initial() })
    .apply(x) as tf.SymbolicTensor;

  const model = tf.model({ inputs: image, outputs: digit, name: "digits" });
  model.compile({ optimizer: tf.train.adam(0.005), loss: "categoricalCrossentropy" });
  return model;
}
