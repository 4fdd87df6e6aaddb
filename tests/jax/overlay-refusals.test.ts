/** What a function with an overlay refuses. */
import { numpy as np, tree } from "@jax-js/jax";
import { beforeEach, describe, expect, it } from "vitest";
import { custom, interpolate, lora, noise, overlay, scale } from "../../src/jax.ts";
import { smallFloats } from "../support/bits.ts";
import { arrayOf } from "../support/jax.ts";
import { forward, leavingNoTrace, makeParams, type Params } from "./params.ts";

const params = makeParams();
let traces = 0;
beforeEach(() => void (traces = 0));

const traced = (modified: Params): np.Array => {
  traces++;
  return forward(modified);
};

const factors = { a: arrayOf(smallFloats(32, 1), [2, 16]), b: arrayOf(smallFloats(96, 2), [48, 2]) };

describe("is refused before anything is consumed:", () => {
  const overlaid = overlay(traced, { layers: "attention" });
  it.each<readonly [string, () => unknown, object]>([
    ["no modification", () => overlaid(params, undefined as never), { name: "TypeError" }],
    [
      "a misspelt modification",
      () => overlaid(params, { type: "scael", factor: 1 } as never),
      { name: "TypeError" },
    ],
    ["a factor of NaN", () => overlaid(params, { type: "scale", factor: NaN }), { name: "RangeError" }],
    [
      "a selection of nothing",
      () => overlay(traced, { layers: /none/ })(params, scale(2)),
      { code: "no_match" },
    ],
    [
      "a misspelt option",
      () => overlay(traced, { layer: "all" } as never)(params, scale(2)),
      { name: "TypeError" },
    ],
    ["noise without a seed", () => overlaid(params, noise({ std: 1 })), { name: "TypeError" }],
    [
      "an adapter of another shape",
      () => overlay(traced)(params, lora({ head: factors }, { alpha: 1, loraRank: 2 })),
      { code: "shape_mismatch" },
    ],
    [
      "an average of another shape",
      () => overlay(traced)(params, interpolate({ head: np.ones([3]) })),
      { code: "shape_mismatch" },
    ],
    ["something that is no tree", () => overlaid(3 as never, scale(2)), { name: "TypeError" }],
  ])("%s", (_, call, error) =>
    leavingNoTrace(params, () => {
      expect(call).toThrow(expect.objectContaining(error));
      expect(traces).toBe(0);
    }),
  );

  it("a function that is none", () => {
    expect(() => overlay(3 as never)).toThrow(/overlay: the first argument must be a function/);
  });

  it("parameters that something has consumed", () => {
    const gone = { w: arrayOf(smallFloats(200, 1), [200]) };
    gone.w.dispose();
    const call = (): unknown => overlay(({ w }: { w: np.Array }) => w, { layers: "all" })(gone, scale(2));
    expect(call).toThrow(/"w" is freed/);
  });
});

it.each<readonly [string, (w: np.Array) => unknown, string]>([
  ["another shape", (w) => w.ref.slice(0), "shape_mismatch"],
  ["another dtype", (w) => w.astype(np.int32), "dtype_mismatch"],
  ["a promise", async (w) => w, "dtype_mismatch"],
  ["nothing", () => undefined, "dtype_mismatch"],
])("a custom function that returns %s is refused while it is traced", (_, fn, code) => {
  const overlaid = overlay(traced, { layers: "attention" });
  const modification = custom(fn as (w: np.Array) => np.Array, { returns: "value" });
  expect(() => overlaid(tree.ref(makeParams()), modification)).toThrow(
    expect.objectContaining({ name: "ModificationError", code }),
  );
});
