/** A LoRA adapter: `w + alpha / loraRank · b · a`, beside weights that stay as they are. */
import { randomNumbers } from "../support/random.ts";

export const loraRank = 4;
export const alpha = 8;
const scaling = alpha / loraRank;

/** `a` is [loraRank, inputs], `b` [outputs, loraRank]. */
export interface Factors {
  readonly a: Float32Array;
  readonly b: Float32Array;
}

/** Factors by the name of the parameter that they are for: what `lora` of the library takes. */
export type Adapter = Readonly<Record<string, Factors>>;

/** New factors: `a` is random and `b` is zero, so that they change nothing yet. */
export function createFactors([outputs, inputs]: readonly number[], seed: number): Factors {
  const random = randomNumbers(seed);
  const bound = 1 / Math.sqrt(inputs!);
  return {
    a: Float32Array.from({ length: loraRank * inputs! }, () => bound * (2 * random() - 1)),
    b: new Float32Array(outputs! * loraRank),
  };
}

/** Adds the adapter's part of one row of weights. */
export function addLowRank(row: Float32Array, output: number, { a, b }: Factors): void {
  for (let r = 0; r < loraRank; r++) {
    const factor = scaling * b[output * loraRank + r]!;
    for (let i = 0; i < row.length; i++) row[i]! += factor * a[r * row.length + i]!;
  }
}

/** Gradients of the factors, from that of the weights that they are added to. */
export function factorGradients(weight: Float32Array, { a, b }: Factors): Factors {
  const inputs = a.length / loraRank;
  const gradients = { a: new Float32Array(a.length), b: new Float32Array(b.length) };
  for (let output = 0; output < b.length / loraRank; output++) {
    const row = weight.subarray(output * inputs, (output + 1) * inputs);
    for (let r = 0; r < loraRank; r++) {
      const at = output * loraRank + r;
      const factor = scaling * b[at]!;
      let sum = 0;
      for (let i = 0; i < inputs; i++) {
        sum += row[i]! * a[r * inputs + i]!;
        gradients.a[r * inputs + i]! += factor * row[i]!;
      }
      gradients.b[at] = scaling * sum;
    }
  }
  return gradients;
}
