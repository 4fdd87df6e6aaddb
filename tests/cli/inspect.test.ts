import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { layers as tfl, sequential } from "@tensorflow/tfjs-layers";
import { beforeAll, describe, expect, it } from "vitest";
import {
  bytesOf,
  peftOf,
  saveFiles,
  writePeft,
  writeSafetensors,
  writeShardedSafetensors,
} from "../../src/formats.ts";
import { encodeQuantized, writeGguf } from "../../src/quantized.ts";
import { useBackend } from "../support/tensorflow.ts";
import { command, file, folder } from "./command.ts";
import { saveModel } from "./saved-model.ts";

const query = {
  name: "blocks.0.attn.q.weight",
  dtype: "float32",
  shape: [2, 3],
  data: new Float32Array(6),
} as const;
const halves = {
  name: "blocks.0.mlp.weight",
  dtype: "bfloat16",
  shape: [4],
  data: new Uint16Array(4),
} as const;

/** What `inspect --json` says. */
async function inspected(path: string) {
  const { code, stdout } = await command("inspect", path, "--json");
  expect(code).toBe(0);
  return JSON.parse(stdout) as {
    readonly format: string;
    readonly notes: Readonly<Record<string, string>>;
    readonly parameters: readonly {
      readonly name: string;
      readonly dtype: string;
      readonly shape: readonly number[];
    }[];
    readonly total: { readonly parameters: number; readonly elements: number; readonly bytes: number };
    readonly attention: readonly string[];
  };
}

describe("inspect", () => {
  beforeAll(async () => {
    await useBackend("cpu");
  });

  it("prints parameters, dtypes, bytes and attention targets of a safetensors file", async () => {
    const path = file("model.safetensors", await bytesOf(writeSafetensors([query, halves])));
    const { code, stdout } = await command("inspect", path);
    expect(code).toBe(0);
    expect(stdout).toMatch(/blocks\.0\.attn\.q\.weight +float32 +\[2, 3\] +24 B +attention/);
    expect(stdout).toMatch(/blocks\.0\.mlp\.weight +bfloat16 +\[4\] +8 B$/m);
    expect(stdout).toContain("2 parameters, 10 elements, 32 B");
    expect(stdout).toContain("selects 1 of them");
  });

  it("reads the header of each file of a model in several", async () => {
    const at = folder();
    await saveFiles(at, writeShardedSafetensors([query, halves], { maxBytes: 24 }));
    const { format, total, attention } = await inspected(at);
    expect(format).toBe("safetensors in several files");
    expect(total).toMatchObject({ parameters: 2, elements: 10, bytes: 32 });
    expect(attention).toEqual([query.name]);
  });

  it("tells the kind of an adapter, and its factors as they are in the file", async () => {
    const at = folder();
    const factors = { a: Float32Array.of(1, 0, 2, 0), b: Float32Array.of(0.5, 0, -0.5, 0) };
    const adapter = peftOf({
      adapter: { "layers.0.self_attn.q_proj.weight": factors },
      alpha: 2,
      loraRank: 1,
    });
    await saveFiles(at, writePeft(adapter));
    const { format, notes, parameters } = await inspected(at);
    expect(format).toBe("PEFT adapter");
    expect(notes).toMatchObject({ kind: "LoRA", rank: "1", alpha: "2", modules: "1" });
    expect(parameters.map(({ shape }) => shape)).toEqual([
      [1, 4],
      [4, 1],
    ]);
  });

  it("names the formats of a GGUF file, and counts their bytes as they are packed", async () => {
    const kernel = encodeQuantized(new Float32Array(64), [2, 32], { format: "gguf-q8_0" });
    const path = file("model.gguf", await bytesOf(writeGguf([{ name: "blk.0.attn_q.weight", ...kernel }])));
    const { format, parameters, total } = await inspected(path);
    expect(format).toBe("GGUF");
    expect(parameters).toMatchObject([{ dtype: "gguf-q8_0", shape: [2, 32], bytes: 68 }]);
    expect(total.elements).toBe(64);
  });

  it("reads a model.json of TensorFlow.js without TensorFlow.js", async () => {
    const path = join(folder(), "model.json");
    const model = sequential({
      name: "m",
      layers: [tfl.dense({ name: "dense", units: 3, inputShape: [2] })],
    });
    await saveModel(model, path);
    const { format, notes, parameters } = await inspected(dirname(path));
    expect(format).toBe("TensorFlow.js model");
    expect(notes["format"]).toBe("layers-model");
    expect(parameters).toMatchObject([
      { name: "dense/kernel", dtype: "float32", shape: [2, 3], bytes: 24 },
      { name: "dense/bias", dtype: "float32", shape: [3], bytes: 12 },
    ]);
  });

  it("shows what a hostile name would do to a terminal", async () => {
    const tensor = { name: "\u001b[2Jw\n", dtype: "float32", shape: [1], data: new Float32Array(1) } as const;
    const path = file("model.safetensors", await bytesOf(writeSafetensors([tensor])));
    const { stdout } = await command("inspect", path);
    expect(stdout).toContain("\\u{1b}[2Jw\\n");
    expect(stdout).not.toContain("\u001b");
  });

  it("says what a folder would need to have", async () => {
    const at = folder();
    mkdirSync(join(at, "sub"));
    writeFileSync(join(at, "sub", "model.safetensors"), "");
    const { code, stderr } = await command("inspect", at);
    expect(code).toBe(2);
    expect(stderr).toContain(
      "none of adapter_config.json, model.safetensors.index.json, model.safetensors, model.json",
    );
  });
});
