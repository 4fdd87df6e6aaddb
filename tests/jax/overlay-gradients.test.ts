/** Gradients through a modification, to the original parameters. */
import { grad, numpy as np } from "@jax-js/jax";
import { describe, expect, it } from "vitest";
import { custom, disable, type Modification, noise, overlay, scale, withTheater } from "../../src/jax.ts";
import { smallFloats } from "../support/bits.ts";
import { arrayOf } from "../support/jax.ts";
import { numbersOf } from "./params.ts";

describe("gradients", () => {
  const overlaid = overlay(
    ({ w, v }: { w: np.Array; v: np.Array }, x: np.Array) => np.sum(w.ref.mul(w).mul(x).add(v)),
    {
      layers: "w",
    },
  );
  const w = arrayOf(smallFloats(200, 1), [200]);
  const v = arrayOf(smallFloats(200, 2), [200]);
  const x = arrayOf(smallFloats(200, 3), [200]);
  /** With respect to the original parameters. */
  const gradientOf = (modification: Modification<np.Array>): { w: Float32Array; v: Float32Array } => {
    const gradient = grad(((tree: { w: np.Array; v: np.Array }) =>
      overlaid(tree, modification, x.ref)) as never)(...([{ w: w.ref, v: v.ref }] as never)) as unknown as {
      w: np.Array;
      v: np.Array;
    };
    return { w: numbersOf(gradient.w), v: numbersOf(gradient.v) };
  };
  const expectNear = (found: Float32Array, expected: (w: number, x: number, i: number) => number): void => {
    const [ws, xs] = [numbersOf(w), numbersOf(x)];
    for (const [i, each] of found.entries()) expect(each).toBeCloseTo(expected(ws[i]!, xs[i]!, i), 5);
  };

  it("go through a scale to the original parameters", () => {
    const found = gradientOf(scale(0.5));
    // d/dw Σ (w/2)² x
    expectNear(found.w, (w, x) => 0.5 * w * x);
    expectNear(found.v, () => 1);
  });

  it("go through noise, zeros, and functions of one's own", () => {
    const delta = withTheater(
      { w },
      { modification: noise({ std: 1, seed: 1 }), layers: "all" },
      (modified) => numbersOf(modified.w),
    );
    expectNear(gradientOf(noise({ std: 1, seed: 1 })).w, (_, x, i) => 2 * delta[i]! * x);
    expectNear(gradientOf(disable()).w, () => 0);
    expectNear(gradientOf(custom((w) => w.mul(2), { returns: "value" })).w, (w, x) => 8 * w * x);
    expect(w.refCount).toBe(1);
  });

  it("go through trees of any form", () => {
    const summed = overlay(({ layers }: { layers: np.Array[] }) => np.sum(layers[0]!.ref.mul(layers[0]!)), {
      layers: "all",
    });
    const gradient = grad(((layers: np.Array[]) => summed({ layers }, scale(2))) as never)(
      ...([[w.ref]] as never),
    ) as unknown as np.Array[];
    expectNear(numbersOf(gradient[0]!), (w) => 8 * w);
    summed.dispose();
  });

  it("need an absolute std: there are no values to be relative to", () => {
    expect(() => gradientOf(noise({ std: 1, seed: 1, relativeTo: "parameterStd" }))).toThrow(
      expect.objectContaining({ name: "UnsupportedError", code: "engine" }),
    );
  });
});
