/** Theaters that cannot open, half way. */
import { numpy as np } from "@jax-js/jax";
import { describe, expect, it } from "vitest";
import { custom, type Modification, noise, scale, surgicalTheater } from "../../src/jax.ts";
import { failing, faultPoint } from "../support/failing.ts";
import { backendOf, stateOf } from "../support/jax.ts";
import { leavingNoTrace, makeParams } from "./params.ts";

const mine = new Error("mine");

describe("a theater that cannot open changes nothing, when", () => {
  const params = makeParams();
  const wrong = (fn: (w: np.Array) => unknown): Modification<np.Array> =>
    custom(fn as (w: np.Array) => np.Array, { returns: "value" });
  const cases: readonly {
    readonly when: string;
    readonly fn: (w: np.Array) => unknown;
    readonly code: string;
  }[] = [
    { when: "throws", fn: () => thrower(), code: "modification_threw" },
    {
      when: "consumes its argument and throws",
      fn: (w) => (w.dispose(), thrower()),
      code: "modification_threw",
    },
    { when: "returns nothing", fn: () => undefined, code: "dtype_mismatch" },
    { when: "returns a number", fn: () => 1, code: "dtype_mismatch" },
    { when: "returns a promise of an array", fn: async (w) => w, code: "dtype_mismatch" },
    { when: "returns what it has freed", fn: (w) => (w.dispose(), w), code: "dtype_mismatch" },
    { when: "returns another shape", fn: () => np.zeros([3]), code: "shape_mismatch" },
    { when: "returns another dtype", fn: (w) => w.astype(np.int32), code: "dtype_mismatch" },
    {
      when: "returns an array on another device",
      fn: ({ shape }) => np.ones(shape, { device: "cpu" }),
      code: "dtype_mismatch",
    },
  ];
  const thrower = (): never => {
    throw mine;
  };

  it.each(cases)("its custom function $when", ({ fn, code }) =>
    leavingNoTrace(params, () => {
      for (const at of [1, 4]) {
        let calls = 0;
        const late = wrong((w) => (++calls < at ? w.mul(2) : fn(w)));
        for (const modification of [late, [scale(2), late, noise({ std: 1, seed: 1 })]]) {
          calls = 0;
          expect(() => surgicalTheater(params, { modification, layers: "all" })).toThrow(
            expect.objectContaining({ name: "ModificationError", code }),
          );
        }
      }
    }),
  );

  it("the device runs out of memory, at whichever allocation", () => {
    const point = faultPoint(backendOf("wasm"), "malloc");
    const before = stateOf(params);
    for (let n = 1; ; n++) {
      const { thrown, fired } = failing(point, n, () => {
        const modification = [scale(2), noise({ std: 1, seed: 1 })];
        surgicalTheater(params, { modification, layers: "all" }).close();
      });
      expect(stateOf(params)).toEqual(before);
      if (!fired) {
        expect(thrown).toMatchObject({ code: "unused" });
        break;
      }
      expect(thrown).toMatchObject({ name: "Fault" });
    }
  });
});
