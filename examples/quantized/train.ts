/** The two trainings: of a float32 model, and of an adapter beside a quantized one. */
import { classes, type Digits, pixels } from "../support/digits.ts";
import { Progress } from "../support/progress.ts";
import { randomNumbers } from "../support/random.ts";
import { type Adapter, createFactors, factorGradients } from "./adapter.ts";
import { batches } from "./data.ts";
import { lossAndGradients } from "./gradients.ts";
import { type FloatTensor, type LayerName, layerNames, layersOf, type Model } from "./model.ts";

const features = 256;
const shapes: Readonly<Record<LayerName, readonly [outputs: number, inputs: number]>> = {
  stem: [features, pixels],
  block: [features, features],
  digit: [classes, features],
};
const batchSize = 32;

/** Adam. Source: Kingma & Ba, 2014, arXiv 1412.6980. */
class Adam {
  readonly #moments = new Map<Float32Array, readonly [first: Float32Array, second: Float32Array]>();
  #steps = 0;

  /** Moves arrays against their gradients. */
  step(rate: number, pairs: readonly (readonly [array: Float32Array, gradient: Float32Array])[]): void {
    this.#steps++;
    const [bias1, bias2] = [1 - 0.9 ** this.#steps, 1 - 0.999 ** this.#steps];
    for (const [array, gradient] of pairs) {
      const moments = this.#moments.get(array) ?? [
        new Float32Array(array.length),
        new Float32Array(array.length),
      ];
      this.#moments.set(array, moments);
      const [first, second] = moments;
      gradient.forEach((each, i) => {
        const mean = 0.9 * first[i]! + 0.1 * each;
        const square = 0.999 * second[i]! + 0.001 * each * each;
        first[i] = mean;
        second[i] = square;
        array[i]! -= (rate * (mean / bias1)) / (Math.sqrt(square / bias2) + 1e-8);
      });
    }
  }
}

/** New parameters, uniform as He et al. have them; biases are zero. */
function createModel(seed: number): Record<string, FloatTensor> {
  const random = randomNumbers(seed);
  const model: Record<string, FloatTensor> = {};
  for (const name of layerNames) {
    const [outputs, inputs] = shapes[name];
    const bound = Math.sqrt(6 / inputs);
    const weight = Float32Array.from({ length: outputs * inputs }, () => bound * (2 * random() - 1));
    model[`${name}.weight`] = { data: weight, shape: [outputs, inputs], dtype: "float32" };
    model[`${name}.bias`] = { data: new Float32Array(outputs), shape: [outputs], dtype: "float32" };
  }
  return model;
}

/** Down from `highest` along a cosine. */
function learningRate(step: number, steps: number, highest: number): number {
  return highest * (0.5 + 0.5 * Math.cos((Math.PI * (step - 1)) / steps));
}

/** Trains a model from scratch. */
export async function trainModel(digits: Digits, steps: number): Promise<Record<string, FloatTensor>> {
  using progress = new Progress("float32", steps);
  const model = createModel(1);
  const layers = layersOf(model);
  const batch = batches(digits, batchSize, 2);
  const adam = new Adam();
  for (let step = 1; step <= steps; step++) {
    const { loss, gradients } = lossAndGradients(layers, batch.next().value);
    const pairs = layerNames.flatMap((name) => [
      [model[`${name}.weight`]!.data, gradients[name].weight] as const,
      [model[`${name}.bias`]!.data, gradients[name].bias] as const,
    ]);
    adam.step(learningRate(step, steps, 2e-3), pairs);
    await progress.update(step, `loss ${loss.toFixed(3)}`);
  }
  return model;
}

/** Trains an adapter for stem and block. The model, whose weights are decoded as they are needed, stays as it is. */
export async function trainAdapter(
  model: Model,
  name: string,
  digits: Digits,
  steps: number,
): Promise<Adapter> {
  using progress = new Progress(`LoRA on ${name}`, steps);
  const adapted = ["stem", "block"] as const;
  const adapter = Object.fromEntries(
    adapted.map((name, i) => [`${name}.weight`, createFactors(shapes[name], 3 + i)]),
  );
  const layers = layersOf(model, adapter);
  const batch = batches(digits, batchSize, 5);
  const adam = new Adam();
  for (let step = 1; step <= steps; step++) {
    const { loss, gradients } = lossAndGradients(layers, batch.next().value);
    const pairs = adapted.flatMap((name) => {
      const factors = adapter[`${name}.weight`]!;
      const { a, b } = factorGradients(gradients[name].weight, factors);
      return [[factors.a, a] as const, [factors.b, b] as const];
    });
    adam.step(learningRate(step, steps, 2e-3), pairs);
    await progress.update(step, `loss ${loss.toFixed(3)}`);
  }
  return adapter;
}
