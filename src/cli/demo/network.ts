/** A network of dense layers in typed arrays: its parameters, its outputs, and the gradients of its loss. */
import { fillNoise, noiseSource } from "../../random/noise.ts";
import type { ShapedArray } from "../../stores/memory/record.ts";

/** Values of each layer, inputs and logits included. */
const sizes = [64, 64, 32, 10] as const;

/** Layers from the inputs on: `weight` [outputs, inputs] and `bias` [outputs]. */
export const layerNames = ["hidden_1", "hidden_2", "digit"] as const;

type ParameterName = `${(typeof layerNames)[number]}.${"weight" | "bias"}`;

/** Typed arrays by name: a model of the memory store. */
export type Network = Readonly<
  Record<ParameterName, ShapedArray & { readonly data: Float32Array; readonly dtype: "float32" }>
>;

function dense(name: string, inputs: number, outputs: number, std: number): Partial<Network> {
  const weight = new Float32Array(outputs * inputs);
  if (std > 0) fillNoise(weight, noiseSource(1, name, std, "float32"), 0);
  return {
    [`${name}.weight`]: { data: weight, shape: [outputs, inputs], dtype: "float32" },
    [`${name}.bias`]: { data: new Float32Array(outputs), shape: [outputs], dtype: "float32" },
  };
}

function assemble(stdOf: (inputs: number) => number): Network {
  const layers = layerNames.map((name, at) => dense(name, sizes[at]!, sizes[at + 1]!, stdOf(sizes[at]!)));
  return Object.assign({}, ...layers) as Network;
}

/** A network with weights as He et al. (2015) draw them, the same each time. */
export const createNetwork = (): Network => assemble((inputs) => Math.sqrt(2 / inputs));

/** One of the same sizes, for sums. */
export const zeroNetwork = (): Network => assemble(() => 0);

/** The values of every layer for one image; what is written into is reused for the next. */
export class Activations {
  readonly values = sizes.map((size) => new Float32Array(size));
  /** Gradients of the loss with respect to `values`. */
  readonly gradients = sizes.map((size) => new Float32Array(size));

  /** Logits of the image that begins at `at`; lent until the next call. */
  forward(network: Network, images: Float32Array, at: number): Float32Array {
    this.values[0]!.set(images.subarray(at, at + sizes[0]));
    for (const [layer, name] of layerNames.entries()) {
      const [from, to] = [this.values[layer]!, this.values[layer + 1]!];
      const { data: weight } = network[`${name}.weight`];
      const { data: bias } = network[`${name}.bias`];
      const isLast = layer === layerNames.length - 1;
      for (let i = 0; i < to.length; i++) {
        let sum = bias[i]!;
        for (let j = 0; j < from.length; j++) sum += weight[i * from.length + j]! * from[j]!;
        to[i] = isLast ? sum : Math.max(0, sum);
      }
    }
    return this.values.at(-1)!;
  }

  /** Adds the gradients of the cross-entropy of the last `forward` to `sums`, and returns that loss. */
  backward(network: Network, label: number, sums: Network): number {
    const logits = this.values.at(-1)!;
    const largest = Math.max(...logits);
    const total = logits.reduce((sum, value) => sum + Math.exp(value - largest), 0);
    const last = this.gradients.at(-1)!;
    for (let i = 0; i < last.length; i++) {
      last[i] = Math.exp(logits[i]! - largest) / total - (i === label ? 1 : 0);
    }
    for (const [layer, name] of [...layerNames.entries()].reverse())
      this.#backThrough(network, layer, name, sums);
    return Math.log(total) + largest - logits[label]!;
  }

  #backThrough(network: Network, layer: number, name: (typeof layerNames)[number], sums: Network): void {
    const [from, below] = [this.values[layer]!, this.gradients[layer]!];
    const above = this.gradients[layer + 1]!;
    const { data: weight } = network[`${name}.weight`];
    const { data: weightSum } = sums[`${name}.weight`];
    const { data: biasSum } = sums[`${name}.bias`];
    below.fill(0);
    for (let i = 0; i < above.length; i++) {
      const gradient = above[i]!;
      biasSum[i]! += gradient;
      for (let j = 0; j < from.length; j++) {
        weightSum[i * from.length + j]! += gradient * from[j]!;
        // Where a hidden value is 0 it does not pass anything on.
        if (layer === 0 || from[j]! > 0) below[j]! += gradient * weight[i * from.length + j]!;
      }
    }
  }
}
