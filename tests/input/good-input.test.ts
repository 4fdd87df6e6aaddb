/** What looks like a mistake and is none. */
import { describe, expect, it } from "vitest";
import { disable, interpolate, planTheater, scale, withTheater } from "../../src/index.ts";

describe("is not a mistake:", () => {
  it("an array without elements, wherever in another's bytes it lies", () => {
    const bytes = Float32Array.of(1, 2, 3, 4);
    const model = { kernel: bytes.subarray(0, 4), bias: bytes.subarray(2, 2) };
    expect(planTheater(model, { modification: scale(2), layers: "all" }).heldBytes).toBe(16);
  });

  it("arrays side by side in one buffer", () => {
    const bytes = Float32Array.of(1, 2, 3, 4);
    const model = { first: bytes.subarray(0, 2), second: bytes.subarray(2, 4) };
    expect(planTheater(model, { modification: scale(2), layers: "all" }).heldBytes).toBe(16);
  });

  it("one array under two names", () => {
    const kernel = Float32Array.of(1, 2);
    const seen = withTheater(
      { first: kernel, second: kernel },
      { modification: scale(2), layers: "all" },
      () => [...kernel],
    );
    expect(seen).toEqual([2, 4]);
  });

  it("an average with values for integers, when layers is all", () => {
    const model = { kernel: Float32Array.of(1), codes: Int8Array.of(7) };
    const average = { kernel: Float32Array.of(2), codes: Int8Array.of(8) };
    const seen = withTheater(model, { modification: interpolate(average), layers: "all" }, () => [
      model.kernel[0],
      model.codes[0],
    ]);
    expect(seen).toEqual([2, 8]);
  });

  it("a theater without a modification, and options without a value", () => {
    const model = { kernel: Float32Array.of(1) };
    expect(withTheater(model, {}, () => model.kernel[0])).toBe(1);
  });

  it("the index -0", () => {
    const model = { kernel: Float32Array.of(1), bias: Float32Array.of(2) };
    const seen = withTheater(model, { modification: disable(), layers: -0 }, () => [
      model.kernel[0],
      model.bias[0],
    ]);
    expect(seen).toEqual([0, 2]);
  });

  it("a budget of infinity, and one that is just enough", () => {
    const model = { kernel: Float32Array.of(1) };
    const halving = { modification: scale(0.5), layers: "all" } as const;
    for (const budget of [Infinity, 4]) expect(planTheater(model, { ...halving, budget }).peakBytes).toBe(4);
  });

  it("a parameter with the name of one of Object's own properties", () => {
    const model = { constructor: Float32Array.of(1), toString: Float32Array.of(2) };
    const average = { toString: Float32Array.of(3) };
    expect(withTheater(model, { modification: interpolate(average) }, () => model.toString[0])).toBe(3);
  });
});
