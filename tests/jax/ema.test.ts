/** Averages of parameters that each training step makes anew. */
import { numpy as np, tree } from "@jax-js/jax";
import { describe, expect, it } from "vitest";
import * as memory from "../../src/index.ts";
import { Ema, interpolate, scale, surgicalTheater, withTheater } from "../../src/jax.ts";
import { bits, smallFloats } from "../support/bits.ts";
import { arrayOf } from "../support/jax.ts";
import { leavingNoTrace, meter, numbersOf } from "./params.ts";

type Params = { layer: { kernel: np.Array }; bias: np.Array; step: np.Array };

/** What a training step has made. */
function paramsAt(step: number): Params {
  return {
    layer: { kernel: arrayOf(smallFloats(200, step), [200]) },
    bias: arrayOf(smallFloats(130, step + 50), [130]),
    step: np.array(Int32Array.of(step)),
  };
}

const steps = [1, 2, 3, 4, 5];

describe("an average of jax-js arrays", () => {
  it.each([true, false])(
    "is that of typed arrays, but for the rounding of two steps; corrected: %s",
    (biasCorrection) => {
      const record = { "layer.kernel": new Float32Array(200), bias: new Float32Array(130) };
      const expected = new memory.Ema(record, { decay: 0.9, biasCorrection });
      const first = paramsAt(0);
      const ema = new Ema(first, { decay: 0.9, biasCorrection });
      for (const step of steps) {
        const params = paramsAt(step);
        ema.update(params);
        record["layer.kernel"].set(smallFloats(200, step));
        record.bias.set(smallFloats(130, step + 50));
        expected.update();
        tree.dispose(params);
      }
      expect(ema.updates).toBe(5);
      expect(Object.keys(ema.weights)).toEqual(["layer.kernel", "bias"]);
      for (const [name, average] of Object.entries(ema.weights)) {
        const found = numbersOf(average);
        for (const [i, value] of (expected.weights[name] as Float32Array).entries()) {
          expect(Math.abs(found[i]! - value)).toBeLessThan(1e-6);
        }
      }
      ema.dispose();
    },
  );

  it("holds as much as the parameters, constantly, and nothing when it is freed", () =>
    leavingNoTrace(paramsAt(0), (params) => {
      const before = meter.bytes();
      using ema = new Ema(params, { decay: 0.5 });
      expect(ema.bytes).toBe(0);
      ema.update(params);
      // An alias: there is nothing to average yet.
      expect(meter.bytes()).toBe(before);
      const sizes = steps.map((step) => {
        const next = paramsAt(step);
        ema.update(next);
        tree.dispose(next);
        for (const average of Object.values(ema.weights)) numbersOf(average);
        return meter.bytes() - before;
      });
      expect(sizes).toEqual(steps.map(() => ema.bytes));
      expect(ema.bytes).toBe(4 * 330);
    }));

  it("is shown without a copy, by the arrays themselves", () => {
    const params = paramsAt(1);
    using ema = new Ema(params, { decay: 0.5 });
    for (const step of steps) ema.update(paramsAt(step));
    const kernel = numbersOf(ema.weights["layer.kernel"]!);
    const theater = surgicalTheater(params, { modification: interpolate(ema.weights) });
    expect(theater.report().heldBytes).toBe(0);
    expect(bits(numbersOf(theater.params.layer.kernel))).toBe(bits(kernel));
    // What is shown is what it was, though the average goes on, and its old arrays are consumed.
    ema.update(paramsAt(6));
    expect(bits(numbersOf(theater.params.layer.kernel))).toBe(bits(kernel));
    expect(bits(numbersOf(ema.weights["layer.kernel"]!))).not.toBe(bits(kernel));
    theater.close();
    expect(numbersOf(ema.weights["layer.kernel"]!)).toHaveLength(200);
  });

  it("does not know of theaters: they do not change what is trained", () => {
    const params = paramsAt(1);
    using ema = new Ema(params, { decay: 0.5 });
    withTheater(params, { modification: scale(2), layers: "all" }, ({ bias }) => {
      ema.update(params);
      expect(bits(numbersOf(ema.weights["bias"]!))).toBe(bits(numbersOf(params.bias)));
      return bias;
    });
  });
});

describe("an update is refused, and changes nothing,", () => {
  const params = paramsAt(1);
  const ema = new Ema(params, { decay: 0.5 });
  ema.update(params);
  const state = (): string =>
    Object.values(ema.weights)
      .map((average) => bits(numbersOf(average)))
      .join();

  it.each<readonly [string, object, object]>([
    [
      "of other names",
      { kernel: np.ones([200]), bias: np.ones([130]) },
      { name: "LayersError", code: "unknown_name" },
    ],
    ["of fewer", { bias: np.ones([130]) }, { name: "LayersError", code: "unknown_name" }],
    [
      "of other shapes",
      { layer: { kernel: np.ones([100, 2]) }, bias: np.ones([130]) },
      { name: "ModificationError", code: "shape_mismatch" },
    ],
    ["of no floats", { ids: np.array(Int32Array.of(1)) }, { name: "LayersError", code: "unknown_name" }],
    ["of no tree", { layer: 1 }, { name: "LayersError" }],
  ])("%s", (_, wrong, error) => {
    const before = state();
    expect(() => ema.update(wrong as Params)).toThrow(expect.objectContaining(error));
    expect(ema.updates).toBe(1);
    expect(state()).toBe(before);
  });

  it("of parameters that were freed", () => {
    const before = state();
    const gone = paramsAt(2);
    gone.bias.dispose();
    expect(() => ema.update(gone)).toThrow(/"bias" is freed/);
    expect(state()).toBe(before);
    expect(gone.layer.kernel.refCount).toBe(1);
  });
});
