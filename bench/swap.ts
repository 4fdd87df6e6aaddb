/**
 * What a TensorFlow.js theater costs in time: opening and closing against computing the modified tensors alone,
 * and against keeping clones and assigning them back. A stack of dense layers.
 *
 * npm run bench:swap
 */
import * as tf from "@tensorflow/tfjs";
import "@tensorflow/tfjs-backend-wasm";
import { custom, disable, noise, type Options, scale, surgicalTheater } from "../src/tfjs.ts";
import { fillNoise, noiseSource } from "../src/random/noise.ts";
import { interleaved, printTable } from "./measure.ts";

const WIDTH = Number(process.argv[2] ?? 768);
const DEPTH = 10;

interface Case {
  readonly name: string;
  readonly options: Options<tf.Tensor>;
  /** The same tensors without a theater. */
  alone(weight: tf.Variable): tf.Tensor;
}

const cases: readonly Case[] = [
  {
    name: "scale(0.9)",
    options: { modification: scale(0.9), layers: "all" },
    alone: (w) => tf.mul(w, tf.scalar(0.9)),
  },
  {
    name: "noise(0.01)",
    options: { modification: noise({ std: 0.01, seed: 1 }), layers: "all" },
    alone(w) {
      const deltas = new Float32Array(w.size);
      fillNoise(deltas, noiseSource(1, w.name, 0.01, "float32"), 0);
      return tf.add(w, tf.tensor(deltas, w.shape));
    },
  },
  {
    name: "custom (w × 0.1)",
    options: { modification: custom((w: tf.Tensor) => tf.mul(w, 0.1)), layers: "all" },
    alone: (w) => tf.add(w, tf.mul(w, 0.1)),
  },
  { name: "disable()", options: { modification: disable(), layers: "all" }, alone: (w) => tf.zeros(w.shape) },
];

async function bench(backend: string): Promise<void> {
  if (!(await tf.setBackend(backend))) throw new Error(`backend ${backend} is not available`);
  const layers = Array.from({ length: DEPTH }, (_, i) =>
    tf.layers.dense({
      units: WIDTH,
      name: `dense_${backend}_${i}`,
      ...(i === 0 ? { inputShape: [WIDTH] } : {}),
    }),
  );
  const model = tf.sequential({ layers });
  const weights = model.weights.map((weight) => weight.read() as tf.Variable);
  const rounds = backend === "wasm" ? 150 : 11;
  const rows = cases.map(({ name, options, alone }) => {
    const reference = { name: "alone", run: () => tf.tidy(() => weights.forEach((weight) => alone(weight))) };
    const theater = { name: "theater", run: () => void surgicalTheater(model, options).close() };
    const assign = {
      name: "clone and assign",
      run: () =>
        tf.tidy(() => {
          const originals = weights.map((weight) => tf.clone(weight));
          for (const weight of weights) weight.assign(alone(weight));
          for (const [i, weight] of weights.entries()) weight.assign(originals[i]!);
        }),
    };
    // In pairs: assigning moves the weights to other memory each time, which the theater would be charged for.
    const [first, second] = [
      interleaved([reference, theater], rounds),
      interleaved([reference, assign], rounds),
    ];
    return {
      [backend]: name,
      "alone, ms": first.get("alone")!.toFixed(2),
      "theater / alone": (first.get("theater")! / first.get("alone")!).toFixed(2),
      "clone+assign / alone": (second.get("clone and assign")! / second.get("alone")!).toFixed(2),
    };
  });
  printTable(rows);
}

console.log(
  `${DEPTH} dense layers of ${WIDTH} × ${WIDTH}: ${((DEPTH * WIDTH * (WIDTH + 1) * 4) / 1e6).toFixed(1)} MB`,
);
for (const backend of ["cpu", "wasm"]) await bench(backend);
