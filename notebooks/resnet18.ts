/**
 * ResNet-18 for images of 32 × 32: the network of He et al., "Deep Residual Learning for Image Recognition"
 * (2015), with the stem that is usual for small images, one 3 × 3 convolution and no pooling.
 */
import * as tf from "@tensorflow/tfjs";

type Symbolic = tf.SymbolicTensor;

/** Four stages of two blocks each; all but the first halve the image. */
const widths = [64, 128, 256, 512] as const;
const blocksPerStage = 2;

/**
 * Builds ResNet-18, with the same initial weights each time: images `[n, 32, 32, 3]` in, logits `[n, classes]` out;
 * for 10 classes 11,173,962 trainable parameters, and 9,600 statistics of BatchNorm.
 *
 * Layers are called as in torchvision: `layer3.0.conv1`, `layer3.0.downsample.1`, `fc`.
 */
export function createResNet18(classes: number): tf.LayersModel {
  let seed = 1;
  const convolve = (
    x: Symbolic,
    name: string,
    filters: number,
    kernelSize: number,
    strides: number,
  ): Symbolic =>
    tf.layers
      .conv2d({
        name,
        filters,
        kernelSize,
        strides,
        padding: "same",
        // No bias: the normalisation after it takes any constant away.
        useBias: false,
        kernelInitializer: tf.initializers.heNormal({ seed: seed++ }),
      })
      .apply(x) as Symbolic;
  const normalise = (x: Symbolic, name: string): Symbolic =>
    tf.layers.batchNormalization({ name }).apply(x) as Symbolic;
  const relu = (x: Symbolic): Symbolic => tf.layers.reLU().apply(x) as Symbolic;

  const block = (input: Symbolic, name: string, filters: number, strides: number): Symbolic => {
    let x = relu(normalise(convolve(input, `${name}.conv1`, filters, 3, strides), `${name}.bn1`));
    x = normalise(convolve(x, `${name}.conv2`, filters, 3, 1), `${name}.bn2`);
    const shortcut =
      strides === 1
        ? input
        : normalise(convolve(input, `${name}.downsample.0`, filters, 1, strides), `${name}.downsample.1`);
    return relu(tf.layers.add().apply([x, shortcut]) as Symbolic);
  };

  const image = tf.input({ shape: [32, 32, 3], name: "image" });
  let x = relu(normalise(convolve(image, "conv1", widths[0], 3, 1), "bn1"));
  for (const [stage, filters] of widths.entries()) {
    for (let i = 0; i < blocksPerStage; i++) {
      x = block(x, `layer${stage + 1}.${i}`, filters, stage > 0 && i === 0 ? 2 : 1);
    }
  }
  x = tf.layers.globalAveragePooling2d({ name: "avgpool" }).apply(x) as Symbolic;
  const kernelInitializer = tf.initializers.glorotUniform({ seed });
  const logits = tf.layers.dense({ name: "fc", units: classes, kernelInitializer }).apply(x) as Symbolic;
  return tf.model({ inputs: image, outputs: logits, name: "resnet18" });
}
