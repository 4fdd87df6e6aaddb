import { existsSync, readFileSync } from "node:fs";
import { cp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import * as tf from "@tensorflow/tfjs-core";
import { layers as tfl, sequential } from "@tensorflow/tfjs-layers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { saveModel } from "../cli/saved-model.ts";
import { useBackend } from "../support/tensorflow.ts";
import { packedTarball } from "./packed.ts";
import { freshFolder, install, remove, root, run } from "./run.ts";

/** A configuration that Node 20 could not load: types that are more than annotations, and an await at the top. */
const config = `
import { scale, store } from "surgical-theater";
import { ablation, defineSweep, noiseLevels } from "surgical-theater/sweep";

enum Layer { First = "first", Second = "second" }
const model = await Promise.resolve({ [Layer.First]: Float32Array.of(1, 2), [Layer.Second]: Float32Array.of(3, 4) });

export default defineSweep({
  name: "typed",
  store,
  model,
  evaluate: ({ first, second }) => ({ sum: first[0]! + second[0]! }),
  maximize: "sum",
  trials: ({ layers }) => [
    ...ablation(layers),
    ...noiseLevels({ std: [0.1], seeds: [1, 2] }),
    { name: "half", modification: scale(0.5), layers: "all" },
  ],
});
`;

describe("the command of the tarball", () => {
  let folder: string;
  const command = (...args: readonly string[]): Promise<string> =>
    run(join(folder, "node_modules", ".bin", "surgical-theater"), args, folder);

  beforeAll(async () => {
    folder = await freshFolder("cli");
    await install(folder, [packedTarball()]);
  });
  afterAll(() => remove(folder));

  it("runs the demo in an empty folder, to its report, in less than two minutes", async () => {
    const begin = performance.now();
    const output = await run("npx", ["--no-install", "surgical-theater", "demo"], folder);
    expect(performance.now() - begin).toBeLessThan(120_000);
    expect(output).toMatch(
      /(\d+) of \1 trials brought the model back bit for bit; at the end it is identical/,
    );
    const report = readFileSync(join(folder, "surgical-theater-demo", "digits.html"), "utf8");
    expect(report).toContain("<svg");
  });

  it("runs a configuration in TypeScript, plans it, and reports on it", async () => {
    await writeFile(join(folder, "sweep.config.ts"), config);
    expect(await command("plan", "sweep.config.ts")).toContain("at most 16 B beyond the model");
    expect(await command("sweep", "sweep.config.ts")).toContain(
      "5 of 5 trials brought the model back bit for bit",
    );
    expect(await command("report", "sweep.config.jsonl", "--format", "md")).toContain("# typed");
    expect(existsSync(join(folder, "sweep.config.html"))).toBe(true);
  });

  it("sweeps a saved model on a table, and says before what to install", async () => {
    await useBackend("cpu");
    const model = sequential({
      layers: [
        tfl.dense({ name: "hidden", units: 16, inputShape: [64], activation: "relu" }),
        tfl.dense({ name: "digit", units: 10, activation: "softmax" }),
      ],
    });
    await saveModel(model, join(folder, "digits", "model.json"));
    await cp(join(root, "data", "digits.csv.gz"), join(folder, "digits.csv.gz"));
    await writeFile(join(folder, "digits.csv"), gunzipSync(readFileSync(join(folder, "digits.csv.gz"))));
    const sweep = (): Promise<string> =>
      command("sweep", "--model", "digits/model.json", "--data", "digits.csv", "--divide-by", "16");
    await expect(sweep()).rejects.toThrow("npm install @tensorflow/tfjs");
    await install(folder, ["@tensorflow/tfjs@^4.22.0"]);
    const output = await sweep();
    expect(output).toContain("digits on digits.csv: accuracy (more is better)");
    expect(output).toMatch(
      /(\d+) of \1 trials brought the model back bit for bit; at the end it is identical/,
    );
    expect(existsSync(join(folder, "digits.html"))).toBe(true);
    tf.disposeVariables();
  });
});
