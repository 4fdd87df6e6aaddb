/** From the modules of an adapter to the parameters of a model, and to the arguments of `lora`. */
import { describe, expect, it } from "vitest";
import { lora, withTheater } from "../../src/index.ts";
import {
  FormatError,
  loraOf,
  type PeftAdapter,
  type PeftEntry,
  peftOf,
  type PeftOfOptions,
} from "../../src/formats.ts";
import { smallFloats } from "../support/bits.ts";
import { thrownBy } from "../support/thrown.ts";

const linear = (inputs = 3, outputs = 2): PeftEntry => ({
  kind: "linear",
  a: smallFloats(inputs, 1),
  b: smallFloats(outputs, 2),
  loraRank: 1,
  alpha: 2,
  inputs: [inputs],
  outputs,
});

function adapter(
  entries: Record<string, PeftEntry>,
  config: Partial<PeftAdapter["config"]> = {},
): PeftAdapter {
  const { config: usual } = peftOf({
    adapter: { w: { a: new Float32Array(1), b: new Float32Array(1) } },
    alpha: 2,
    loraRank: 1,
  });
  return { config: { ...usual, ...config }, entries: new Map(Object.entries(entries)) };
}

const q = "model.layers.0.self_attn.q_proj";

describe("the parameter of a module", () => {
  it.each([
    ["model.layers.0.self_attn.q_proj.weight"],
    ["model.layers.0.self_attn.q_proj"],
    ["model.layers.0.selfAttn.qProj.weight"],
    ["layers.0.selfAttn.qProj.weight"],
    ["layers/0/self_attn/q_proj/kernel"],
    ["model.layers.0.self_attn.q_proj.kernel"],
    ["transformer.layers.0.self_attn.q_proj.weight"],
  ])("is found by default: %s", (name) => {
    const { adapter: found } = loraOf(adapter({ [q]: linear() }), [
      "a.b.weight",
      name,
      `${name}_2`,
      "q_proj",
    ]);
    expect(Object.keys(found)).toEqual([name]);
  });

  it("is the exact one where several spellings are there", () => {
    const { adapter: found } = loraOf(adapter({ "a.b": linear() }), ["a.b", "a.b.weight", "A.B.weight"]);
    expect(Object.keys(found)).toEqual(["a.b.weight"]);
  });

  it("is what a table or a function says, and the default where it says nothing", () => {
    const peft = adapter({ x: linear(), y: linear() });
    const parameters = ["first", "y.weight"];
    for (const names of [
      { x: "first" },
      new Map([["x", "first"]]),
      (module: string) => (module === "x" ? "first" : undefined),
    ]) {
      expect(Object.keys(loraOf(peft, parameters, { names }).adapter)).toEqual(["first", "y.weight"]);
    }
  });

  it("is missed in one error for all, with near names, and nothing is dropped", () => {
    const peft = adapter({ "l.0.q_prj": linear(), "l.0.v_proj": linear(), other: linear() });
    const error = thrownBy(() => loraOf(peft, ["l.0.q_proj.weight", "l.0.v_proj.weight"])) as FormatError;
    expect(error).toBeInstanceOf(FormatError);
    expect(error.code).toBe("no_parameter");
    expect(error.message).toContain('"l.0.q_prj" has none. Did you mean "l.0.q_proj.weight"');
    expect(error.message).toContain('"other" has none.');
    expect(error.message).not.toContain('"l.0.v_proj" has none');
  });

  it.each([
    [
      "of two spellings",
      { "a.b": linear() },
      ["A.B.weight", "a.B.weight"],
      {},
      /"a\.b" could be A\.B\.weight, a\.B\.weight/,
    ],
    [
      "of two modules",
      { "a.b": linear(), "model.a.b": linear() },
      ["a.b.weight"],
      {},
      /would both be a\.b\.weight/,
    ],
    [
      "that a table names and the model has not",
      { x: linear() },
      ["kernel"],
      { names: { x: "kernle" } },
      /"kernle", which is no parameter\. Did you mean "kernel"/,
    ],
    [
      "of a module that the adapter has not",
      { x: linear() },
      ["x"],
      { names: { y: "x" } },
      /has no such module/,
    ],
  ])("must not be one %s", (_, entries, parameters, options, message) => {
    expect(() => loraOf(adapter(entries as Record<string, PeftEntry>), parameters, options)).toThrow(message);
  });

  it("is found among many in little time, and missed in little time", () => {
    const names = Array.from({ length: 2000 }, (_, i) => `model.layers.${i}.self_attn.q_proj`);
    const peft = adapter(Object.fromEntries(names.map((name) => [name, linear()])));
    const start = performance.now();
    expect(
      Object.keys(
        loraOf(
          peft,
          names.map((name) => `${name}.weight`),
        ).adapter,
      ),
    ).toHaveLength(2000);
    expect(() =>
      loraOf(
        peft,
        names.map((name) => `${name}.bias`),
      ),
    ).toThrow(/And 1992 more/);
    expect(performance.now() - start).toBeLessThan(5000);
  });

  it("refuses options that it does not know", () => {
    expect(() => loraOf(adapter({}), [], { kernel: "inOut" } as never)).toThrow(/Did you mean "kernels"/);
    expect(() => loraOf(adapter({}), [], { kernels: "tf" } as never)).toThrow(/"outIn" or "inOut"/);
  });
});

describe("the arguments of lora", () => {
  it("have the rank, alpha and layout of each entry", () => {
    const embedding: PeftEntry = { ...linear(), kind: "embedding", alpha: 5 };
    const peft = adapter(
      { e: embedding, l: { ...linear(), magnitude: Float32Array.of(1, 2) } },
      { rsLora: true },
    );
    expect(loraOf(peft, ["e", "l"])).toEqual({
      adapter: {
        e: { a: embedding.a, b: embedding.b, alpha: 5, loraRank: 1, layout: "inOut" },
        l: {
          a: linear().a,
          b: linear().b,
          magnitude: Float32Array.of(1, 2),
          alpha: 2,
          loraRank: 1,
          layout: "outIn",
        },
      },
      options: { alpha: 2, loraRank: 1, rsLora: true },
    });
  });

  it("have the transpose for layers that store inputs first", () => {
    const layout = (peft: PeftAdapter, options = {}): unknown =>
      loraOf(peft, ["l"], options).adapter["l"]?.layout;
    expect(layout(adapter({ l: linear() }, { fanInFanOut: true }))).toBe("inOut");
    expect(layout(adapter({ l: linear() }), { kernels: "inOut" })).toBe("inOut");
    expect(layout(adapter({ l: linear() }))).toBe("outIn");
  });

  const conv: PeftEntry = {
    kind: "conv",
    a: Float32Array.from({ length: 24 }, (_, i) => i), // [2, 2, 2, 3]: rank, channels, height, width
    b: Float32Array.of(1, 10, 100, 1000),
    loraRank: 2,
    alpha: 2,
    inputs: [2, 2, 3],
    outputs: 2,
  };

  it("move the channels of a convolution behind its window for kernels of TensorFlow.js", () => {
    const peft = adapter({ c: conv });
    expect(loraOf(peft, ["c"]).adapter["c"]?.a).toBe(conv.a);
    expect([...loraOf(peft, ["c/kernel"], { kernels: "inOut" }).adapter["c/kernel"]!.a]).toEqual([
      0, 6, 1, 7, 2, 8, 3, 9, 4, 10, 5, 11, 12, 18, 13, 19, 14, 20, 15, 21, 16, 22, 17, 23,
    ]);
  });

  it("show the same convolution on kernels of either kind", () => {
    const peft = adapter({ c: conv });
    const shown = (shape: number[], kernels: "outIn" | "inOut"): Float32Array => {
      const weights = { c: { data: new Float32Array(24), shape, dtype: "float32" } } as const;
      const { adapter: factors, options } = loraOf(peft, ["c"], { kernels });
      return withTheater(weights, { modification: lora(factors, options) }, () => weights.c.data.slice());
    };
    const torch = shown([2, 2, 2, 3], "outIn");
    const tensorflow = shown([2, 3, 2, 2], "inOut");
    for (let o = 0; o < 2; o++) {
      for (let i = 0; i < 2; i++) {
        for (let place = 0; place < 6; place++) {
          expect(tensorflow[place * 4 + i * 2 + o]).toBe(torch[o * 12 + i * 6 + place]);
        }
      }
    }
    expect(torch[0]).toBe(12 * 10);
  });
});

describe("an adapter from memory", () => {
  it("gives back the arguments that it was made from", () => {
    const factors = {
      "l.0.q.weight": { a: smallFloats(4, 1), b: smallFloats(6, 2), loraRank: 2 },
      "emb.weight": { a: smallFloats(5, 3), b: smallFloats(3, 4), alpha: 7 },
    };
    const modification = lora(factors, { alpha: 3, loraRank: 1, rsLora: true });
    const peft = peftOf(modification, { embeddings: ["emb.weight"], baseModel: "gpt2" });
    expect(loraOf(peft, Object.keys(factors))).toEqual({
      adapter: {
        "l.0.q.weight": { ...factors["l.0.q.weight"], alpha: 3, layout: "outIn" },
        "emb.weight": { ...factors["emb.weight"], loraRank: 1, layout: "inOut" },
      },
      options: { alpha: 3, loraRank: 1, rsLora: true },
    });
  });

  const factors = { a: new Float32Array(2), b: new Float32Array(2) };
  it.each([
    [
      "of two parameters of one module",
      { "w/kernel": factors, "w.weight": factors },
      {},
      /that of another parameter too/,
    ],
    [
      "DoRA only in part",
      { v: factors, w: { ...factors, magnitude: new Float32Array(1) } },
      {},
      /1 of 2 entries/,
    ],
    ["of half a row", { w: { ...factors, loraRank: 3 } }, {}, /no 3 rows/],
    ["of tensors", { w: { a: [1], b: [1] } }, {}, /must be a Float32Array, got an array of 1/],
    [
      "with an embedding that is not there",
      { emb: factors },
      { embeddings: ["embe"] },
      /no "embe"\. Did you mean "emb"/,
    ],
    ["with an option that is not there", { w: factors }, { embedding: [] }, /Did you mean "embeddings"/],
  ])("must not be one %s", (_, entries, options, message) => {
    expect(() =>
      peftOf({ adapter: entries as never, alpha: 1, loraRank: 2 }, options as PeftOfOptions),
    ).toThrow(message);
  });
});
