/**
 * What a sweep adds to its trials in time: theaters, records on disk, looking at the model. On the classifier of digits,
 * wasm, per trial, against evaluating the model and computing the modified tensors by hand. Ends with 1 above the limit.
 *
 * npm run bench:sweep
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import * as tf from "@tensorflow/tfjs";
import "@tensorflow/tfjs-backend-wasm";
import { toTensors } from "../examples/digits/digits.ts";
import { createModel } from "../examples/digits/model.ts";
import { parseDigits } from "../examples/support/digits.ts";
import { fillNoise, noiseSource } from "../src/random/noise.ts";
import { ablation, defineSweep, layerFactors, noiseLevels, runSweep, type Trial } from "../src/sweep.ts";
import { store } from "../src/tfjs.ts";
import { median, printTable } from "./measure.ts";

const LIMIT = 1.15;
const ROUNDS = 9;

if (!(await tf.setBackend("wasm"))) throw new Error("the wasm backend does not run here");
const model = createModel();
// From the repository, where npm runs scripts.
const rows = parseDigits(gunzipSync(readFileSync("data/digits.csv.gz")).toString());
const { images, labels } = toTensors(rows.slice(0, 360));

function evaluate(visible: tf.LayersModel): { readonly loss: number } {
  return tf.tidy(() => {
    const probabilities = visible.predict(images) as tf.Tensor;
    return { loss: tf.mean(tf.metrics.categoricalCrossentropy(labels, probabilities)).dataSync()[0]! };
  });
}

/** Without statistics. */
const weights = model.trainableWeights.map((weight) => weight.read() as tf.Variable);

/** Those of a layer, or the one of this name. */
const weightsOf = (name: string): readonly tf.Variable[] =>
  weights.filter((weight) => weight.name === name || weight.name.startsWith(`${name}/`));

function withNoise(weight: tf.Variable, seed: number): tf.Tensor {
  const delta = new Float32Array(weight.size);
  fillNoise(delta, noiseSource(seed, weight.name, 0.01, "float32"), 0);
  return tf.add(weight, tf.tensor(delta, weight.shape));
}

/** What showing a trial computes. */
const byHand: Readonly<Record<string, (tags: NonNullable<Trial<never>["tags"]>) => readonly tf.Tensor[]>> = {
  ablation: ({ layer }) => weightsOf(String(layer)).map((weight) => tf.zerosLike(weight)),
  "layer-factor": ({ layer, factor }) =>
    weightsOf(String(layer)).map((weight) => tf.mul(weight, Number(factor))),
  noise: ({ seed }) => weights.map((weight) => withNoise(weight, Number(seed))),
};

const layers = ["stem_conv", "stem_norm", "block_conv", "block_norm", "hidden", "digit"];
const questions: readonly (readonly Trial<never>[])[] = [
  ablation([...layers, ...weights.map(({ name }) => name)]),
  layerFactors(layers, [0.5, 0.8, 1.25]),
  noiseLevels({ std: [0.01], seeds: Array.from({ length: 18 }, (_, seed) => seed) }),
];

/** Milliseconds of one trial by hand. */
function alone({ kind = "", tags = {} }: Trial<never>): number {
  const begin = performance.now();
  tf.dispose([...byHand[kind]!(tags)]);
  evaluate(model);
  return performance.now() - begin;
}

interface Times {
  readonly byHand: readonly number[];
  /** Of each trial, from its beginning to that of the next. */
  readonly trials: readonly number[];
  /** Of all trials and of the model as it is, in multiples of those by hand. */
  readonly whole: number;
}

/** Times a sweep, and in between each of its trials by hand: what slows one down slows the other down too. */
async function timed(trials: readonly Trial<never>[], results: string): Promise<Times> {
  const sweep = defineSweep({ name: "bench", store, model, evaluate, minimize: "loss", trials });
  const times: { byHand: number[]; trials: number[] } = { byHand: [], trials: [] };
  const begin = performance.now();
  let since: number | undefined;
  const { failures } = await runSweep(sweep, {
    results,
    onProgress({ current }) {
      if (since !== undefined) times.trials.push(performance.now() - since);
      const trial = trials.find(({ name }) => name === current);
      if (trial === undefined) return;
      times.byHand.push(alone(trial));
      since = performance.now();
    },
  });
  const all = performance.now() - begin;
  if (failures.length > 0) throw new Error(failures[0]!.error.message);
  const reference = times.byHand.reduce((sum, time) => sum + time, 0);
  return { ...times, whole: (all - reference) / reference };
}

const folder = mkdtempSync(join(tmpdir(), "surgical-theater-bench-"));
let isAbove = false;
try {
  const table = [];
  for (const trials of questions) {
    const rounds: Times[] = [];
    for (let round = -2; round < ROUNDS; round++) {
      const times = await timed(trials, join(folder, `${trials[0]!.kind}-${round}.jsonl`));
      if (round >= 0) rounds.push(times);
    }
    const byHand = median(rounds.flatMap((times) => times.byHand));
    const ratio = median(rounds.flatMap((times) => times.trials)) / byHand;
    isAbove ||= ratio > LIMIT;
    table.push({
      trials: trials[0]!.kind!,
      "by hand, ms": byHand.toFixed(2),
      "a trial / by hand": ratio.toFixed(2),
      "the sweep / by hand": median(rounds.map(({ whole }) => whole)).toFixed(2),
    });
  }
  printTable(table);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(`Medians of ${ROUNDS} sweeps of 16 to 18 trials; limit ${LIMIT}: ${isAbove ? "ABOVE" : "met"}`);
process.exitCode = isAbove ? 1 : 0;
