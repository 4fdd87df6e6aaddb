/**
 * A classifier in plain loops: 64 pixels, 256 features, a residual block, 10 digits. It takes its weights row by row, and
 * decodes those that are quantized as it comes to them, so that what it computes with are the codes and scales themselves.
 */
// In a project of your own: from "surgical-theater/formats" and "surgical-theater/quantized".
import type { FileTensor } from "../../src/formats.ts";
import { decodeBlocks, decodeQuantized, type QuantizedParameter } from "../../src/quantized.ts";
import { classes, type Digits } from "../support/digits.ts";
import { type Adapter, addLowRank, type Factors } from "./adapter.ts";

export const layerNames = ["stem", "block", "digit"] as const;
export type LayerName = (typeof layerNames)[number];

export type FloatTensor = FileTensor<"float32">;

/** Parameters by name, `stem.weight`, `stem.bias` and so on: a model in memory as the library takes it. */
export type Model = Readonly<Record<string, FloatTensor | QuantizedParameter>>;

/** A matrix [outputs, inputs], one row at a time. */
interface Rows {
  readonly outputs: number;
  readonly inputs: number;
  /** Lent until the next call. */
  row(output: number): Float32Array;
}

export interface Layer {
  readonly weight: Rows;
  readonly bias: Float32Array;
}

export type Layers = Readonly<Record<LayerName, Layer>>;

/** What the layers made of some images, [images, outputs] each. */
export interface Activations {
  readonly stem: Float32Array;
  readonly block: Float32Array;
  readonly sum: Float32Array;
  readonly logits: Float32Array;
}

export interface Score {
  /** Share of digits that are read correctly. */
  readonly accuracy: number;
  /** Mean cross-entropy, in nats. */
  readonly loss: number;
}

function rowsOf(matrix: FloatTensor | QuantizedParameter, factors: Factors | undefined): Rows {
  const [outputs, inputs] = matrix.shape as [number, number];
  const buffer = new Float32Array(inputs);
  const row = (output: number): Float32Array => {
    if ("format" in matrix) decodeBlocks(matrix, output * inputs, buffer);
    else buffer.set(matrix.data.subarray(output * inputs, (output + 1) * inputs));
    if (factors !== undefined) addLowRank(buffer, output, factors);
    return buffer;
  };
  return { outputs, inputs, row };
}

/** The layers of a model, with an adapter beside them if there is one. Weights are read when they are used. */
export function layersOf(model: Model, adapter: Adapter = {}): Layers {
  const layerOf = (name: LayerName): Layer => ({
    weight: rowsOf(model[`${name}.weight`]!, adapter[`${name}.weight`]),
    bias: (model[`${name}.bias`] as FloatTensor).data,
  });
  return { stem: layerOf("stem"), block: layerOf("block"), digit: layerOf("digit") };
}

function apply({ weight, bias }: Layer, inputs: Float32Array, isRectified: boolean): Float32Array {
  const count = inputs.length / weight.inputs;
  const outputs = new Float32Array(count * weight.outputs);
  for (let output = 0; output < weight.outputs; output++) {
    const row = weight.row(output);
    for (let image = 0; image < count; image++) {
      const at = image * weight.inputs;
      let sum = bias[output]!;
      for (let i = 0; i < row.length; i++) sum += row[i]! * inputs[at + i]!;
      outputs[image * weight.outputs + output] = isRectified ? Math.max(0, sum) : sum;
    }
  }
  return outputs;
}

export function forward({ stem, block, digit }: Layers, images: Float32Array): Activations {
  const features = apply(stem, images, true);
  // The block adds to what the stem found, so that the model still works, less well, when it is disabled.
  const added = apply(block, features, true);
  const sum = features.map((each, i) => each + added[i]!);
  return { stem: features, block: added, sum, logits: apply(digit, sum, false) };
}

/** Probabilities of the digits, from logits. */
export function softmax(logits: Float32Array): Float32Array {
  const largest = Math.max(...logits);
  const powers = logits.map((each) => Math.exp(each - largest));
  const sum = powers.reduce((sum, each) => sum + each, 0);
  return powers.map((each) => each / sum);
}

/** An ordinary validation. It knows no theater. */
export function evaluate(layers: Layers, { images, labels }: Digits): Score {
  const { logits } = forward(layers, images);
  let [correct, loss] = [0, 0];
  labels.forEach((label, i) => {
    const own = logits.subarray(i * classes, (i + 1) * classes);
    if (own.indexOf(Math.max(...own)) === label) correct++;
    loss -= Math.log(Math.max(softmax(own)[label]!, 1e-30));
  });
  return { accuracy: correct / labels.length, loss: loss / labels.length };
}

/** The model with all weights as float32, in arrays of their own. */
export function dequantized(model: Model): Record<string, FloatTensor> {
  const tensors = Object.entries(model).map(([name, each]): [string, FloatTensor] => {
    const data = "format" in each ? decodeQuantized(each) : each.data.slice();
    return [name, { data, shape: each.shape, dtype: "float32" }];
  });
  return Object.fromEntries(tensors);
}
