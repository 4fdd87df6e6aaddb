/** What options, patterns and entries say about each parameter of an adapter. */
import { describe, expect, it } from "vitest";
import { lora, type LoraFactors, type LoraOptions } from "../../src/index.ts";
import { kindOf } from "../../src/modification.ts";
import type { LowRank } from "../../src/step.ts";
import type { Parameter } from "../../src/store.ts";
import { thrownBy } from "../support/thrown.ts";
import { inMemory } from "./models.ts";

const { parameters } = inMemory({ w: { shape: [4, 6] } });

/** The delta that an adapter of one entry adds. */
function deltaOf(
  name: string,
  options: LoraOptions,
  entry: object = {},
  shape: readonly number[] = [4, 6],
): LowRank<unknown> {
  const parameter: Parameter = { ...parameters[0]!, name, shape };
  const factors: LoraFactors<unknown> = { a: "a", b: "b", ...entry };
  const modification = lora({ [name]: factors }, options);
  const steps = kindOf(modification).steps(modification, parameter, { seed: undefined, facts: undefined });
  const [step] = steps;
  if (step?.op !== "add" || step.delta.kind !== "lowRank") return expect.fail("no low-rank delta");
  return step.delta;
}

describe("the scaling", () => {
  it("is alpha / loraRank, and with rsLora alpha / √loraRank", () => {
    expect(deltaOf("w", { alpha: 8, loraRank: 4 }).scaling).toBe(2);
    expect(deltaOf("w", { alpha: 8, loraRank: 4, rsLora: true }).scaling).toBe(4);
    expect(deltaOf("w", { alpha: 8, loraRank: 4, rsLora: false }).scaling).toBe(2);
  });
});

describe("a pattern", () => {
  const pattern = (name: string, key: string): boolean =>
    deltaOf(name, { alpha: 1, loraRank: 1, rankPattern: { [key]: 7 } }).loraRank === 7;

  it.each([
    ["layers.0.q", "q"],
    ["layers.0.q", "0.q"],
    ["layers.0.q", "layers.0.q"],
    ["layers.0.q.weight", "q"],
    ["layers.0.q.weight", "q.weight"],
    ["layers.10.q", String.raw`layers\.1\d\.(q|v)`],
    ["layers.0.q", ".*q"],
    ["layers.11.q", String.raw`(\d)\3.q`],
    ["attention/query/kernel", "query"],
    ["attention/query/kernel", "attention/query"],
    ["q", "q"],
  ])("fits %s with the key %s", (name, key) => {
    expect(pattern(name, key)).toBe(true);
  });

  it.each([
    ["layers.0.qq", "q"],
    ["layers.0.q.up", "layers"],
    ["layers.0.q.up.weight", "q"],
    ["layers.0.q", "v|k"],
  ])("does not fit %s with the key %s", (name, key) => {
    expect(pattern(name, key)).toBe(false);
  });

  it("counts where it is the first that fits", () => {
    const rankPattern = { v: 2, "layers.0.*": 3, q: 4 };
    const alphaPattern = { "layers.1.*": 10, q: 20 };
    const options = { alpha: 1, loraRank: 1, rankPattern, alphaPattern };
    expect(deltaOf("layers.0.q", options)).toMatchObject({ loraRank: 3, scaling: 20 / 3 });
    expect(deltaOf("layers.1.q", options)).toMatchObject({ loraRank: 4, scaling: 10 / 4 });
    expect(deltaOf("layers.1.k", options)).toMatchObject({ loraRank: 1, scaling: 10 });
    expect(deltaOf("up", options)).toMatchObject({ loraRank: 1, scaling: 1 });
  });

  it("comes after what the entry itself says", () => {
    const options = { alpha: 1, loraRank: 1, rankPattern: { w: 2 }, alphaPattern: { w: 2 } };
    expect(deltaOf("w", options, { alpha: 12, loraRank: 3 })).toMatchObject({ loraRank: 3, scaling: 4 });
    expect(deltaOf("w", options, { alpha: 0.5 })).toMatchObject({ loraRank: 2, scaling: 0.25 });
  });

  it.each([
    [{ rankPattern: { "(": 1 } }, RangeError, 'rankPattern["("]: the key is not a regular expression'],
    [{ rankPattern: { q: 1.5 } }, RangeError, 'rankPattern["q"] must be a positive integer, got 1.5'],
    [{ alphaPattern: { q: "1" } }, TypeError, 'alphaPattern["q"] must be a number'],
    [{ alphaPattern: [1] }, TypeError, "alphaPattern must be a record of numbers by regular expression"],
    [{ rsLora: 1 }, TypeError, "rsLora must be true or false, got 1"],
    [{ rslora: true }, TypeError, 'Did you mean "rsLora"?'],
    [{ rank_pattern: {} }, TypeError, 'Did you mean "rankPattern"?'],
  ] as const)("is refused: %j", (options, kind, says) => {
    const build = (): unknown =>
      lora({ w: { a: 1, b: 1 } }, { alpha: 1, loraRank: 1, ...(options as object) });
    const error = thrownBy(build) as Error;
    expect(error).toBeInstanceOf(kind);
    expect(error.message).toContain(says);
    expect(error.message).toContain("unchanged");
  });
});

describe("an entry", () => {
  it("has a layout of its own", () => {
    const options = { alpha: 1, loraRank: 1, layout: "inOut" } as const;
    expect(deltaOf("w", options).layout).toBe("inOut");
    expect(deltaOf("w", options, { layout: "outIn" }).layout).toBe("outIn");
  });

  it("without a layout has outputs first, where the shape can tell", () => {
    const options = { alpha: 1, loraRank: 1 };
    expect(deltaOf("w", options).layout).toBe("outIn");
    expect(deltaOf("w", options, {}, [4, 4, 1, 1]).layout).toBe("outIn");
    expect(deltaOf("w", options, {}, [4, 2, 2]).layout).toBe("outIn");
  });

  it.each([
    ["a square matrix", [4, 4]],
    ["a convolution with as many outputs as places", [3, 8, 3]],
    ["a convolution with dimensions of one length", [3, 3, 16, 3]],
  ])("without a layout is refused for %s", (_, shape) => {
    for (const alpha of [1, 0]) {
      expect(thrownBy(() => deltaOf("w", { alpha, loraRank: 1 }, {}, shape))).toMatchObject({
        name: "ModificationError",
        code: "shape_mismatch",
        parameter: "w",
        message:
          `lora: "w" has shape [${shape.join(", ")}], which does not tell its outputs from its inputs, and no layout ` +
          'is given. The model is unchanged. Write layout: "outIn" for [outputs, ...inputs] (PyTorch), or ' +
          'layout: "inOut" for [...inputs, outputs] (TensorFlow.js, embeddings).',
      });
    }
  });

  it.each(["outIn", "inOut"] as const)("with the layout %s, there or in the options, is not", (layout) => {
    const options = { alpha: 1, loraRank: 1 };
    expect(deltaOf("w", options, { layout }, [4, 4]).layout).toBe(layout);
    expect(deltaOf("w", { ...options, layout }, {}, [4, 4]).layout).toBe(layout);
  });

  it("of a tied parameter may leave out what another says, where the shape can tell", () => {
    const tied = (shape: readonly number[]): unknown => {
      const parameter: Parameter = { ...parameters[0]!, shape, aliases: ["t"] };
      const factors = { a: "a", b: "b" };
      const modification = lora(
        { w: factors, t: { ...factors, layout: "outIn" } },
        { alpha: 1, loraRank: 1 },
      );
      return kindOf(modification).steps(modification, parameter, { seed: undefined, facts: undefined });
    };
    expect(tied([4, 6])).toMatchObject([{ delta: { layout: "outIn" } }]);
    expect(thrownBy(() => tied([4, 4]))).toMatchObject({ code: "shape_mismatch", parameter: "w" });
  });

  it.each([
    [{ alpha: NaN }, 'adapter["w"].alpha must be finite'],
    [{ loraRank: 0 }, 'adapter["w"].loraRank must be a positive integer'],
    [{ layout: "inout" }, 'adapter["w"].layout must be "outIn" or "inOut"'],
    [{ magnitud: 1 }, 'Did you mean "magnitude"?'],
  ])("is refused: %j", (entry, says) => {
    expect(thrownBy(() => deltaOf("w", { alpha: 1, loraRank: 1 }, entry))).toMatchObject({
      message: expect.stringContaining(says) as unknown,
    });
  });
});

describe("the description of an adapter", () => {
  const line = (adapter: Record<string, object>, options: LoraOptions): string => {
    const modification = lora(adapter as Record<string, LoraFactors<unknown>>, options);
    return kindOf(modification).describe(modification, undefined);
  };

  it("says what is not the same everywhere", () => {
    const [plain, dora] = [
      { a: 1, b: 1 },
      { a: 1, b: 1, magnitude: 1 },
    ];
    const options = { alpha: 16, loraRank: 8, rsLora: true, rankPattern: { v: 4 } };
    expect(line({ q: plain, v: dora }, options)).toBe(
      "lora(2 parameters, rank=4 to 8, alpha=16, rsLora, 1 with magnitude)",
    );
  });
});
