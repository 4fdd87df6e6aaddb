/** PEFT adapters: what is read, what is refused, and what comes back after writing. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  bytesOf,
  folderOf,
  FormatError,
  openSafetensors,
  type PeftAdapter,
  type PeftEntry,
  peftOf,
  readPeft,
  type TensorToWrite,
  writePeft,
  writeSafetensors,
} from "../../src/formats.ts";
import { anyFloats, bits, smallFloats } from "../support/bits.ts";
import { fileOf, gathered, peftFolder, rejection } from "./files.ts";

const usual = { peft_type: "LORA", target_modules: ["q_proj"], r: 1, lora_alpha: 2 };
const f32 = (name: string, shape: readonly number[], ...values: number[]): TensorToWrite => ({
  name,
  dtype: "float32",
  shape,
  data:
    values.length > 0
      ? Float32Array.from(values)
      : smallFloats(
          shape.reduce((all, n) => all * n, 1),
          1,
        ),
});
const weights = (...tensors: TensorToWrite[]): Promise<Uint8Array> => bytesOf(writeSafetensors(tensors));
const q = "base_model.model.layers.0.self_attn.q_proj";

/** The vector of the format's notes: A [[1, 2, -1]], B [[.5], [-.25]], alpha 2, r 1; magnitudes [3, 4]. */
const vector = [f32(`${q}.lora_A.weight`, [1, 3], 1, 2, -1), f32(`${q}.lora_B.weight`, [2, 1], 0.5, -0.25)];

describe("a PEFT adapter", () => {
  it("is read from a folder, and not from its path", async () => {
    await expect(readPeft("adapter" as never)).rejects.toThrow(
      'got "adapter". For one on disk give folderAt(path)',
    );
  });

  it("is read: factors by module, with rank and alpha", async () => {
    const { config, entries } = await readPeft(peftFolder(usual, await weights(...vector)));
    expect([...entries]).toEqual([
      [
        "layers.0.self_attn.q_proj",
        {
          kind: "linear",
          a: Float32Array.of(1, 2, -1),
          b: Float32Array.of(0.5, -0.25),
          loraRank: 1,
          alpha: 2,
          inputs: [3],
          outputs: 2,
        },
      ],
    ]);
    expect(config).toMatchObject({
      loraRank: 1,
      alpha: 2,
      rsLora: false,
      dora: false,
      targetModules: ["q_proj"],
    });
  });

  it("is read with its magnitudes, under either of their names", async () => {
    for (const name of ["lora_magnitude_vector", "lora_magnitude_vector.weight"]) {
      const file = await weights(...vector, f32(`${q}.${name}`, [2], 3, 4));
      const { config, entries } = await readPeft(peftFolder({ ...usual, use_dora: true }, file));
      expect(config.dora).toBe(true);
      expect(entries.get("layers.0.self_attn.q_proj")?.magnitude).toEqual(Float32Array.of(3, 4));
    }
  });

  it("is read with embeddings and convolutions", async () => {
    const file = await weights(
      f32("base_model.model.emb.lora_embedding_A", [2, 5]),
      f32("base_model.model.emb.lora_embedding_B", [3, 2]),
      f32("base_model.model.conv.lora_A.weight", [2, 4, 3, 3]),
      f32("base_model.model.conv.lora_B.weight", [6, 2, 1, 1]),
    );
    const { entries } = await readPeft(peftFolder({ ...usual, r: 2 }, file));
    expect(entries.get("emb")).toMatchObject({ kind: "embedding", inputs: [5], outputs: 3 });
    expect(entries.get("conv")).toMatchObject({ kind: "conv", inputs: [4, 3, 3], outputs: 6 });
  });

  it("widens float16 and bfloat16 exactly", async () => {
    const file = await weights(
      { name: `${q}.lora_A.weight`, dtype: "bfloat16", shape: [1, 2], data: Uint16Array.of(0x3f81, 0x8001) },
      { name: `${q}.lora_B.weight`, dtype: "float16", shape: [2, 1], data: Uint16Array.of(0x3c01, 0x0001) },
    );
    const entry = (await readPeft(peftFolder(usual, file))).entries.get("layers.0.self_attn.q_proj");
    expect(bits(entry!.a)).toBe(bits(Uint32Array.of(0x3f810000, 0x80010000)));
    expect([...entry!.b]).toEqual([1 + 2 ** -10, 2 ** -24]);
  });

  it("has the rank and alpha of the first pattern that fits a module, from behind a dot to its end", async () => {
    const file = await weights(
      ...["a.q", "b.q", "xb.q", "c.v"].flatMap((module, i) => [
        f32(`base_model.model.${module}.lora_A.weight`, [[4, 2, 3, 1][i]!, 2]),
        f32(`base_model.model.${module}.lora_B.weight`, [2, [4, 2, 3, 1][i]!]),
      ]),
    );
    const config = {
      ...usual,
      rank_pattern: { "a\\.q": 4, "b.q": 2, q: 3 },
      alpha_pattern: { ".*v": 9, "layers\\.\\d+\\.q": 5 },
    };
    const { entries } = await readPeft(peftFolder(config, file));
    const said = [...entries].map(([module, { loraRank, alpha }]) => [module, loraRank, alpha]);
    expect(said).toEqual([
      ["a.q", 4, 2],
      ["b.q", 2, 2],
      ["c.v", 1, 9],
      ["xb.q", 3, 2],
    ]);
  });

  it("has PEFT's defaults where the configuration is silent", async () => {
    const file = await weights(f32("m.lora_A.weight", [8, 2]), f32("m.lora_B.weight", [2, 8]));
    const { config, entries } = await readPeft(
      peftFolder({ peft_type: "LORA", target_modules: "all-linear" }, file),
    );
    expect(config).toMatchObject({ loraRank: 8, alpha: 8, targetModules: "all-linear" });
    expect([...entries.keys()]).toEqual(["m"]);
  });

  it("may have keys that only training reads, and all others unset", async () => {
    const config = {
      ...usual,
      auto_mapping: null,
      base_model_name_or_path: "gpt2",
      bias: "none",
      init_lora_weights: true,
      inference_mode: true,
      lora_dropout: 0.05,
      loftq_config: {},
      megatron_core: "megatron.core",
      modules_to_save: null,
      layers_to_transform: null,
      qalora_group_size: 16,
      use_qalora: false,
      task_type: "CAUSAL_LM",
      something_new: null,
      something_else: [],
    };
    const read = await readPeft(peftFolder(config, await weights(...vector)));
    expect(read.config).toMatchObject({ baseModel: "gpt2", taskType: "CAUSAL_LM" });
    expect(read.config.others.get("lora_dropout")).toBe(0.05);
  });
});

describe("a PEFT adapter is refused by the name of the key", () => {
  it.each([
    ["modules_to_save", ["classifier"]],
    ["bias", "all"],
    ["bias", "lora_only"],
    ["lora_bias", true],
    ["layers_to_transform", [0]],
    ["layers_pattern", "layers"],
    ["exclude_modules", ["a"]],
    ["target_parameters", ["experts.w"]],
    ["layer_replication", [[0, 4]]],
    ["alora_invocation_tokens", [1]],
    ["use_qalora", true],
    ["use_bdlora", { nblocks: 1 }],
    ["arrow_config", { top_k: 1 }],
    ["kasa_config", { beta: 1 }],
    ["velora_config", { a: 1 }],
    ["monteclora_config", { a: 1 }],
    ["trainable_token_indices", [5]],
    ["megatron_config", { a: 1 }],
    ["init_lora_weights", "pissa"],
    ["init_lora_weights", "pissa_niter_4"],
    ["init_lora_weights", "olora"],
    ["init_lora_weights", "loftq"],
    ["peft_type", "LOHA"],
    ["something_new", 0],
    ["something_new", true],
  ])("%s: %j", async (key, value) => {
    const error = await rejection(readPeft(peftFolder({ ...usual, [key]: value }, await weights(...vector))));
    expect(error).toBeInstanceOf(FormatError);
    expect(error).toMatchObject({ code: "unsupported_key", file: "adapter_config.json" });
    expect((error as Error).message).toContain(JSON.stringify(key));
    expect((error as FormatError).offset).toBe(
      JSON.stringify({ ...usual, [key]: value }).indexOf(`"${key}"`),
    );
  });
});

describe("a malformed PEFT adapter", () => {
  it.each([
    ["a rank of 0", { ...usual, r: 0 }, /"r" must be a positive integer, but 0/],
    ["a rank with a fraction", { ...usual, r: 1.5 }, /"r"/],
    ["alpha that is text", { ...usual, lora_alpha: "2" }, /"lora_alpha" must be a number/],
    ["a flag that is a number", { ...usual, use_dora: 1 }, /"use_dora" must be true or false/],
    [
      "a pattern that is no expression",
      { ...usual, rank_pattern: { "(": 1 } },
      /"\(", which is not a regular/,
    ],
    ["a pattern that would never end", { ...usual, rank_pattern: { "(a+)+b": 1 } }, /which repeats a group/],
    [
      "a pattern that would take long",
      { ...usual, alpha_pattern: { ".*.*.*x": 1 } },
      /more than two repetitions/,
    ],
    [
      "a pattern with a rank of 0",
      { ...usual, rank_pattern: { q: 0 } },
      /"q", whose value must be a positive/,
    ],
    ["no type", { r: 1 }, /no peft_type/],
    ["a key twice", '{"peft_type":"LORA","r":1,"r":2}', /"r" is there twice, at byte 26/],
    ["an end that is missing", '{"peft_type":"LORA"', /at byte 19/],
    ["deep nesting", `{"eva_config":${"[".repeat(1e5)}`, /nested/],
  ])("with %s is refused", async (_, config, message) => {
    const error = await rejection(readPeft(peftFolder(config, await weights(...vector))));
    expect(error).toMatchObject({ code: "bad_config", offset: expect.any(Number) as number });
    expect((error as Error).message).toMatch(message);
  });

  const a = f32(`${q}.lora_A.weight`, [1, 3]);
  const b = f32(`${q}.lora_B.weight`, [2, 1]);
  it.each([
    [
      "a tensor of something else",
      {},
      [a, b, f32("base_model.model.head.weight", [1])],
      /"base_model\.model\.head\.weight" is not understood/,
    ],
    ["a bias", {}, [a, b, f32(`${q}.lora_B.bias`, [2])], /lora_B\.bias" is not understood/],
    ["an adapter's name in its keys", {}, [a, b, f32(`${q}.lora_A.other.weight`, [1, 3])], /not understood/],
    ["only A", {}, [a], /has no lora_B/],
    ["only B", {}, [b], /has no lora_A/],
    ["another rank", { r: 2 }, [a, b], /\[1, 3\] and \[2, 1\], and adapter_config\.json says rank 2/],
    ["factors that do not fit", {}, [a, f32(`${q}.lora_B.weight`, [2, 3])], /says rank 1/],
    [
      "a convolution's A for a layer's B",
      {},
      [f32(`${q}.lora_A.weight`, [1, 3, 3, 3]), b],
      /no linear layer/,
    ],
    [
      "factors of integers",
      {},
      [{ name: a.name, dtype: "int8", shape: [1, 3], data: new Int8Array(3) } as const, b],
      /is int8/,
    ],
    [
      "magnitudes that are not announced",
      {},
      [a, b, f32(`${q}.lora_magnitude_vector`, [2])],
      /use_dora is not true/,
    ],
    ["magnitudes that are missing", { use_dora: true }, [a, b], /has no lora_magnitude_vector/],
    [
      "magnitudes of another size",
      { use_dora: true },
      [a, b, f32(`${q}.lora_magnitude_vector`, [3])],
      /each of 2 outputs/,
    ],
    [
      "one module in two ways",
      {},
      [a, b, f32("layers.0.self_attn.q_proj.lora_A.weight", [1, 3])],
      /are the same/,
    ],
    ["nothing", {}, [], /it has no tensors/],
  ])("with %s is refused", async (_, keys, tensors, message) => {
    const error = await rejection(readPeft(peftFolder({ ...usual, ...keys }, await weights(...tensors))));
    expect(error).toMatchObject({ code: "bad_adapter" });
    expect((error as Error).message).toMatch(message);
  });

  it("without files says which is missing, and refuses a pickle", async () => {
    expect(await rejection(readPeft(folderOf({})))).toMatchObject({
      code: "missing_file",
      file: "adapter_config.json",
    });
    expect(await rejection(readPeft(peftFolder(usual)))).toMatchObject({
      code: "missing_file",
      file: "adapter_model.safetensors",
    });
    const config = new TextEncoder().encode(JSON.stringify(usual));
    const error = await rejection(
      readPeft(folderOf({ "adapter_config.json": config, "adapter_model.bin": config })),
    );
    expect(error).toMatchObject({ code: "pickle", file: "adapter_model.bin" });
  });

  it("whose tensors are malformed is refused as any such file", async () => {
    const error = await rejection(readPeft(peftFolder(usual, fileOf("{}", [1]))));
    expect(error).toMatchObject({ code: "bad_offsets", offset: 10, file: "adapter_model.safetensors" });
  });
});

const module = fc.stringMatching(/^[a-z](?:[a-z_.+]{0,6}[a-z0-9])?$/);

/** Entries of all kinds, any bits in them, all DoRA or none. */
const anyPeft = fc
  .record({
    dora: fc.boolean(),
    rsLora: fc.boolean(),
    modules: fc.uniqueArray(module, { minLength: 1, maxLength: 5 }),
    seed: fc.nat(1e6),
  })
  .map(({ dora, rsLora, modules, seed }): PeftAdapter => {
    const entries = modules.map((name, i): [string, PeftEntry] => {
      const loraRank = 1 + ((seed + i) % 3);
      const kind = (["linear", "embedding", "conv"] as const)[(seed >> i) % 3]!;
      const inputs = kind === "conv" ? [2, 3, 1 + (i % 2)] : [1 + (seed % 5)];
      const size = inputs.reduce((all, n) => all * n, loraRank);
      const factors = { a: anyFloats(size, seed + i), b: anyFloats(2 * loraRank, seed + 2 * i) };
      const magnitude = dora ? { magnitude: anyFloats(2, seed) } : {};
      return [
        name,
        { kind, ...factors, ...magnitude, loraRank, alpha: 1 + (seed % 2) * i, inputs, outputs: 2 },
      ];
    });
    const config: PeftAdapter["config"] = {
      loraRank: 1,
      alpha: 1,
      rsLora,
      dora,
      fanInFanOut: rsLora,
      rankPattern: new Map(),
      alphaPattern: new Map(),
      targetModules: undefined,
      baseModel: "gpt2",
      taskType: undefined,
      others: new Map([["lora_dropout", 0.1]]),
    };
    return { config, entries: new Map(entries) };
  });

const shown = ({ entries }: PeftAdapter): unknown =>
  new Map(
    [...entries].map(([name, { a, b, magnitude, ...rest }]) => [
      name,
      [bits(a), bits(b), magnitude && bits(magnitude), rest],
    ]),
  );

describe("an adapter that is written", () => {
  it("is read back with the same bits", async () => {
    await fc.assert(
      fc.asyncProperty(anyPeft, async (peft) => {
        const read = await readPeft(folderOf(await gathered(writePeft(peft))));
        expect(shown(read)).toEqual(shown(peft));
        const { rankPattern: _, alphaPattern: __, targetModules, others, ...config } = read.config;
        expect(peft.config).toMatchObject(config);
        expect(targetModules).toEqual([...peft.entries.keys()]);
        expect(others.get("lora_dropout")).toBe(0.1);
      }),
      { numRuns: 200 },
    );
  });

  it("has the keys, names and shapes that PEFT expects", async () => {
    const factors = (n: number): { a: Float32Array; b: Float32Array } => ({
      a: new Float32Array(2 * n),
      b: new Float32Array(n),
    });
    const peft = peftOf({
      adapter: { "l.0.q.weight": factors(1), "l.1.q.weight": { ...factors(2), loraRank: 2 } },
      alpha: 4,
      loraRank: 1,
      rsLora: true,
    });
    const files = await gathered(writePeft(peft));
    expect(JSON.parse(new TextDecoder().decode(files.get("adapter_config.json")))).toEqual({
      alpha_pattern: {},
      auto_mapping: null,
      base_model_name_or_path: null,
      bias: "none",
      fan_in_fan_out: false,
      inference_mode: true,
      init_lora_weights: true,
      lora_alpha: 4,
      lora_dropout: 0,
      modules_to_save: null,
      peft_type: "LORA",
      r: 1,
      rank_pattern: { "l.1.q": 2 },
      revision: null,
      target_modules: ["l.0.q", "l.1.q"],
      task_type: null,
      use_dora: false,
      use_rslora: true,
    });
    const file = await openSafetensors(files.get("adapter_model.safetensors")!);
    expect(file.metadata.get("format")).toBe("pt");
    expect([...file.tensors].map(([name, { shape }]) => [name, shape])).toEqual([
      ["base_model.model.l.0.q.lora_A.weight", [1, 2]],
      ["base_model.model.l.0.q.lora_B.weight", [1, 1]],
      ["base_model.model.l.1.q.lora_A.weight", [2, 2]],
      ["base_model.model.l.1.q.lora_B.weight", [1, 2]],
    ]);
  });

  it("gives each module its rank where the name of one ends as that of another", async () => {
    const entry = (loraRank: number): PeftEntry => ({
      kind: "linear",
      a: new Float32Array(loraRank),
      b: new Float32Array(loraRank),
      loraRank,
      alpha: 1,
      inputs: [1],
      outputs: 1,
    });
    const { config } = peftOf({
      adapter: { x: { a: new Float32Array(1), b: new Float32Array(1) } },
      alpha: 1,
      loraRank: 1,
    });
    const entries = new Map([
      ["b.q", entry(2)],
      ["a.b.q", entry(1)],
      ["axb.q", entry(3)],
      ["q", entry(4)],
    ]);
    const read = await readPeft(folderOf(await gathered(writePeft({ config, entries }))));
    for (const [name, { loraRank }] of entries) expect(read.entries.get(name)?.loraRank).toBe(loraRank);
  });

  it("rounds to 16 bits only where asked, and not to infinity", async () => {
    const peft = peftOf({
      adapter: { w: { a: Float32Array.of(1e5), b: Float32Array.of(1 / 3) } },
      alpha: 1,
      loraRank: 1,
    });
    const files = await gathered(writePeft(peft, { dtype: "bfloat16" }));
    const file = await openSafetensors(files.get("adapter_model.safetensors")!);
    expect((await file.read("base_model.model.w.lora_B.weight")).data).toEqual(Uint16Array.of(0x3eab));
    await expect(gathered(writePeft(peft, { dtype: "float16" }))).rejects.toThrow(
      /100000, which is too large/,
    );
  });

  it.each([
    ["a factor of another size", { a: new Float32Array(3) }, /a must have 2 elements, got 3/],
    ["a factor of another kind", { b: new Float64Array(1) }, /b must be a Float32Array/],
    ["a magnitude that PEFT would not read", { magnitude: new Float32Array(1) }, /config\.dora is false/],
    ["a window that a linear layer has not", { inputs: [1, 2] }, /no kind of layer/],
  ])("must not have %s", (_, wrong, message) => {
    const { config, entries } = peftOf({
      adapter: { w: { a: new Float32Array(2), b: new Float32Array(1) } },
      alpha: 1,
      loraRank: 1,
    });
    const bad = new Map([["w", { ...entries.get("w"), ...wrong } as PeftEntry]]);
    expect(() => writePeft({ config, entries: bad })).toThrow(message);
  });
});
