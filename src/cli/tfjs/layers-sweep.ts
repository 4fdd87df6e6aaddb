/** A sweep of a saved layers model on examples from a table: what `sweep --model … --data …` runs. */
import { statSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import type { LayersModel } from "@tensorflow/tfjs-layers";
import type { Tensor } from "@tensorflow/tfjs-core";
import { type AnySweep, checkSweep, defineSweep } from "../../sweep.ts";
import { UsageError } from "../exit.ts";
import { existingFile } from "../files.ts";
import { standardTrials } from "../questions.ts";
import { type Started, startTensorFlow, type TfLayers } from "./engine.ts";
import { type ClassMetrics, classMetrics, type QuantityMetrics, quantityMetrics } from "./metrics.ts";
import { readArtifacts } from "./artifacts.ts";
import { readTable, type Table } from "./table.ts";

/** What can be said about the model and the data. */
export interface LayersSweepOptions {
  /** Path of a model.json. */
  readonly model: string;
  /** Path of a CSV file: inputs, and the label in the last column. */
  readonly data: string;
  /** What all inputs are divided by, such as 255 for pixels. */
  readonly divideBy: number;
}

/** What a model is called: its folder. */
export const nameOf = (path: string): string =>
  basename(
    statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
      ? resolve(path)
      : dirname(resolve(path)),
  );

/** Formats whose blocks fit kernels of any shape, which TensorFlow.js stores as [inputs, outputs]. */
const anyShape = ["bnb-int8", "bnb-nf4", "bnb-fp4"] as const;

/** One input and one output, of sizes that are known. */
function sizesOf(
  model: LayersModel,
  path: string,
): { readonly input: readonly number[]; readonly width: number } {
  const { inputs, outputs } = model;
  const input = inputs[0]!.shape.slice(1);
  const output = outputs[0]!.shape.slice(1);
  const known = [...input, ...output].every((size) => size !== null);
  if (inputs.length === 1 && outputs.length === 1 && output.length === 1 && known) {
    return { input: input as number[], width: output[0]! };
  }
  const shapes = [...inputs, ...outputs].map(({ shape }) => `[${shape.join(", ")}]`).join(", ");
  throw new UsageError(
    `${path} has inputs and outputs of ${shapes}; --model is for one input and one row of outputs. ` +
      "Write a configuration with defineSweep: docs/sweep.md",
  );
}

function assertFits({ columns }: Table, input: readonly number[], path: string): void {
  const inputs = input.reduce((product, size) => product * size, 1);
  if (columns === inputs + 1) return;
  throw new UsageError(
    `${path} has ${columns} columns, and the model takes ${inputs} inputs ([${input.join(", ")}]): there must be ` +
      `${inputs + 1}, with the label last`,
  );
}

/** Whether one output is the probability of a yes, as a sigmoid makes it, and labels are yes (1) or no (0). */
function areYesOrNo(labels: Float64Array, outputs: Float32Array, width: number): boolean {
  const isIn = (value: number): boolean => value >= 0 && value <= 1;
  return width === 1 && labels.every((label) => label === 0 || label === 1) && outputs.every(isIn);
}

/** The probabilities of no and yes, for each of yes. */
function bothWays(outputs: Float32Array): Float32Array {
  return Float32Array.from({ length: 2 * outputs.length }, (_, i) =>
    i % 2 === 0 ? 1 - outputs[i >> 1]! : outputs[i >> 1]!,
  );
}

/** Whether labels are classes of `width` outputs. @throws UsageError for a class without an output */
function areClasses(labels: Float64Array, width: number, path: string): boolean {
  if (width === 1) return false;
  const at = labels.findIndex((label) => !Number.isInteger(label) || label < 0 || label >= width);
  if (at < 0) return true;
  throw new UsageError(
    `${path}: label ${labels[at]} of example ${at + 1} is none of the model's ${width} classes, 0 to ${width - 1}. ` +
      "The label must be in the last column",
  );
}

/** Whether every row is a distribution, as softmax makes them. */
function sumToOne(outputs: Float32Array, width: number): boolean {
  for (let begin = 0; begin < outputs.length; begin += width) {
    const row = outputs.subarray(begin, begin + width);
    if (row.some((value) => value < 0) || Math.abs(row.reduce((sum, value) => sum + value, 0) - 1) > 1e-3)
      return false;
  }
  return true;
}

/** @throws FormatError for a damaged model; UnsupportedError `engine` without TensorFlow.js */
async function load(path: string): Promise<Started & { readonly model: LayersModel }> {
  const artifacts = readArtifacts(existingFile(path, "The model", "model.json"));
  const started = await startTensorFlow();
  const handler = { load: async () => ({ ...artifacts, weightSpecs: [...artifacts.weightSpecs] }) };
  const model = await started.layers.loadLayersModel(handler as Parameters<TfLayers["loadLayersModel"]>[0]);
  return { ...started, model };
}

/**
 * Loads the model and the data, and asks the usual questions: layers, noise, pruning, quantization. Classes are judged by
 * accuracy and cross-entropy, and so is a probability against labels of 0 and 1; another single output by its squared and
 * absolute error.
 *
 * @throws UsageError where they do not fit
 * @throws FormatError for a damaged model; UnsupportedError `engine` without TensorFlow.js
 */
export async function layersSweep({ model: path, data, divideBy }: LayersSweepOptions): Promise<AnySweep> {
  const table = readTable(data);
  const { tf, store, model } = await load(path);
  const { input, width } = sizesOf(model, path);
  assertFits(table, input, data);
  const labels = Float64Array.from(table.rows, (row) => row.at(-1)!);
  const values = Float32Array.from(
    table.rows.flatMap((row) => row.slice(0, -1).map((value) => value / divideBy)),
  );
  const examples = tf.tensor(values, [labels.length, ...input]);
  const outputsOf = (shown: LayersModel): Float32Array =>
    tf.tidy(() => (shown.predict(examples, { batchSize: 256 }) as Tensor).dataSync()) as Float32Array;
  const common = {
    name: `${nameOf(path)} on ${basename(data)}`,
    store,
    model,
    trials: ({ layers }: { readonly layers: readonly string[] }) => standardTrials(layers, anyShape),
  };
  const first = outputsOf(model);
  if (areYesOrNo(labels, first, width)) {
    const evaluate = (shown: LayersModel): ClassMetrics =>
      classMetrics({ outputs: bothWays(outputsOf(shown)), width: 2, labels }, true);
    return checkSweep(defineSweep({ ...common, evaluate, maximize: "accuracy" }));
  }
  if (!areClasses(labels, width, data)) {
    const evaluate = (shown: LayersModel): QuantityMetrics =>
      quantityMetrics({ outputs: outputsOf(shown), width, labels });
    return checkSweep(defineSweep({ ...common, evaluate, minimize: "meanSquaredError" }));
  }
  const areProbabilities = sumToOne(first, width);
  const evaluate = (shown: LayersModel): ClassMetrics =>
    classMetrics({ outputs: outputsOf(shown), width, labels }, areProbabilities);
  return checkSweep(defineSweep({ ...common, evaluate, maximize: "accuracy" }));
}
