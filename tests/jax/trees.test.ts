/** Which trees a theater takes, and how their arrays are called. */
import type { numpy as np } from "@jax-js/jax";
import { tree } from "@jax-js/jax";
import { describe, expect, it } from "vitest";
import { interpolate, planTheater, scale, surgicalTheater, withTheater } from "../../src/jax.ts";
import { smallFloats } from "../support/bits.ts";
import { arrayOf } from "../support/jax.ts";
import { leavingNoTrace, makeParams, numbersOf } from "./params.ts";

const all = { modification: scale(2), layers: "all" } as const;
const array = (length: number, seed = 1): np.Array => arrayOf(smallFloats(length, seed), [length]);

describe("arrays are known by their paths", () => {
  it("through dictionaries and lists, in the order of tree.flatten", () => {
    const params = makeParams();
    const plan = planTheater(params, all);
    expect(plan.parameters.map(({ name }) => name)).toEqual([
      "attn.q",
      "attn.proj",
      "layers.0.kernel",
      "layers.0.bias",
      "layers.1.kernel",
      "layers.1.bias",
      "head",
    ]);
    expect(plan.layers).toEqual(["attn", "layers.0", "layers.1", "head"]);
    expect(planTheater(params, { modification: scale(2) }).parameters.map(({ name }) => name)).toEqual([
      "attn.q",
      "attn.proj",
    ]);
  });

  it("also those of a bare array and of a list", () => {
    const w = array(200);
    expect(planTheater(w, all).parameters.map(({ name }) => name)).toEqual(["params"]);
    expect(planTheater([w, [array(200)]], all).parameters.map(({ name }) => name)).toEqual(["0", "1.0"]);
  });

  it("and two arrays with one path are refused", () => {
    const clash = { "a.b": array(3), a: { b: array(3) } };
    expect(() => planTheater(clash, all)).toThrow(/"a\.b" is the path of two arrays.*Nothing was changed/);
    const empty = { params: array(3), "": { "": array(3) } };
    expect(() => planTheater(empty, all)).toThrow(TypeError);
  });
});

describe("the modified tree", () => {
  it("has the same keys in the same order, and every other leaf is the same object", () => {
    class Config {
      readonly heads = 2;
    }
    const config = new Config();
    const params = {
      z: array(3),
      a: [array(4), null, "relu", 7],
      config,
      nothing: undefined,
      no: {},
      none: [],
    };
    withTheater(params, all, (modified) => {
      expect(Object.keys(modified)).toEqual(Object.keys(params));
      expect(modified.config).toBe(config);
      expect(modified.a.slice(1)).toEqual([null, "relu", 7]);
      expect(modified.no).toEqual({});
      expect(tree.structure(modified as never).toString()).toBe(tree.structure(params as never).toString());
      expect(numbersOf(modified.z)).toEqual(numbersOf(params.z).map((x) => 2 * x));
    });
  });

  it("may be a bare array", () => {
    const w = array(200);
    const first = withTheater(w, all, (modified) => numbersOf(modified)[1]);
    expect(first).toBe(2 * numbersOf(w)[1]!);
  });

  it("has keys that are properties of every object", () => {
    const params = { constructor_: array(3), toString: array(3), __proto: array(3) };
    const keys = withTheater(params, all, (modified) => Object.entries(modified).map(([key]) => key));
    expect(keys).toEqual(Object.keys(params));
    const odd = JSON.parse('{ "__proto__": 0 }') as Record<string, np.Array>;
    Object.defineProperty(odd, "__proto__", { value: array(3), enumerable: true });
    const shown = withTheater(odd, all, (modified) =>
      Object.entries(modified).map(([key, w]) => [key, w.shape]),
    );
    expect(shown).toEqual([["__proto__", [3]]]);
  });
});

describe("tied arrays", () => {
  const shared = array(200);
  const params = { embedding: shared, head: { kernel: shared }, other: array(200, 2) };

  it("are one parameter with two names, and one array in the modified tree", () =>
    leavingNoTrace(params, () => {
      const plan = planTheater(params, { ...all, layers: ["head.kernel"] });
      expect(plan).toMatchObject({ heldBytes: 800, targetBytes: 800, modelBytes: 1600 });
      const theater = surgicalTheater(params, all);
      const modified = theater.take();
      expect(modified.head.kernel === modified.embedding).toBe(true);
      expect(modified.embedding.refCount).toBe(2);
      expect(numbersOf(modified.head.kernel)).toEqual(numbersOf(shared).map((x) => 2 * x));
      expect(modified.other === modified.embedding).toBe(false);
      expect(theater.params.head.kernel === theater.params.embedding).toBe(true);
      theater.close();
    }));

  it("may be given by any name, and not by two with different values", () => {
    const towards = array(200, 3);
    const shown = withTheater(
      params,
      { modification: interpolate({ "head.kernel": towards }) },
      ({ embedding }) => numbersOf(embedding),
    );
    expect(shown).toEqual(numbersOf(towards));
    const both = { embedding: towards, "head.kernel": array(200, 4) };
    expect(() => planTheater(params, { modification: interpolate(both) })).toThrow(/are one parameter/);
  });
});

describe("is refused, and left as it was:", () => {
  class Dense {
    kernel = array(200);
    readonly name = "dense";
  }

  it("an array in a class instance, by its path", () => {
    const params = { layers: [new Dense()], head: array(200) };
    expect(() => surgicalTheater(params, all)).toThrow(
      expect.objectContaining({ name: "UnsupportedError", code: "entry_point" }),
    );
    expect(() => surgicalTheater(params, all)).toThrow(/"layers\.0\.kernel".*Give a plain object/);
  });

  it("arrays deeper in a class instance, and in a Map", () => {
    class Block {
      readonly parts = { dense: { kernel: array(200) }, list: [array(3)] };
    }
    const block = new Block();
    expect(() => surgicalTheater({ block, w: array(3) }, all)).toThrow(/"block\.parts\.dense\.kernel"/);
    const map = new Map([["kernel", array(3)]]);
    expect(() => surgicalTheater({ map, w: array(3) }, all)).toThrow(/"map\.kernel"/);
  });

  it("what is no tree of arrays", () => {
    for (const params of [undefined, null, 3, "weights"])
      expect(() => planTheater(params, all)).toThrow(TypeError);
    for (const params of [{}, [], { a: 1 }]) {
      expect(() => planTheater(params, all)).toThrow(expect.objectContaining({ code: "no_match" }));
    }
    expect(() => planTheater({ w: Float32Array.of(1) }, all)).toThrow(
      expect.objectContaining({ code: "entry_point" }),
    );
  });

  it("a parameter that something has consumed", () => {
    const params = { kept: array(3), gone: array(3) };
    params.gone.dispose();
    for (const call of [planTheater, surgicalTheater]) {
      expect(() => call(params, all)).toThrow(/"gone" is freed.*Pass tree\.ref\(params\) there/);
    }
    expect(params.kept.refCount).toBe(1);
  });
});

describe("a class instance whose arrays are exchanged by hand", () => {
  class Dense {
    kernel = array(200);
  }

  it("is modified field by field: its arrays are given as a plain object", () => {
    const dense = new Dense();
    const { kernel } = dense;
    withTheater({ kernel }, all, (modified) => {
      Object.assign(dense, modified);
      expect(numbersOf(dense.kernel)).toEqual(numbersOf(kernel).map((x) => 2 * x));
      dense.kernel = kernel;
    });
    expect(kernel.refCount).toBe(1);
  });
});
