import { readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { layers as tfl, type LayersModel, sequential } from "@tensorflow/tfjs-layers";
import { beforeAll, describe, expect, it } from "vitest";
import { readResults } from "../../src/sweep.ts";
import { useBackend } from "../support/tensorflow.ts";
import { command, folder } from "./command.ts";
import { saveModel } from "./saved-model.ts";

function classifier(activation: "softmax" | "linear"): LayersModel {
  return sequential({
    layers: [
      tfl.dense({ name: "hidden", units: 6, inputShape: [2, 2], activation: "relu" }),
      tfl.flatten({ name: "flat" }),
      tfl.dense({ name: "out", units: 3, activation }),
    ],
  });
}

const rows = Array.from({ length: 20 }, (_, i) => [i % 7, i % 5, i % 3, (i * i) % 11]);

/** A folder with a saved model and a table. @returns arguments for the command */
async function saved(model: LayersModel, label: (row: readonly number[]) => number, header = "") {
  const at = folder();
  await saveModel(model, join(at, "model.json"));
  const data = join(at, "val.csv");
  writeFileSync(data, header + rows.map((row) => [...row, label(row)].join(",")).join("\r\n"));
  const results = join(at, "results.jsonl");
  return {
    results,
    args: [
      "sweep",
      "--model",
      join(at, "model.json"),
      "--data",
      data,
      "--divide-by",
      "10",
      "--results",
      results,
    ] as const,
  };
}

/** What the model itself says about the same table. */
function predictions(model: LayersModel): Float32Array {
  const values = Float32Array.from(rows.flat(), (value) => value / 10);
  return tf.tidy(() =>
    (model.predict(tf.tensor(values, [rows.length, 2, 2])) as tf.Tensor).dataSync(),
  ) as Float32Array;
}

describe("sweep --model", () => {
  beforeAll(async () => {
    await useBackend("cpu");
  });

  it.each(["softmax", "linear"] as const)(
    "judges classes with %s outputs by accuracy and cross-entropy",
    async (activation) => {
      const model = classifier(activation);
      const label = (row: readonly number[]): number => row[0]! % 3;
      const { args, results } = await saved(model, label, "a,b,c,d,label\n");
      const { code, stdout } = await command(...args);
      expect(stdout).toContain("accuracy (more is better)");
      expect(code).toBe(0);
      const outputs = predictions(model);
      const losses = rows.map((row, i) => {
        const logits = [...outputs.subarray(3 * i, 3 * i + 3)].map((value) =>
          activation === "softmax" ? Math.log(value) : value,
        );
        return Math.log(logits.reduce((sum, value) => sum + Math.exp(value), 0)) - logits[label(row)]!;
      });
      const { baselines, trials } = await readResults(results);
      const { accuracy, crossEntropy } = baselines[0]!.metrics;
      const right = rows.filter((row, i) => {
        const three = outputs.subarray(3 * i, 3 * i + 3);
        return three.indexOf(Math.max(...three)) === label(row);
      });
      expect(accuracy).toEqual([right.length / rows.length]);
      // Both are means of twenty numbers of float32 precision.
      expect(crossEntropy![0]).toBeCloseTo(losses.reduce((a, b) => a + b) / rows.length, 5);
      expect(new Set(trials.map(({ kind }) => kind))).toEqual(
        new Set(["ablation", "layer-factor", "noise", "prune", "quantize"]),
      );
      expect(trials.every(({ identical }) => identical)).toBe(true);
    },
  );

  it("judges a probability against yes and no by accuracy and cross-entropy", async () => {
    const model = sequential({
      layers: [
        tfl.flatten({ inputShape: [2, 2] }),
        tfl.dense({ name: "out", units: 1, activation: "sigmoid" }),
      ],
    });
    const label = (row: readonly number[]): number => row[0]! % 2;
    const { args, results } = await saved(model, label);
    const { code, stdout } = await command(...args);
    expect(stdout).toContain(
      "model.json on val.csv: accuracy".replace("model.json", basename(dirname(args[2]))),
    );
    expect(code).toBe(0);
    const outputs = predictions(model);
    const right = rows.filter((row, i) => (outputs[i]! > 0.5 ? 1 : 0) === label(row));
    expect((await readResults(results)).baselines[0]!.metrics["accuracy"]).toEqual([
      right.length / rows.length,
    ]);
  });

  it("takes the folder of a model, and another spelling of its path, for the model", async () => {
    const { args, results } = await saved(classifier("softmax"), () => 0);
    expect((await command(...args)).code).toBe(0);
    const { trials } = await readResults(results);
    for (const path of [
      dirname(args[2]),
      `${dirname(args[2])}/../${basename(dirname(args[2]))}/model.json`,
    ]) {
      const { code, stderr } = await command("sweep", "--model", path, ...args.slice(3));
      expect(code).toBe(0);
      expect(stderr).toContain(`${trials.length} of ${trials.length} trials were finished before`);
    }
  });

  it("does not take results for other data for these", async () => {
    const { args } = await saved(classifier("softmax"), (row) => row[0]! % 3);
    await command(...args);
    const divided = await command(...args.slice(0, 6), "1000", ...args.slice(7));
    expect(divided.code).toBe(1);
    expect(divided.stderr).toContain("docs/errors/baseline_moved.md");
    const other = join(dirname(args[4]), "other.csv");
    writeFileSync(other, readFileSync(args[4]));
    const renamed = await command(...args.slice(0, 4), other, ...args.slice(5));
    expect(renamed.code).toBe(1);
    expect(renamed.stderr).toContain("docs/errors/other_sweep.md");
  });

  it("judges one output by its squared and absolute error", async () => {
    const model = sequential({
      layers: [tfl.flatten({ inputShape: [2, 2] }), tfl.dense({ name: "out", units: 1 })],
    });
    const { args, results } = await saved(model, (row) => row[1]! / 2);
    const { code, stdout } = await command(...args);
    expect(stdout).toContain("meanSquaredError (less is better)");
    expect(code).toBe(0);
    const errors = [...predictions(model)].map((value, i) => value - rows[i]![1]! / 2);
    const { metrics } = (await readResults(results)).baselines[0]!;
    expect(metrics["meanSquaredError"]).toEqual([
      errors.reduce((sum, error) => sum + error * error, 0) / rows.length,
    ]);
    expect(metrics["meanAbsoluteError"]).toEqual([
      errors.reduce((sum, error) => sum + Math.abs(error), 0) / rows.length,
    ]);
  });

  it.each([
    [
      "a label that is no class",
      (row: readonly number[]) => row[3]!,
      ["none of the model's 3 classes, 0 to 2"],
    ],
    ["a label between classes", () => 0.5, ["label 0.5 of example 1"]],
  ] as const)("refuses %s", async (_, label, says) => {
    const { args } = await saved(classifier("softmax"), label);
    const { code, stderr } = await command(...args);
    expect(code).toBe(2);
    for (const text of says) expect(stderr).toContain(text);
  });

  it("refuses a table that does not fit the inputs", async () => {
    const model = sequential({ layers: [tfl.dense({ units: 2, inputShape: [7] })] });
    const { code, stderr } = await command(...(await saved(model, () => 0)).args);
    expect(code).toBe(2);
    expect(stderr).toContain("has 5 columns, and the model takes 7 inputs ([7]): there must be 8");
  });

  it("refuses weights that were cut off, before anything is loaded", async () => {
    const { args } = await saved(classifier("softmax"), () => 0);
    const weights = args[2].replace("model.json", "model.weights.bin");
    writeFileSync(weights, readFileSync(weights).subarray(4));
    const { code, stderr } = await command(...args);
    expect(code).toBe(1);
    expect(stderr).toContain("docs/errors/truncated.md");
  });
});
