/**
 * What the two TensorFlow.js techniques cost in `predict`: opening, one prediction of a batch, closing, against the
 * prediction alone; and the bytes that are there at the worst moment. A stack of transformer-like blocks, and a CNN.
 *
 * npm run bench:stream [-- backend]
 */
import * as tf from "@tensorflow/tfjs";
import "@tensorflow/tfjs-backend-wasm";
import { noise, type Options, planTheater, scale, withTheater } from "../src/tfjs.ts";
import { interleaved, printTable } from "./measure.ts";
import { startMeter } from "../tests/support/meter.ts";

/** Rows to predict, and how many at a time. */
const runs = [
  { rows: 1, batchSize: 1 },
  { rows: 8, batchSize: 8 },
  { rows: 32, batchSize: 32 },
  { rows: 128, batchSize: 128 },
  { rows: 512, batchSize: 32 },
] as const;

interface Subject {
  readonly name: string;
  readonly inputShape: readonly number[];
  make(): tf.LayersModel;
}

const subjects: readonly Subject[] = [
  {
    name: "stack",
    inputShape: [256],
    // Widths of the feed-forward parts of four blocks of d = 256.
    make: () =>
      tf.sequential({
        layers: [...Array(4).keys()].flatMap((i) => [
          tf.layers.dense({ units: 1024, activation: "relu", ...(i === 0 ? { inputShape: [256] } : {}) }),
          tf.layers.dense({ units: 256 }),
        ]),
      }),
  },
  {
    name: "cnn",
    inputShape: [28, 28, 1],
    make: () =>
      tf.sequential({
        layers: [
          tf.layers.conv2d({ filters: 16, kernelSize: 3, activation: "relu", inputShape: [28, 28, 1] }),
          tf.layers.maxPooling2d({ poolSize: 2 }),
          tf.layers.conv2d({ filters: 32, kernelSize: 3, activation: "relu" }),
          tf.layers.flatten(),
          tf.layers.dense({ units: 96, activation: "relu" }),
          tf.layers.dense({ units: 10, activation: "softmax" }),
        ],
      }),
  },
];

const modifications: readonly { readonly name: string; readonly options: Options<tf.Tensor> }[] = [
  { name: "scale", options: { modification: scale(0.9), layers: "all" } },
  { name: "noise", options: { modification: noise({ std: 0.01, seed: 1 }), layers: "all" } },
];

const techniques = ["swap", "stream"] as const;

/** Bytes more than at the beginning, at the worst moment of `run`. */
function peakOf(run: () => void): number {
  const meter = startMeter();
  run();
  meter.stop();
  return meter.peak();
}

async function bench(backend: string): Promise<void> {
  if (!(await tf.setBackend(backend))) throw new Error(`backend ${backend} is not available`);
  const times: Record<string, string>[] = [];
  const bytes: Record<string, string>[] = [];
  for (const { name, inputShape, make } of subjects) {
    const model = make();
    const inputs = runs.map(({ rows }) => tf.randomNormal([rows, ...inputShape], 0, 1, "float32", 1));
    const predict = (x: tf.Tensor, batchSize: number): void =>
      tf.tidy(() => void (model.predict(x, { batchSize }) as tf.Tensor).dataSync());
    for (const { name: modification, options } of modifications) {
      const ratios = inputs.map((x, i) => {
        const { batchSize, rows } = runs[i]!;
        const rounds = backend === "wasm" && rows < 512 ? 15 : 5;
        const medians = interleaved(
          [
            { name: "plain", run: () => predict(x, batchSize) },
            ...techniques.map((technique) => ({
              name: technique,
              run: () => withTheater(model, { ...options, technique }, () => predict(x, batchSize)),
            })),
          ],
          rounds,
        );
        return techniques.map((technique) => (medians.get(technique)! / medians.get("plain")!).toFixed(2));
      });
      for (const [i, technique] of techniques.entries()) {
        times.push({
          [backend]: `${name}, ${modification}, ${technique}`,
          ...Object.fromEntries(
            runs.map(({ rows, batchSize }, run) => [
              rows === batchSize ? `batch ${rows}` : `${rows} in ${batchSize}s`,
              ratios[run]![i]!,
            ]),
          ),
        });
        const plan = planTheater(model, { ...options, technique });
        const base = peakOf(() => predict(inputs[0]!, 1));
        const peak = peakOf(() =>
          withTheater(model, { ...options, technique }, () => predict(inputs[0]!, 1)),
        );
        bytes.push({
          [backend]: `${name}, ${modification}, ${technique}`,
          "planned, MB": ((plan.heldBytes + plan.transientBytes) / 1e6).toFixed(3),
          "at the worst moment, MB": ((peak - base) / 1e6).toFixed(3),
          "targets, MB": (plan.targetBytes / 1e6).toFixed(3),
        });
      }
    }
    tf.dispose(inputs);
    model.dispose();
  }
  console.log("\ntime of opening + predict + closing / predict:");
  printTable(times);
  console.log("\nbytes beyond the model, batch 1 (what plain predict needs is taken off):");
  printTable(bytes);
}

const [only] = process.argv.slice(2);
for (const backend of only === undefined ? ["cpu", "wasm"] : [only]) await bench(backend);
