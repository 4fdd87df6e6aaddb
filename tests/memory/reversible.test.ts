/** Techniques `reversible` and `plane`: what they hold, what they show, and what they cannot bring back. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { bytesPerElement, type DType, type NumericArray } from "../../src/dtypes/dtype.ts";
import {
  custom,
  disable,
  interpolate,
  lora,
  type Modification,
  noise,
  planTheater,
  RestoreError,
  scale,
  type ShapedArray,
  surgicalTheater,
  type Technique,
} from "../../src/index.ts";
import { anyFloats, bits } from "../support/bits.ts";
import { thrownBy } from "../support/thrown.ts";
import { normals } from "../support/normals.ts";

const MANY = 1 << 20;

/** `MANY` weights of N(0, 0.02), as float32 or as bfloat16. */
function weights(dtype: "float32" | "bfloat16"): ShapedArray {
  const values = normals(MANY, 0.02, 5);
  const words = new Uint32Array(values.buffer);
  const data = dtype === "float32" ? values : Uint16Array.from(words, (word) => (word + 0x8000) >>> 16);
  return { data, shape: [1024, 1024], dtype };
}

const adapter = { w: { a: normals(8 * 1024, 0.02, 1), b: normals(1024 * 8, 0.03, 2) } };
const factorBits = (8 * 2 * 1024 * 4 * 8) / MANY;

const limits: readonly {
  title: string;
  dtype: "float32" | "bfloat16";
  technique: Technique;
  modification: Modification<NumericArray>;
  most: number;
}[] = [
  { title: "scale", dtype: "float32", technique: "reversible", modification: scale(0.9), most: 0.22 },
  { title: "scale", dtype: "float32", technique: "plane", modification: scale(0.9), most: 1.05 },
  {
    title: "scale by a half",
    dtype: "float32",
    technique: "reversible",
    modification: scale(0.5),
    most: 0.04,
  },
  { title: "scale by two", dtype: "float32", technique: "plane", modification: scale(2), most: 0.04 },
  {
    title: "noise",
    dtype: "float32",
    technique: "reversible",
    modification: noise({ std: 0.01, seed: 1 }),
    most: 0.67,
  },
  {
    title: "lora",
    dtype: "float32",
    technique: "reversible",
    modification: lora(adapter, { alpha: 8, loraRank: 8, layout: "outIn" }),
    most: 0.27 + factorBits,
  },
  { title: "scale", dtype: "bfloat16", technique: "reversible", modification: scale(0.9), most: 0.24 },
  {
    title: "noise",
    dtype: "bfloat16",
    technique: "reversible",
    modification: noise({ std: 0.01, seed: 1 }),
    // 0.67 for 64 MB, of which this is a small part.
    most: 0.675,
  },
];

describe.each(limits)("$title on $dtype under $technique", ({ dtype, technique, modification, most }) => {
  it("holds less than its limit, about what was planned, and never more than the most", () => {
    const w = weights(dtype);
    const before = bits(w.data);
    const options = { modification, layers: "all", technique };
    const plan = planTheater({ w }, options);
    const theater = surgicalTheater({ w }, options);
    const { heldBytes } = theater.report();
    expect((heldBytes * 8) / MANY).toBeLessThanOrEqual(most);
    expect(Math.abs(plan.heldBytes / heldBytes - 1)).toBeLessThan(0.15);
    expect(heldBytes).toBeLessThanOrEqual(plan.mostHeldBytes);
    expect(plan).toMatchObject({ technique, survivesWrites: false });
    expect(theater.close()).toMatchObject({ identical: true, heldBytes });
    expect(bits(w.data)).toBe(before);
  });
});

it("held bytes are what the process grows by", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  /** Bytes in buffers once what nobody uses any more is gone, which takes the engine a moment. */
  const inBuffers = async (): Promise<number> => {
    for (let i = 0; i < 5; i++) {
      collect();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return process.memoryUsage().arrayBuffers;
  };
  const kernel = normals(8 * MANY, 0.02, 3);
  const options = {
    modification: noise({ std: 0.1, seed: 1 }),
    layers: "all",
    technique: "reversible",
  } as const;
  // The kernels' own memory is there from the first time on.
  surgicalTheater({ kernel }, options).close();
  const before = await inBuffers();
  const theater = surgicalTheater({ kernel }, options);
  const grown = (await inBuffers()) - before;
  expect(Math.abs(grown / theater.report().heldBytes - 1)).toBeLessThan(0.05);
  theater.close();
});

describe("auto", () => {
  const many = { w: new Float32Array(65_536).fill(1) };

  it("takes reversible for scaling what is worth it", () => {
    expect(planTheater(many, { modification: scale(0.9), layers: "all" }).technique).toBe("reversible");
    const two = [scale(0.9), scale(3)];
    expect(planTheater(many, { modification: two, layers: "all" }).technique).toBe("reversible");
  });

  it("takes copy for little, for other modifications, and where a write must be undone", () => {
    const little = { w: new Float32Array(1000).fill(1) };
    expect(planTheater(little, { modification: scale(0.9), layers: "all" }).technique).toBe("copy");
    const noisy = noise({ std: 1, seed: 1 });
    expect(planTheater(many, { modification: noisy, layers: "all" }).technique).toBe("copy");
    expect(planTheater(many, { modification: scale(0), layers: "all" }).technique).toBe("copy");
    const options = { modification: scale(0.9), layers: "all", onWrite: "discard" } as const;
    expect(planTheater(many, options).technique).toBe("copy");
  });

  it("takes reversible for noise when the budget is too small for a copy", () => {
    const budget = 32_768;
    const w = normals(65_536, 1, 1);
    const options = { modification: noise({ std: 0.1, seed: 1 }), layers: "all", budget };
    expect(planTheater({ w }, options)).toMatchObject({ technique: "reversible" });
    surgicalTheater({ w }, options).close();
  });
});

it("more than the budget, where the sample promised less, is rolled back", () => {
  // Every second block is not as those of the sample are.
  const w = new Float32Array(128 * 1024).fill(1);
  const random = anyFloats(1024, 3);
  for (let block = 1; block < 128; block += 2) w.set(random, block * 1024);
  const before = bits(w);
  const options = { modification: scale(0.9), layers: "all", technique: "reversible" } as const;
  const plan = planTheater({ w }, options);
  expect(plan.mostHeldBytes).toBeGreaterThan(w.byteLength);
  const budget = 2 * plan.heldBytes;
  const error = thrownBy(() => surgicalTheater({ w }, { ...options, budget }));
  expect(error).toMatchObject({ code: "over_budget" });
  expect((error as Error).message).toMatch(/estimate.*original bytes are back.*enough in any case/);
  expect(bits(w)).toBe(before);
  surgicalTheater({ w }, { ...options, budget: plan.mostHeldBytes }).close();
});

describe("what is shown", () => {
  const dtypes: readonly DType[] = ["float32", "float64", "float16", "bfloat16", "int8", "uint8", "int32"];
  const carriers = {
    float32: Float32Array,
    float64: Float64Array,
    float16: Uint16Array,
    bfloat16: Uint16Array,
    int8: Int8Array,
    uint8: Uint8Array,
    int32: Int32Array,
  };
  const SIZE = 40 * 1000;

  it.each(dtypes)("is the same under copy, reversible and plane: %s", (dtype) => {
    const make = (seed: number): NumericArray => {
      const bytes = new Uint8Array(anyFloats(2 * SIZE, seed).buffer).slice(0, SIZE * bytesPerElement(dtype));
      return new carriers[dtype](bytes.buffer);
    };
    const float = /float/.test(dtype);
    const Factor = dtype === "float64" ? Float64Array : Float32Array;
    const modifications: readonly Modification<NumericArray>[] = float
      ? [
          scale(0.9),
          scale(-0.25),
          noise({ std: 0.3, seed: 4 }),
          interpolate<NumericArray>({ w: make(8) }, 0.4),
          disable(),
          lora<NumericArray>(
            { w: { a: Factor.from(normals(3 * 1000, 1, 1)), b: Factor.from(normals(40 * 3, 1, 2)) } },
            { alpha: 2, loraRank: 3 },
          ),
        ]
      : [scale(0.9), scale(-0), scale(0.25)];
    for (const modification of modifications) {
      const shown = (["copy", "reversible", "plane"] as const).map((technique) => {
        const w = { data: make(2), shape: [40, 1000], dtype };
        const before = bits(w.data);
        const options = {
          modification,
          technique,
          ...(modification.type === "lora" ? {} : { layers: ["w"] }),
        };
        const theater = surgicalTheater({ w }, options);
        const now = bits(w.data);
        theater.close();
        expect(bits(w.data)).toBe(before);
        return now;
      });
      expect(shown[1]).toBe(shown[0]);
      expect(shown[2]).toBe(shown[0]);
    }
  });
});

describe("something that writes inside", () => {
  const THREE_WINDOWS = 3 * 32_768;
  const model = () => ({ w: normals(THREE_WINDOWS, 0.02, 7), v: normals(1000, 0.02, 8) });
  const noisy = {
    modification: noise({ std: 0.01, seed: 1 }),
    layers: "all",
    technique: "reversible",
  } as const;

  it("costs the original of the windows it wrote to, and no other", () => {
    const { w, v } = model();
    const before = [w.slice(), v.slice()];
    const theater = surgicalTheater({ w, v }, noisy);
    w[40_000] = 1;
    const error = thrownBy(() => theater.close());
    expect(error).toBeInstanceOf(RestoreError);
    expect(error).toMatchObject({ code: "original_lost" });
    expect([...(error as RestoreError).failures.keys()]).toEqual(["w"]);
    expect((error as Error).message).toContain("elements 32768 to 65535");
    expect(bits(v)).toBe(bits(before[1]!));
    expect(bits(w.subarray(0, 32_768))).toBe(bits(before[0]!.subarray(0, 32_768)));
    expect(bits(w.subarray(65_536))).toBe(bits(before[0]!.subarray(65_536)));
    // Nothing is left open.
    surgicalTheater({ w, v }, noisy).close();
  });

  it("is noticed whatever it changes: the sign of every weight", () => {
    const { w } = model();
    const theater = surgicalTheater({ w }, noisy);
    for (let i = 0; i < w.length; i++) w[i] = -w[i]!;
    expect(() => theater.close()).toThrow(expect.objectContaining({ code: "original_lost" }));
  });

  it("costs every theater on the parameter its original", () => {
    const { w } = model();
    const outer = surgicalTheater({ w }, noisy);
    const inner = surgicalTheater({ w }, { ...noisy, modification: scale(2) });
    w[0] = 9;
    expect(() => surgicalTheater({ w }, noisy)).toThrow(expect.objectContaining({ code: "written_inside" }));
    expect(() => outer.close()).toThrow(expect.objectContaining({ code: "original_lost" }));
    expect(() => inner.close()).toThrow(expect.objectContaining({ code: "original_lost" }));
  });

  it("cannot be discarded: that is refused beforehand", () => {
    const error = thrownBy(() => surgicalTheater(model(), { ...noisy, onWrite: "discard" }));
    expect(error).toMatchObject({ code: "technique" });
    expect((error as Error).message).toMatch(/discard.*reversible.*unchanged.*copy/);
  });

  it("is kept where that is asked for", () => {
    const { w } = model();
    const theater = surgicalTheater({ w }, { ...noisy, onWrite: "keep" });
    w[5] = 3;
    const now = bits(w);
    expect(theater.close()).toMatchObject({ identical: false, written: ["w"] });
    expect(bits(w)).toBe(now);
    const unwritten = surgicalTheater({ w }, { ...noisy, onWrite: "keep" });
    expect(unwritten.close().identical).toBe(true);
    expect(bits(w)).toBe(now);
  });

  it("is undone where the original is kept whole", () => {
    const { w } = model();
    const before = bits(w);
    const theater = surgicalTheater({ w }, { ...noisy, modification: [scale(0.9), disable()] });
    w[5] = 3;
    expect(() => theater.close()).toThrow(expect.objectContaining({ code: "written_inside" }));
    expect(bits(w)).toBe(before);
  });

  it("is undone when it is a custom function, while the theater opens", () => {
    const { w, v } = model();
    const before = [bits(w), bits(v)];
    const meddling = custom<Float32Array>(
      (value, { name }) => {
        if (name === "v") w[7] = 1;
        return value;
      },
      { returns: "value" },
    );
    const options = { ...noisy, modification: [scale(0.9), meddling] };
    expect(() => surgicalTheater({ w, v }, options)).toThrow(
      expect.objectContaining({ code: "written_inside" }),
    );
    expect([bits(w), bits(v)]).toEqual(before);
  });

  it("is told by a guard", () => {
    const { w } = model();
    const guard = surgicalTheater({ w }, { technique: "reversible" });
    w[5] = 3;
    expect(() => guard.close()).toThrow(expect.objectContaining({ code: "original_lost" }));
  });

  it("is told by a transferred buffer", () => {
    const { w } = model();
    const theater = surgicalTheater({ w }, noisy);
    structuredClone(w, { transfer: [w.buffer] });
    expect(() => theater.close()).toThrow(expect.objectContaining({ code: "original_lost" }));
  });
});

describe("a theater under the technique reversible", () => {
  const options = { layers: "all", technique: "reversible" } as const;

  it("reads facts and statistics from the original, however much is shown above it", async () => {
    const w = normals(5000, 1, 4);
    const original = w.slice();
    const outer = surgicalTheater(
      { w },
      { ...options, modification: [scale(100), noise({ std: 3, seed: 2 })] },
    );
    const relative = { std: 0.1, relativeTo: "parameterStd", seed: 5 } as const;
    const inner = surgicalTheater({ w }, { ...options, modification: noise(relative) });
    const { maxAbsDelta } = (await inner.deltaStatistics()).get("w")!;
    expect(maxAbsDelta).toBe(Math.max(...Float64Array.from(w, (x, i) => Math.abs(x - original[i]!))));
    outer.close();
    // 0.1 standard deviations of the original, not of what was shown.
    const rms = Math.sqrt(w.reduce((sum, x, i) => sum + (x - original[i]!) ** 2, 0) / w.length);
    expect(rms).toBeGreaterThan(0.09);
    expect(rms).toBeLessThan(0.11);
    inner.close();
    expect(bits(w)).toBe(bits(original));
  });

  it("owns its operands: what becomes of them inside changes nothing", () => {
    const w = normals(2000, 1, 4);
    const before = bits(w);
    const towards = { w: normals(2000, 1, 5) };
    const theater = surgicalTheater(
      { w },
      { technique: "reversible", modification: interpolate(towards, 0.5) },
    );
    towards.w.fill(0);
    expect(theater.close().identical).toBe(true);
    expect(bits(w)).toBe(before);
  });

  it("works on memory that threads share, and at any offset", () => {
    const buffer = new SharedArrayBuffer(4 * 70_001);
    const all = new Float32Array(buffer);
    all.set(normals(70_001, 1, 6));
    const before = bits(all.slice());
    const w = new Float32Array(buffer, 4, 69_999);
    surgicalTheater({ w }, { ...options, modification: noise({ std: 1, seed: 1 }) }).close();
    expect(bits(all.slice())).toBe(before);
  });

  it("says by what its parameters are back", () => {
    const theater = surgicalTheater(
      { w: normals(10, 1, 1), n: Int32Array.of(1, 2) },
      { modification: scale(2), layers: ["w", "n"], technique: "reversible" },
    );
    expect([...theater.close().parameters.values()].map(({ by }) => by)).toEqual(["inverse", "inverse"]);
  });
});
