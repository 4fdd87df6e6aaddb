import { describe, expect, it } from "vitest";
import { disable, noise, prune, quantize, scale } from "../../src/index.ts";
import {
  ablation,
  adapters,
  averages,
  factors,
  formats,
  grid,
  layerFactors,
  noiseLevels,
  sparsities,
} from "../../src/sweep.ts";

const half = { a: { a: Float32Array.of(1), b: Float32Array.of(1) } };

describe("the builders of trials", () => {
  it("take away layers one by one, or modify them otherwise", () => {
    expect(ablation(["a", "b"])).toEqual([
      { name: "without a", kind: "ablation", tags: { layer: "a" }, modification: disable(), layers: "a" },
      { name: "without b", kind: "ablation", tags: { layer: "b" }, modification: disable(), layers: "b" },
    ]);
    expect(ablation(["a"], { modification: scale(0.5) })[0]!.modification).toEqual(scale(0.5));
  });

  it("scale each layer by each factor, and all together", () => {
    expect(layerFactors(["a", "b"], [0.5, 2]).map(({ name, tags }) => [name, tags])).toEqual([
      ["a × 0.5", { layer: "a", factor: 0.5 }],
      ["a × 2", { layer: "a", factor: 2 }],
      ["b × 0.5", { layer: "b", factor: 0.5 }],
      ["b × 2", { layer: "b", factor: 2 }],
    ]);
    expect(factors([0.5], { layers: "a" })).toEqual([
      { name: "× 0.5", kind: "factor", tags: { factor: 0.5 }, modification: scale(0.5), layers: "a" },
    ]);
  });

  it("add each level of noise with each seed", () => {
    const trials = noiseLevels({ std: [0.1, 1], seeds: [1, 2], relativeTo: "parameterStd" });
    expect(trials.map(({ name }) => name)).toEqual([
      "noise 0.1, seed 1",
      "noise 0.1, seed 2",
      "noise 1, seed 1",
      "noise 1, seed 2",
    ]);
    expect(trials[3]).toEqual({
      name: "noise 1, seed 2",
      kind: "noise",
      tags: { std: 1, seed: 2 },
      modification: noise({ std: 1, seed: 2, relativeTo: "parameterStd" }),
      layers: "all",
    });
  });

  it("merge adapters, and show averages, where these say", () => {
    const [adapter] = adapters({ first: half }, { alpha: 1, loraRank: 1 });
    expect(adapter).toMatchObject({
      kind: "adapter",
      tags: { adapter: "first" },
      modification: { alpha: 1 },
    });
    expect(adapter).not.toHaveProperty("layers");
    const [average] = averages({ ema: { a: Float32Array.of(1) } });
    expect(average).toMatchObject({ kind: "average", tags: { average: "ema" } });
    expect(average).not.toHaveProperty("layers");
  });

  it("quantize and prune", () => {
    expect(formats(["bnb-nf4"])).toEqual([
      {
        name: "as bnb-nf4",
        kind: "quantize",
        tags: { format: "bnb-nf4" },
        modification: quantize({ format: "bnb-nf4" }),
        layers: "all",
      },
    ]);
    expect(sparsities([0.5], { layers: ["a"] })).toEqual([
      {
        name: "pruned 0.5",
        kind: "prune",
        tags: { sparsity: 0.5 },
        modification: prune({ sparsity: 0.5 }),
        layers: ["a"],
      },
    ]);
  });

  it("cross modifications with selections", () => {
    const trials = grid({ half: scale(0.5), none: [disable()] }, { everything: "all", two: ["a", "b"] });
    expect(trials.map(({ name, tags, layers }) => [name, tags, layers])).toEqual([
      ["half on everything", { modification: "half", layers: "everything" }, "all"],
      ["half on two", { modification: "half", layers: "two" }, ["a", "b"]],
      ["none on everything", { modification: "none", layers: "everything" }, "all"],
      ["none on two", { modification: "none", layers: "two" }, ["a", "b"]],
    ]);
  });

  it.each([
    ["ablation", () => ablation([])],
    ["layerFactors", () => layerFactors(["a"], [])],
    ["factors", () => factors([])],
    ["noiseLevels", () => noiseLevels({ std: [1], seeds: [] })],
    ["adapters", () => adapters({}, { alpha: 1, loraRank: 1 })],
    ["averages", () => averages({})],
    ["formats", () => formats([])],
    ["sparsities", () => sparsities([])],
    ["grid", () => grid({ half: scale(0.5) }, {})],
  ])("refuse an empty list: %s", (name, build) => {
    expect(build).toThrow(RangeError);
    expect(build).toThrow(new RegExp(`^${name}.*the list is empty`));
  });

  it("refuse what is no list, and values that make no sense", () => {
    expect(() => ablation("a" as never)).toThrow('ablation: names must be a list, got "a"');
    expect(() => grid([] as never, { all: "all" })).toThrow("grid: modifications must be a record");
    expect(() => factors([NaN])).toThrow("scale: factor must be finite");
    expect(() => noiseLevels({ std: [-1], seeds: [1] })).toThrow("noise: std must not be negative");
    expect(() => formats(["nf4"] as never)).toThrow("quantize: format");
    expect(() => noiseLevels({ stds: [1], seeds: [1] } as never)).toThrow('Did you mean "std"?');
  });
});
