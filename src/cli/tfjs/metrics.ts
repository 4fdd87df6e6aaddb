/** How good outputs are, for the two tasks that a label in one column can mean. */

/** Outputs row by row, `width` each, and one label a row. */
export interface Judged {
  readonly outputs: Float32Array;
  readonly width: number;
  readonly labels: Float64Array;
}

function indexOfLargest(values: Float32Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i;
  return best;
}

/** −log of the probability of `label`, of outputs that are probabilities, or logits. */
function surprise(row: Float32Array, label: number, areProbabilities: boolean): number {
  // A probability that rounds to 0 must not make the mean infinite.
  if (areProbabilities) return -Math.log(Math.max(row[label]!, 1e-7));
  const largest = row[indexOfLargest(row)]!;
  return Math.log(row.reduce((sum, value) => sum + Math.exp(value - largest), 0)) + largest - row[label]!;
}

/** Share of right answers, and mean cross-entropy in nats. */
export type ClassMetrics = Readonly<Record<"accuracy" | "crossEntropy", number>>;

/** How good outputs for classes are. */
export function classMetrics({ outputs, width, labels }: Judged, areProbabilities: boolean): ClassMetrics {
  let right = 0;
  let total = 0;
  for (let i = 0; i < labels.length; i++) {
    const row = outputs.subarray(i * width, (i + 1) * width);
    if (indexOfLargest(row) === labels[i]) right++;
    total += surprise(row, labels[i]!, areProbabilities);
  }
  return { accuracy: right / labels.length, crossEntropy: total / labels.length };
}

/** Means over all examples. */
export type QuantityMetrics = Readonly<Record<"meanSquaredError" | "meanAbsoluteError", number>>;

/** How good outputs for a quantity are. */
export function quantityMetrics({ outputs, labels }: Judged): QuantityMetrics {
  let squared = 0;
  let absolute = 0;
  for (let i = 0; i < labels.length; i++) {
    const error = outputs[i]! - labels[i]!;
    squared += error * error;
    absolute += Math.abs(error);
  }
  return { meanSquaredError: squared / labels.length, meanAbsoluteError: absolute / labels.length };
}
