/** LoRA on the first layer, fine-tuned to digits that have moved. */
import { lora, type LoraFactors, withTheater } from "../../index.ts";
import { fillNoise, noiseSource } from "../../random/noise.ts";
import type { Digits } from "./digits.ts";
import type { Network } from "./network.ts";
import { batchSize, gradients } from "./train.ts";

/** The parameter that the adapters are for, [outputs, inputs]. */
const target = "hidden_1.weight";
const learningRate = 0.05;
const epochs = 3;

/** The base network's factors for `loraRank`; trained while a theater shows them merged. The base is not changed. */
export function trainAdapter(
  network: Network,
  digits: Digits,
  loraRank: number,
): Readonly<Record<string, LoraFactors<Float32Array>>> {
  const [outputs, inputs] = network[target].shape as readonly [number, number];
  const a = new Float32Array(loraRank * inputs);
  fillNoise(a, noiseSource(2, "adapter", 1 / Math.sqrt(inputs), "float32"), 0);
  const b = new Float32Array(outputs * loraRank);
  const adapter = { [target]: { a, b } };
  const options = () => ({ modification: lora(adapter, { alpha: loraRank, loraRank, layout: "outIn" }) });
  for (let epoch = 0; epoch < epochs; epoch++) {
    const batches = gradients(network, digits, epoch);
    for (;;) {
      // The factors change with each step, so each step is a theater of its own.
      const { value, done } = withTheater(network, options(), () => batches.next());
      if (done === true) break;
      step(a, b, value[target].data, loraRank);
    }
  }
  return adapter;
}

/** Descends along the gradients of both factors, given that of the merged weight W + B·A. */
function step(a: Float32Array, b: Float32Array, gradient: Float32Array, loraRank: number): void {
  const inputs = a.length / loraRank;
  const outputs = b.length / loraRank;
  const rate = learningRate / batchSize;
  for (let r = 0; r < loraRank; r++) {
    for (let i = 0; i < outputs; i++) {
      let toB = 0;
      for (let j = 0; j < inputs; j++) toB += gradient[i * inputs + j]! * a[r * inputs + j]!;
      const before = b[i * loraRank + r]!;
      b[i * loraRank + r] = before - rate * toB;
      for (let j = 0; j < inputs; j++) a[r * inputs + j]! -= rate * before * gradient[i * inputs + j]!;
    }
  }
}
