import { describe, expect, it } from "vitest";
import {
  custom,
  disable,
  interpolate,
  lora,
  type Modification,
  noise,
  scale,
  withTheater,
} from "../../src/index.ts";
import { checkModification, kindOf } from "../../src/modification.ts";
import { inMemory } from "./models.ts";

const double = (w: Float32Array): Float32Array => w.map((x) => 2 * x);
const average = { kernel: Float32Array.of(5, 6, 7) };
const adapter = { kernel: { a: Float32Array.of(1, 2, 3), b: Float32Array.of(0.5) } };
const transposed = { kernel: { a: Float32Array.of(0.5), b: Float32Array.of(1, 2, 3) } };

interface Pair {
  readonly name: string;
  readonly built: Modification<Float32Array>;
  readonly literal: Modification<Float32Array>;
}

const plain: readonly Pair[] = [
  { name: "scale", built: scale(0.5), literal: { type: "scale", factor: 0.5 } },
  { name: "noise", built: noise({ std: 0.1, seed: 1 }), literal: { type: "noise", std: 0.1, seed: 1 } },
  {
    name: "relative noise",
    built: noise({ std: 2, seed: 3, relativeTo: "parameterStd" }),
    literal: { type: "noise", std: 2, seed: 3, relativeTo: "parameterStd" },
  },
  { name: "disable", built: disable(), literal: { type: "disable" } },
];

const withArraysOrCode: readonly Pair[] = [
  { name: "custom", built: custom(double), literal: { type: "custom", fn: double } },
  {
    name: "custom that returns the value",
    built: custom(double, { returns: "value" }),
    literal: { type: "custom", fn: double, returns: "value" },
  },
  {
    name: "interpolate",
    built: interpolate(average, 0.25),
    literal: { type: "interpolate", towards: average, amount: 0.25 },
  },
  {
    name: "interpolate all the way",
    built: interpolate(average),
    literal: { type: "interpolate", towards: average, amount: 1 },
  },
  {
    name: "lora",
    built: lora(adapter, { alpha: 2, loraRank: 1 }),
    literal: { type: "lora", adapter, alpha: 2, loraRank: 1 },
  },
  {
    name: "lora on transposed parameters",
    built: lora(transposed, { alpha: 2, loraRank: 1, layout: "inOut" }),
    literal: { type: "lora", adapter: transposed, alpha: 2, loraRank: 1, layout: "inOut" },
  },
];

/** Bits of the kernel while it is modified. */
function shown(modification: Modification<Float32Array>): readonly number[] {
  const data = Float32Array.of(1, -2, 0.1);
  const model = { kernel: { data, shape: [1, 3], dtype: "float32" } } as const;
  return withTheater(model, { modification, layers: "all" }, () => [...new Uint32Array(data.slice().buffer)]);
}

describe.each([...plain, ...withArraysOrCode])("a $name that is built", ({ built, literal }) => {
  it("is a literal", () => {
    expect(built).toStrictEqual(literal);
  });

  it("does what the literal does", () => {
    expect(shown(built)).toEqual(shown(literal));
  });

  it("is frozen", () => {
    expect(built).toSatisfy(Object.isFrozen);
  });

  it("is accepted when it is checked again", () => {
    expect(() => checkModification(built, undefined)).not.toThrow();
  });

  it("is described in one line that begins with its type", () => {
    const line = kindOf(built).describe(built, undefined);
    expect(line).toMatch(new RegExp(`^${built.type}\\(.*\\)$`));
  });
});

describe.each(plain)("a $name", ({ built }) => {
  it("comes back from JSON and does the same", () => {
    const parsed = JSON.parse(JSON.stringify(built)) as typeof built;
    expect(parsed).toStrictEqual(built);
    expect(shown(parsed)).toEqual(shown(built));
  });
});

describe("a literal without its optional properties", () => {
  it("interpolates all the way", () => {
    expect(shown({ type: "interpolate", towards: average })).toEqual(shown(interpolate(average)));
  });

  it("adds an adapter to a parameter of [outputs, inputs]", () => {
    expect(shown({ type: "lora", adapter, alpha: 2, loraRank: 1 })).toEqual(
      shown(lora(adapter, { alpha: 2, loraRank: 1, layout: "outIn" })),
    );
  });

  it("takes what custom returns for a delta", () => {
    expect(shown({ type: "custom", fn: double })).toEqual(shown(custom(double, { returns: "delta" })));
  });

  it("takes the theater's seed for its noise", () => {
    const model = { kernel: Float32Array.of(1, -2, 0.1) };
    const see = (options: Parameters<typeof withTheater>[1]): readonly number[] =>
      withTheater(model, { ...options, layers: "all" }, () => [...model.kernel]);
    expect(see({ modification: { type: "noise", std: 1 }, seed: 5 })).toEqual(
      see({ modification: noise({ std: 1, seed: 5 }) }),
    );
    expect(see({ modification: noise({ std: 1, seed: 5 }), seed: 6 })).toEqual(
      see({ modification: noise({ std: 1, seed: 5 }) }),
    );
  });
});

describe("steps", () => {
  const { parameters } = inMemory({
    kernel: { shape: [3], aliases: ["tied"] },
    matrix: { shape: [2, 3], aliases: ["tied"] },
  });
  const [kernel, matrix] = parameters;
  const stepsOf = (modification: Modification<unknown>, std = 1, of = kernel!): unknown =>
    kindOf(modification).steps(modification, of, {
      seed: 9,
      facts: { std, norms: new Float64Array(0), quantile: 0, operands: [] },
    });

  it("of a scale are one factor", () => {
    expect(stepsOf(scale(0.5))).toEqual([{ op: "scale", by: 0.5 }]);
  });

  it("of disable are one zero", () => {
    expect(stepsOf(disable())).toEqual([{ op: "zero" }]);
  });

  it("of noise are one delta, relative to the parameter's std where that was asked for", () => {
    const delta = (std: number, seed: number): unknown => [
      { op: "add", delta: { kind: "noise", seed, std } },
    ];
    expect(stepsOf(noise({ std: 2, seed: 1 }), 3)).toEqual(delta(2, 1));
    expect(stepsOf({ type: "noise", std: 2 }, 3)).toEqual(delta(2, 9));
    expect(stepsOf(noise({ std: 2, seed: 1, relativeTo: "parameterStd" }), 3)).toEqual(delta(6, 1));
  });

  it("of noise without strength are none", () => {
    expect(stepsOf(noise({ std: 0, seed: 1 }))).toEqual([]);
    expect(stepsOf(noise({ std: 1, seed: 1, relativeTo: "parameterStd" }), 0)).toEqual([]);
  });

  it("of interpolate are a replacement, or a scale and an addition", () => {
    expect(stepsOf(interpolate({ kernel: 1 }))).toEqual([{ op: "replace", by: { kind: "values", of: 1 } }]);
    expect(stepsOf(interpolate({ kernel: 1 }, 0.25))).toEqual([
      { op: "scale", by: 0.75 },
      { op: "add", delta: { kind: "values", times: 0.25, of: 1 } },
    ]);
  });

  it("of interpolate find the value by a further name of the parameter", () => {
    expect(stepsOf(interpolate({ tied: 2 }))).toEqual([{ op: "replace", by: { kind: "values", of: 2 } }]);
    expect(() => stepsOf(interpolate({ tied: 2, kernel: 1 }))).toThrow("kernel and tied are one parameter");
  });

  it("of lora are one delta", () => {
    const factors = { a: 1, b: 2 };
    const delta = { kind: "lowRank", a: 1, b: 2, loraRank: 8, scaling: 2, layout: "outIn" };
    const modification = lora({ matrix: factors }, { alpha: 16, loraRank: 8 });
    expect(stepsOf(modification, 1, matrix)).toEqual([{ op: "add", delta }]);
    const literal = { type: "lora", adapter: { matrix: factors }, alpha: 16, loraRank: 8 } as const;
    expect(stepsOf(literal, 1, matrix)).toEqual([{ op: "add", delta }]);
    expect(stepsOf({ ...literal, layout: "inOut" }, 1, matrix)).toEqual([
      { op: "add", delta: { ...delta, layout: "inOut" } },
    ]);
  });

  it("of lora without strength are none, on a parameter that it fits", () => {
    const modification = lora({ kernel: { a: 1, b: 2 }, matrix: { a: 1, b: 2 } }, { alpha: 0, loraRank: 8 });
    expect(stepsOf(modification, 1, matrix)).toEqual([]);
    expect(() => stepsOf(modification)).toThrow("two dimensions");
  });

  it("of lora find the factors by a further name of the parameter", () => {
    const options = { alpha: 1, loraRank: 1 };
    const [a, b] = [{}, {}];
    const found = [{ op: "add", delta: expect.objectContaining({ a, b }) as unknown }];
    expect(stepsOf(lora({ tied: { a, b } }, options), 1, matrix)).toEqual(found);
    expect(stepsOf(lora({ tied: { a, b }, matrix: { a, b } }, options), 1, matrix)).toEqual(found);
    expect(() => stepsOf(lora({ tied: { a, b }, matrix: { a, b: {} } }, options), 1, matrix)).toThrow(
      "matrix and tied are one parameter",
    );
  });
});

describe("the description of lora", () => {
  const factors = { a: 1, b: 2 };
  const line = (modification: Modification<unknown>): string =>
    kindOf(modification).describe(modification, undefined);

  it("counts its parameters", () => {
    const options = { alpha: 16, loraRank: 8 };
    expect(line(lora({ q: factors, v: factors }, options))).toBe("lora(2 parameters, rank=8, alpha=16)");
    expect(line(lora({ q: factors }, options))).toBe("lora(1 parameter, rank=8, alpha=16)");
  });
});

describe("what a modification applies to by itself", () => {
  it.each([scale(0.5), noise({ std: 1, seed: 1 }), disable(), custom<unknown>((w) => w)])(
    "is attention: $type",
    (modification) => {
      expect(kindOf(modification).targets(modification)).toBe("attention");
    },
  );

  it("is every name in an average", () => {
    const modification: Modification<unknown> = interpolate({ a: 1, b: 2 });
    expect(kindOf(modification).targets(modification)).toEqual(["a", "b"]);
  });

  it("is every name in an adapter", () => {
    const factors = { a: 1, b: 2 };
    const modification: Modification<unknown> = lora({ q: factors, v: factors }, { alpha: 1, loraRank: 1 });
    expect(kindOf(modification).targets(modification)).toEqual(["q", "v"]);
  });
});
