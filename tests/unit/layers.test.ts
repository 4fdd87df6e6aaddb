import { describe, expect, it } from "vitest";
import { type Layers, type Selectable, select, selectNames } from "../../src/layers.ts";
import { inMemory, type Sketch } from "./models.ts";

/** Names of what is selected, in the order of the answer. */
function selected(model: Selectable, layers: Layers): readonly string[] {
  return [...select(model, layers).selected].map(({ name }) => name);
}

const transformer = inMemory({
  "embed.weight": [8, 4],
  "blocks.0.attn.q": [4, 4],
  "blocks.0.attn.q_bias": [4],
  "blocks.0.mlp.fc": [4, 8],
  "blocks.1.attn.q": [4, 4],
  "blocks.1.norm.weight": [4],
  "blocks.10.attn.q": [4, 4],
  "head.weight": [8, 4],
});

const withStatistics = inMemory({
  "conv.kernel": [3, 3],
  "bn.gamma": [3],
  "bn.moving_mean": [3],
  "bn.moving_variance": [3],
  "embed.ids": { shape: [3], dtype: "int32" },
});

describe("a selector", () => {
  it.each<{ kind: string; layers: Layers; names: readonly string[] }>([
    { kind: "all", layers: "all", names: transformer.parameters.map(({ name }) => name) },
    {
      kind: "attention",
      layers: "attention",
      names: ["blocks.0.attn.q", "blocks.1.attn.q", "blocks.10.attn.q"],
    },
    { kind: "the name of a parameter", layers: "head.weight", names: ["head.weight"] },
    {
      kind: "the path of a layer",
      layers: "blocks.0.attn",
      names: ["blocks.0.attn.q", "blocks.0.attn.q_bias"],
    },
    { kind: "a path above layers", layers: "blocks.1", names: ["blocks.1.attn.q", "blocks.1.norm.weight"] },
    {
      kind: "a glob on names",
      layers: "blocks.*.attn.q",
      names: ["blocks.0.attn.q", "blocks.1.attn.q", "blocks.10.attn.q"],
    },
    { kind: "a RegExp", layers: /\.weight$/, names: ["embed.weight", "blocks.1.norm.weight", "head.weight"] },
    { kind: "an index", layers: 2, names: ["blocks.0.mlp.fc"] },
    { kind: "a predicate", layers: ({ shape }) => shape[0] === 8, names: ["embed.weight", "head.weight"] },
    { kind: "a list", layers: ["head", 0], names: ["embed.weight", "head.weight"] },
  ])("selects by $kind", ({ layers, names }) => {
    expect(selected(transformer, layers)).toEqual(names);
  });

  it("gives the model's order, each parameter once, whatever the list", () => {
    const names = ["head.weight", "embed.weight", /embed/, "head", "embed.weight"];
    expect(selected(transformer, names)).toEqual(["embed.weight", "head.weight"]);
  });

  it("in a list must match something itself", () => {
    expect(() => select(transformer, ["all", "decoder"])).toThrow('nothing is named "decoder"');
    expect(() => select(transformer, ["all", /decoder/])).toThrow("/decoder/ matches no parameter");
  });

  it("does not take the beginning of a name for its path", () => {
    expect(selected(transformer, "blocks.1")).not.toContain("blocks.10.attn.q");
    expect(() => select(transformer, "block")).toThrow('nothing is named "block"');
  });

  it("is called with each parameter when it is a predicate", () => {
    const seen: unknown[] = [];
    select(transformer, (parameter) => seen.push(parameter) > 0);
    expect(seen).toEqual(transformer.parameters);
  });
});

describe("the name of a layer", () => {
  const nested = inMemory({
    "encoder/dense_1/kernel": [2],
    "decoder/dense_1/kernel": [2],
    "decoder/out/kernel": [2],
  });

  it("selects that layer wherever it is nested", () => {
    expect(selected(nested, "dense_1")).toEqual(["encoder/dense_1/kernel", "decoder/dense_1/kernel"]);
  });

  it("with the path above it selects that one", () => {
    expect(selected(nested, "decoder/dense_1")).toEqual(["decoder/dense_1/kernel"]);
  });
});

describe("a RegExp", () => {
  it.each(["g", "y", "gy"])("with the flag %s gives the same answer each time", (flags) => {
    const pattern = new RegExp("blocks", flags);
    pattern.lastIndex = 3;
    const names = selected(transformer, pattern);
    expect(names).toHaveLength(6);
    expect(selected(transformer, pattern)).toEqual(names);
    expect(pattern.lastIndex).toBe(3);
  });

  it("is tested on names, not on paths", () => {
    expect(() => select(transformer, /^blocks\.0$/)).toThrow("matches no parameter");
  });
});

describe("a glob", () => {
  const names = inMemory({ "a.b.c": [1], "a.b.d": [1], "a.x.c": [1], "a/b/c": [1], "a+b.c": [1], ab: [1] });

  it.each<readonly [string, readonly string[]]>([
    ["a.*.c", ["a.b.c", "a.x.c"]],
    ["a.b.?", ["a.b.c", "a.b.d"]],
    ["a/*/c", ["a/b/c"]],
    ["a**c", ["a.b.c", "a.x.c", "a/b/c", "a+b.c"]],
    ["**.c", ["a.b.c", "a.x.c", "a+b.c"]],
    ["a+b.*", ["a+b.c"]],
    ["a.b?c", []],
    ["?b", ["ab"]],
    ["a.*", ["a.b.c", "a.b.d", "a.x.c"]],
  ])("%s matches %j", (glob, expected) => {
    if (expected.length === 0) expect(() => select(names, glob)).toThrow(`${glob} matches no parameter`);
    else expect(selected(names, glob)).toEqual(expected);
  });

  it("that is the exact name of a parameter is that name", () => {
    const model = inMemory({ "w*": [1], w1: [1] });
    expect(selected(model, "w*")).toEqual(["w*"]);
  });
});

describe("statistics and integers", () => {
  const floats = ["conv.kernel", "bn.gamma"];
  const leftOut = [
    { name: "bn.moving_mean", reason: "statistic" },
    { name: "bn.moving_variance", reason: "statistic" },
    { name: "embed.ids", reason: "dtype" },
  ];

  it.each<{ kind: string; layers: Layers }>([
    { kind: "all", layers: "all" },
    { kind: "a glob", layers: "**" },
    { kind: "a RegExp", layers: /./ },
    { kind: "a predicate", layers: () => true },
  ])("are left out by $kind, and listed", ({ layers }) => {
    expect(selected(withStatistics, layers)).toEqual(floats);
    expect(select(withStatistics, layers).leftOut).toEqual(leftOut);
  });

  it.each<{ kind: string; layers: Layers }>([
    { kind: "an index", layers: 1 },
    { kind: "the name of their layer", layers: "bn" },
  ])("are left out by $kind, and listed", ({ layers }) => {
    expect(selected(withStatistics, layers)).toEqual(["bn.gamma"]);
    expect(select(withStatistics, layers).leftOut).toEqual(leftOut.slice(0, 2));
  });

  it.each(["bn.moving_mean", "bn.moving_variance", "embed.ids"])(
    "are selected by their exact name: %s",
    (name) => {
      expect(selected(withStatistics, name)).toEqual([name]);
    },
  );

  it("are not listed as left out when another selector names them", () => {
    const { leftOut: rest } = select(withStatistics, ["all", "bn.moving_mean"]);
    expect(rest).toEqual(leftOut.slice(1));
  });

  it.each(["running_mean", "running_var", "num_batches_tracked", "moving_mean_1", "moving_variance_12"])(
    "are known by the name %s",
    (name) => {
      const model = inMemory({ "bn.weight": [1], [`bn.${name}`]: [1] });
      expect(selected(model, "all")).toEqual(["bn.weight"]);
    },
  );

  it("are not what merely begins or ends like one", () => {
    const names = ["moving_mean.kernel", "my_moving_mean", "running_meander"];
    const model = inMemory(Object.fromEntries(names.map((name): [string, Sketch] => [name, [1]])));
    expect(selected(model, "all")).toEqual(names);
  });
});

describe("tied parameters", () => {
  const tied = inMemory({ "embed.weight": { shape: [4, 2], aliases: ["head.weight"] }, bias: [4] });

  it.each(["embed.weight", "head.weight", "head", "embed"])("are selected by %s", (name) => {
    expect(selected(tied, name)).toEqual(["embed.weight"]);
  });

  it("are one parameter when selected by both names", () => {
    expect(selected(tied, ["head.weight", "embed.weight"])).toEqual(["embed.weight"]);
  });
});

describe("selectNames", () => {
  it("takes names of parameters and aliases, statistics and integers included", () => {
    const names = ["embed.ids", "bn.moving_mean"];
    expect([...selectNames(withStatistics, names, "interpolate")].map(({ name }) => name)).toEqual(names);
  });

  it("takes no path and no glob", () => {
    expect(() => selectNames(withStatistics, ["bn"], "interpolate")).toThrow(
      'interpolate: the model has no parameter "bn"',
    );
    expect(() => selectNames(withStatistics, ["bn.*"], "interpolate")).toThrow("no parameter");
  });
});
