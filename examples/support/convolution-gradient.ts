/**
 * The one kernel that the gradient of a convolution needs and TensorFlow.js 4.22 lacks on wasm: the gradient with
 * respect to the filter. It is put together from kernels that wasm has. Importing this module registers it.
 */
import * as tf from "@tensorflow/tfjs";

/**
 * Filter gradient as one matrix product: a column for each element of the filter, holding the pixels that it
 * met, times a column for each output channel, holding the gradients that came back.
 */
function filterGradient({ inputs, attrs }: Parameters<tf.KernelFunc>[0]): tf.Tensor {
  const { x, dy } = inputs as unknown as { readonly x: tf.Tensor4D; readonly dy: tf.Tensor4D };
  const { strides, pad, dataFormat, dimRoundingMode, filterShape } =
    attrs as unknown as tf.Conv2DBackpropFilterAttrs;
  if (dataFormat !== "NHWC") throw new Error("The filter gradient of this example is for channels last.");
  const info = tf.backend_util.computeConv2DInfo(x.shape, filterShape, strides, 1, pad, dimRoundingMode);
  return tf.tidy(() => {
    const { top, bottom, left, right } = info.padInfo;
    const padded = tf.pad(x, [
      [0, 0],
      [top, bottom],
      [left, right],
      [0, 0],
    ]);
    const { strideHeight, strideWidth } = info;
    const [lastRow, lastColumn] = [(info.outHeight - 1) * strideHeight, (info.outWidth - 1) * strideWidth];
    const patches: tf.Tensor[] = [];
    for (let row = 0; row < info.filterHeight; row++) {
      for (let column = 0; column < info.filterWidth; column++) {
        patches.push(
          tf.stridedSlice(
            padded,
            [0, row, column, 0],
            [info.batchSize, row + lastRow + 1, column + lastColumn + 1, info.inChannels],
            [1, strideHeight, strideWidth, 1],
          ),
        );
      }
    }
    const met = tf.reshape(tf.concat(patches, 3), [-1, patches.length * info.inChannels]);
    // (dyᵀ · met)ᵀ rather than metᵀ · dy: these two are much smaller to transpose. And they are transposed by
    // themselves, because the wasm product of transposed matrices is a plain loop, and the other one is not.
    const gradient = tf.matMul(tf.transpose(tf.reshape(dy, [-1, info.outChannels])), met);
    return tf.reshape(tf.transpose(gradient), filterShape);
  });
}

tf.registerKernel({
  kernelName: tf.Conv2DBackpropFilter,
  backendName: "wasm",
  kernelFunc: filterGradient,
});
