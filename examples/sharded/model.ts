/** A classifier of two dense layers with a ReLU between them, and its gradient, written out. It knows of no rank. */
import { classes, type Digits, pixels } from "../support/digits.ts";
import { randomNumbers } from "../support/random.ts";

const HIDDEN = 128;

/** Parameters by name, with their shapes: `[outputs, inputs]`, and biases. */
export const shapes = {
  "hidden.weight": [HIDDEN, pixels],
  "hidden.bias": [HIDDEN],
  "digit.weight": [classes, HIDDEN],
  "digit.bias": [classes],
} as const;

export type Parameters = Readonly<Record<keyof typeof shapes, Float32Array>>;
export type Gradients = Readonly<Record<keyof typeof shapes, Float64Array>>;

/** The same initial values each time: uniform, with the variance of He et al., 2015. */
export function initialise(parameters: Parameters): void {
  const random = randomNumbers(3);
  for (const name of ["hidden.weight", "digit.weight"] as const) {
    const most = Math.sqrt(6 / shapes[name][1]);
    for (let i = 0; i < parameters[name].length; i++) parameters[name][i] = most * (2 * random() - 1);
  }
}

/** What one image makes of the layers: lent until the next one. */
const hidden = new Float64Array(HIDDEN);
const probabilities = new Float64Array(classes);

function forward(parameters: Parameters, image: Float32Array): void {
  dense(image, parameters["hidden.weight"], parameters["hidden.bias"], hidden);
  for (let i = 0; i < HIDDEN; i++) hidden[i] = Math.max(0, hidden[i]!);
  dense(hidden, parameters["digit.weight"], parameters["digit.bias"], probabilities);
  const largest = Math.max(...probabilities);
  let sum = 0;
  for (let i = 0; i < classes; i++) sum += probabilities[i] = Math.exp(probabilities[i]! - largest);
  for (let i = 0; i < classes; i++) probabilities[i]! /= sum;
}

function dense(x: ArrayLike<number>, weight: Float32Array, bias: Float32Array, out: Float64Array): void {
  for (let output = 0; output < out.length; output++) {
    let sum = bias[output]!;
    const row = output * x.length;
    for (let input = 0; input < x.length; input++) sum += weight[row + input]! * x[input]!;
    out[output] = sum;
  }
}

function imageAt({ images }: Digits, at: number): Float32Array {
  return images.subarray(at * pixels, (at + 1) * pixels);
}

/** How many of the digits from `first` on, each `step`-th one, it reads correctly. */
export function countCorrect(parameters: Parameters, digits: Digits, first: number, step: number): number {
  let correct = 0;
  for (let at = first; at < digits.labels.length; at += step) {
    forward(parameters, imageAt(digits, at));
    if (probabilities.indexOf(Math.max(...probabilities)) === digits.labels[at]) correct++;
  }
  return correct;
}

/** Adds the gradient of the cross entropy of some digits to `gradients`. Returns the cross entropy. */
export function addGradients(
  parameters: Parameters,
  digits: Digits,
  chosen: Int32Array,
  gradients: Gradients,
): number {
  let loss = 0;
  for (const at of chosen) {
    const image = imageAt(digits, at);
    const label = digits.labels[at]!;
    forward(parameters, image);
    loss -= Math.log(Math.max(probabilities[label]!, 1e-30));
    probabilities[label]! -= 1; // now the gradient of what came out
    const back = new Float64Array(HIDDEN);
    outer(probabilities, hidden, gradients["digit.weight"], gradients["digit.bias"]);
    for (let output = 0; output < classes; output++) {
      for (let i = 0; i < HIDDEN; i++) {
        if (hidden[i]! > 0)
          back[i]! += probabilities[output]! * parameters["digit.weight"][output * HIDDEN + i]!;
      }
    }
    outer(back, image, gradients["hidden.weight"], gradients["hidden.bias"]);
  }
  return loss;
}

function outer(left: Float64Array, right: ArrayLike<number>, weight: Float64Array, bias: Float64Array): void {
  for (let output = 0; output < left.length; output++) {
    const factor = left[output]!;
    bias[output]! += factor;
    const row = output * right.length;
    for (let input = 0; input < right.length; input++) weight[row + input]! += factor * right[input]!;
  }
}
