import { describe, expect, it } from "vitest";
import { Ema, interpolate, surgicalTheater, scale, disable, withTheater } from "../../src/index.ts";

const updates = 40;
const decays = [0, 0.5, 0.9, 0.999];

/** What a parameter would be after each training step: nothing that float32 holds exactly. */
function trained(step: number): readonly number[] {
  return [Math.sin(step), 1 / step, -100 * Math.cos(3 * step), 1e-3 * step];
}
const largest = 100;

/** The definition, in float64 and without a recurrence: Σ decay^(t−i) · x_i, divided by the sum of its weights. */
function definition(
  history: readonly (readonly number[])[],
  decay: number,
  unbiased: boolean,
): readonly number[] {
  const last = history.length - 1;
  const weights = history.map((_, i) => (i === 0 && !unbiased ? 1 : 1 - decay) * decay ** (last - i));
  const sum = unbiased ? 1 - decay ** history.length : 1;
  return history[0]!.map(
    (_, element) => weights.reduce((total, weight, i) => total + weight * history[i]![element]!, 0) / sum,
  );
}

describe.each(decays)("an average with decay %d", (decay) => {
  it.each([
    { biasCorrection: true, kind: Float32Array, unit: 2 ** -24 },
    { biasCorrection: false, kind: Float32Array, unit: 2 ** -24 },
    { biasCorrection: true, kind: Float64Array, unit: 2 ** -50 },
    { biasCorrection: false, kind: Float64Array, unit: 2 ** -50 },
  ])(
    "is the weighted mean of all steps, in $kind.name, corrected: $biasCorrection",
    ({ biasCorrection, kind, unit }) => {
      const kernel = new kind(4);
      const ema = new Ema({ kernel }, { decay, biasCorrection });
      const history: (readonly number[])[] = [];
      for (let step = 1; step <= updates; step++) {
        kernel.set(trained(step));
        history.push([...kernel]);
        ema.update();
        const expected = definition(history, decay, biasCorrection);
        // An update rounds to the array's dtype once, by at most `unit` of the largest value, and later updates only
        // shrink the error; in float64 a few operations round, and 2^-50 stands for eight half units. The weight
        // itself loses digits where 1 − decay^t cancels, here as in the definition: by 1 / (1 − decay).
        const tolerance = step * largest * (unit + 2 ** -52 / (1 - decay));
        for (const [i, value] of [...(ema.weights["kernel"] as Float32Array)].entries()) {
          expect(Math.abs(value - expected[i]!)).toBeLessThanOrEqual(tolerance);
        }
      }
    },
  );

  it("is, bit for bit, the recurrence rounded to float32 once per update", () => {
    const kernel = new Float32Array(4);
    const ema = new Ema({ kernel }, { decay });
    const expected = new Float32Array(4);
    let missing = 1;
    for (let step = 1; step <= updates; step++) {
      kernel.set(trained(step));
      ema.update();
      missing *= decay;
      const weight = (1 - decay) / (1 - missing);
      if (step === 1) expected.set(kernel);
      else for (let i = 0; i < 4; i++) expected[i]! += weight * (kernel[i]! - expected[i]!);
      expect(ema.weights["kernel"]).toEqual(expected);
    }
  });

  it("of parameters that do not change is these parameters", () => {
    const kernel = Float32Array.of(0.1, -3, 1e-40, 1e30);
    const ema = new Ema({ kernel }, { decay });
    for (let step = 0; step < updates; step++) ema.update();
    expect(ema.weights["kernel"]).toEqual(kernel);
  });
});

describe("an average", () => {
  it("is after one update the parameters, bit for bit", () => {
    const bits = Uint32Array.of(0x80000000, 0x7f800001, 0xffc12345, 0x00000001);
    const ema = new Ema({ kernel: new Float32Array(bits.buffer) }, { decay: 0.9 });
    ema.update();
    expect(new Uint32Array((ema.weights["kernel"] as Float32Array).buffer)).toEqual(bits);
  });

  it("is of its own: neither it nor the model changes with the other", () => {
    const kernel = Float32Array.of(1);
    const ema = new Ema({ kernel }, { decay: 0.9 });
    ema.update();
    kernel[0] = 2;
    expect(ema.weights["kernel"]).toEqual(Float32Array.of(1));
    (ema.weights["kernel"] as Float32Array)[0] = 3;
    expect(kernel).toEqual(Float32Array.of(2));
  });

  it("includes statistics, and leaves integers out", () => {
    const model = {
      "conv.kernel": new Float32Array(2),
      "bn.moving_mean": new Float32Array(1),
      "embed.ids": new Int32Array(3),
      codes: new Int8Array(4),
    };
    const ema = new Ema(model, { decay: 0.9 });
    ema.update();
    expect(Object.keys(ema.weights)).toEqual(["conv.kernel", "bn.moving_mean"]);
    expect(ema.bytes).toBe(12);
  });

  it("has tied parameters once", () => {
    const weight = Float32Array.of(1);
    const ema = new Ema({ "embed.weight": weight, "head.weight": weight }, { decay: 0.9 });
    ema.update();
    expect(Object.keys(ema.weights)).toEqual(["embed.weight"]);
    expect(ema.bytes).toBe(4);
  });

  it.each([
    { dtype: "bfloat16", one: 0x3f80, next: 0x3f81, step: 2 ** -7 },
    { dtype: "float16", one: 0x3c00, next: 0x3c01, step: 2 ** -10 },
  ] as const)(
    "of $dtype is kept in float32, where it moves by less than a $dtype",
    ({ dtype, one, next, step }) => {
      const data = Uint16Array.of(one);
      const ema = new Ema({ half: { data, shape: [1], dtype } }, { decay: 0.999, biasCorrection: false });
      ema.update();
      expect(ema.weights["half"]).toEqual(Float32Array.of(1));
      data[0] = next;
      ema.update();
      expect(ema.weights["half"]).toEqual(Float32Array.of(1 + (1 - 0.999) * step));
      expect(ema.bytes).toBe(4);
    },
  );

  it("is empty before the first update", () => {
    const ema = new Ema({ kernel: Float32Array.of(1) }, { decay: 0.9 });
    expect([ema.weights, ema.updates, ema.bytes]).toEqual([{}, 0, 0]);
  });

  it("counts its updates", () => {
    const ema = new Ema({ kernel: Float32Array.of(1) }, { decay: 0.9 });
    ema.update();
    ema.update();
    expect(ema.updates).toBe(2);
  });

  it.each(["dispose", Symbol.dispose] as const)("begins anew after %s", (dispose) => {
    const kernel = Float32Array.of(1);
    const ema = new Ema({ kernel }, { decay: 0.9 });
    ema.update();
    ema[dispose]();
    expect([ema.weights, ema.updates, ema.bytes]).toEqual([{}, 0, 0]);
    kernel[0] = 5;
    ema.update();
    expect(ema.weights["kernel"]).toEqual(Float32Array.of(5));
  });

  it("is shown by a theater, and the parameters come back", () => {
    const model = {
      kernel: Float32Array.of(1, -0),
      half: { data: Uint16Array.of(0x3f80), shape: [1], dtype: "bfloat16" },
    } as const;
    const ema = new Ema(model, { decay: 0.5 });
    ema.update();
    model.kernel.set([3, 4]);
    model.half.data[0] = 0x4040;
    ema.update();
    const seen = withTheater(model, { modification: interpolate(ema.weights) }, () => [
      ...model.kernel,
      model.half.data[0],
    ]);
    // Weights 1/3 and 2/3: 1 + (3 − 1) · 2/3 = 7/3, 4 · 2/3 = 8/3; in bfloat16 7/3 is 0x4015.
    expect(seen).toEqual([Math.fround(7 / 3), Math.fround(8 / 3), 0x4015]);
    expect([...model.kernel, model.half.data[0]]).toEqual([3, 4, 0x4040]);
  });
});

describe("an update", () => {
  const model = { kernel: Float32Array.of(1, 2, 3, 4), bias: Float32Array.of(5) };

  it("is refused inside a theater on any of the parameters, and changes nothing", () => {
    const ema = new Ema(model, { decay: 0.5 });
    ema.update();
    withTheater(model, { modification: scale(3), layers: "bias" }, () => {
      expect(() => ema.update()).toThrow("The average is unchanged");
    });
    expect(ema.updates).toBe(1);
    expect(ema.weights).toEqual(model);
    ema.update();
    expect(ema.weights).toEqual(model);
  });

  it("is refused inside a theater on some of a parameter's bytes", () => {
    const ema = new Ema(model, { decay: 0.5 });
    const half = { half: model.kernel.subarray(0, 2) };
    withTheater(half, { modification: disable(), layers: "all" }, () => {
      expect(() => ema.update()).toThrow("The average is unchanged");
    });
  });

  it("is allowed inside a theater that only guards, and in one on another model", () => {
    const ema = new Ema(model, { decay: 0.5 });
    withTheater(model, {}, () => ema.update());
    withTheater({ kernel: Float32Array.of(1) }, { modification: disable(), layers: "all" }, () =>
      ema.update(),
    );
    expect(ema.updates).toBe(2);
  });

  it("is allowed again after the theater has closed", () => {
    const ema = new Ema(model, { decay: 0.5 });
    surgicalTheater(model, { modification: disable(), layers: "all" }).close();
    ema.update();
    expect(ema.weights).toEqual(model);
  });
});
