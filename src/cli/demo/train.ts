/** Training, and what is measured: plain code that knows no theater. */
import { fillNoise, noiseSource } from "../../random/noise.ts";
import type { Digits } from "./digits.ts";
import { Activations, type Network, zeroNetwork } from "./network.ts";

export const batchSize = 32;
const learningRate = 0.05;
const momentum = 0.9;

/** The numbers from 0 to `count − 1` in an order that depends on `seed` alone. */
function shuffled(count: number, seed: number): Uint32Array {
  const keys = new Float32Array(count);
  fillNoise(keys, noiseSource(seed, "order", 1, "float32"), 0);
  return Uint32Array.from(keys.keys()).sort((a, b) => keys[a]! - keys[b]!);
}

/** Batches of digits in an order that depends on `epoch` alone, with the summed gradients of the loss of each. */
export function* gradients(
  network: Network,
  { images, labels }: Digits,
  epoch: number,
): Generator<Network, void> {
  const activations = new Activations();
  const order = shuffled(labels.length, epoch);
  for (let begin = 0; begin + batchSize <= order.length; begin += batchSize) {
    const sums = zeroNetwork();
    for (const at of order.subarray(begin, begin + batchSize)) {
      activations.forward(network, images, 64 * at);
      activations.backward(network, labels[at]!, sums);
    }
    yield sums;
  }
}

/** One pass over the digits by stochastic gradient descent with momentum; `onStep` follows each step. */
export function trainEpoch(
  network: Network,
  velocity: Network,
  digits: Digits,
  epoch: number,
  onStep: () => void,
): void {
  for (const sums of gradients(network, digits, epoch)) {
    for (const name of Object.keys(network) as (keyof Network)[]) {
      const [{ data }, { data: moving }, { data: gradient }] = [network[name], velocity[name], sums[name]];
      for (let i = 0; i < data.length; i++) {
        moving[i] = momentum * moving[i]! + gradient[i]! / batchSize;
        data[i]! -= learningRate * moving[i]!;
      }
    }
    onStep();
  }
}

/** Share of digits that are read correctly, and mean cross-entropy in nats. */
export function evaluate(
  network: Network,
  { images, labels }: Digits,
): { readonly accuracy: number; readonly loss: number } {
  const activations = new Activations();
  let right = 0;
  let loss = 0;
  for (let at = 0; at < labels.length; at++) {
    const logits = activations.forward(network, images, 64 * at);
    const largest = Math.max(...logits);
    // The first of equal ones: a model without its last layer is not right about everything.
    if (logits.indexOf(largest) === labels[at]!) right++;
    loss +=
      Math.log(logits.reduce((sum, value) => sum + Math.exp(value - largest), 0)) +
      largest -
      logits[labels[at]!]!;
  }
  return { accuracy: right / labels.length, loss: loss / labels.length };
}
