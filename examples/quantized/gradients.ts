/** Back through the classifier: from its mistakes to gradients of weights and biases. */
import { classes, type Digits } from "../support/digits.ts";
import { forward, type Layer, type LayerName, type Layers, softmax } from "./model.ts";

export interface LayerGradients {
  readonly weight: Float32Array;
  readonly bias: Float32Array;
}

/** The mean loss over some digits, and its gradients. */
export function lossAndGradients(
  layers: Layers,
  { images, labels }: Digits,
): { readonly loss: number; readonly gradients: Readonly<Record<LayerName, LayerGradients>> } {
  const { stem, block, sum, logits } = forward(layers, images);
  let loss = 0;
  const wrong = new Float32Array(logits.length);
  labels.forEach((label, i) => {
    const probabilities = softmax(logits.subarray(i * classes, (i + 1) * classes));
    loss -= Math.log(probabilities[label]!) / labels.length;
    probabilities[label]! -= 1;
    wrong.set(
      probabilities.map((each) => each / labels.length),
      i * classes,
    );
  });
  const digit = back(layers.digit, sum, wrong);
  const viaBlock = back(layers.block, stem, whereActive(block, digit.inputs));
  const toStem = digit.inputs.map((each, i) => each + viaBlock.inputs[i]!);
  return {
    loss,
    gradients: { digit, block: viaBlock, stem: back(layers.stem, images, whereActive(stem, toStem)) },
  };
}

/** Gradients before a rectifier, from those behind it. */
function whereActive(activations: Float32Array, gradients: Float32Array): Float32Array {
  return gradients.map((each, i) => (activations[i]! > 0 ? each : 0));
}

/** Through one layer: gradients of what it has and of its inputs, from those of its outputs. */
function back(
  { weight, bias }: Layer,
  inputs: Float32Array,
  outputs: Float32Array,
): LayerGradients & { readonly inputs: Float32Array } {
  const count = inputs.length / weight.inputs;
  const gradients = {
    weight: new Float32Array(weight.outputs * weight.inputs),
    bias: new Float32Array(bias.length),
    inputs: new Float32Array(inputs.length),
  };
  for (let output = 0; output < weight.outputs; output++) {
    const row = weight.row(output);
    const ofRow = gradients.weight.subarray(output * weight.inputs, (output + 1) * weight.inputs);
    for (let image = 0; image < count; image++) {
      const each = outputs[image * weight.outputs + output]!;
      if (each === 0) continue;
      gradients.bias[output]! += each;
      const at = image * weight.inputs;
      for (let i = 0; i < row.length; i++) {
        ofRow[i]! += each * inputs[at + i]!;
        gradients.inputs[at + i]! += each * row[i]!;
      }
    }
  }
  return gradients;
}
