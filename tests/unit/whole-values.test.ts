/** Pruning and quantizing, which need all values of a parameter: the same on every store, and gone afterwards. */
import { numpy as np } from "@jax-js/jax";
import * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import * as memory from "../../src/index.ts";
import * as jax from "../../src/jax.ts";
import { codecOf, type QuantizedParameter } from "../../src/quantized/parameter.ts";
import { MagnitudeSelection } from "../../src/statistics.ts";
import * as tfjs from "../../src/tfjs.ts";
import { bits } from "../support/bits.ts";
import { useDevices } from "../support/jax.ts";
import { liveCounts } from "../support/meter.ts";
import { normals } from "../support/normals.ts";
import { useBackend } from "../support/tensorflow.ts";
import { thrownBy } from "../support/thrown.ts";

await useDevices("wasm");

const SHAPE = [8, 64] as const;
const weights = normals(512, 0.02, 5);

type Modification = Exclude<
  memory.Modification<never>,
  { readonly towards: unknown } | { readonly fn: unknown }
>;

/** What is visible of a parameter with these values; the original is back, and nothing is left, afterwards. */
type Show = (modification: Modification | readonly Modification[]) => Float32Array | Promise<Float32Array>;

const onMemory =
  (technique: "copy" | "reversible"): Show =>
  (modification) => {
    const w = { data: weights.slice(), shape: SHAPE, dtype: "float32" as const };
    const shown = memory.withTheater({ w }, { modification, layers: "all", technique }, () => w.data.slice());
    expect(bits(w.data)).toBe(bits(weights));
    return shown;
  };

const onTensors =
  (backend: "cpu" | "wasm", technique: "swap" | "stream"): Show =>
  async (modification) => {
    await useBackend(backend);
    const initial = tf.tensor(weights.slice(), [...SHAPE]);
    const w = tf.variable(initial);
    const before = liveCounts();
    const options = { modification, layers: "all", technique } as const;
    const shown = tfjs.withTheater({ w }, options, () => (w.dataSync() as Float32Array).slice());
    expect(liveCounts()).toEqual(before);
    expect(bits(w.dataSync())).toBe(bits(weights));
    tf.dispose([initial, w]);
    return shown;
  };

const onJax: Show = (modification) => {
  const params = { w: np.array(weights.slice(), { shape: [...SHAPE] }) };
  const options = { modification, layers: "all" } as const;
  const shown = jax.withTheater(params, options, ({ w }) => w.dataSync() as Float32Array);
  expect(bits(params.w.ref.dataSync())).toBe(bits(weights));
  params.w.dispose();
  return shown;
};

const stores: readonly (readonly [string, Show])[] = [
  ["typed arrays, copy", onMemory("copy")],
  ["typed arrays, reversible", onMemory("reversible")],
  ["TensorFlow.js on cpu, swap", onTensors("cpu", "swap")],
  ["TensorFlow.js on cpu, stream", onTensors("cpu", "stream")],
  ["TensorFlow.js on wasm, swap", onTensors("wasm", "swap")],
  ["TensorFlow.js on wasm, stream", onTensors("wasm", "stream")],
  ["jax-js on wasm", onJax],
];

const { prune, quantize, scale } = memory;

const zeros = (values: Iterable<number>): number => [...values].filter((value) => value === 0).length;

/** The values after a round trip through a format. */
function throughFormat(parameter: QuantizedParameter): Float32Array {
  const codec = codecOf(parameter);
  const scales = new Float32Array(Math.ceil(codec.length / codec.blockLength));
  codec.encode(0, weights, scales, 0);
  codec.setScales(0, scales);
  const values = new Float32Array(codec.length);
  codec.decode(0, values);
  return values;
}

const formats: readonly (readonly [Parameters<typeof quantize>[0], QuantizedParameter])[] = [
  [{ format: "gguf-q8_0" }, { format: "gguf-q8_0", shape: SHAPE, blocks: new Uint8Array(16 * 34) }],
  [{ format: "gguf-q4_0" }, { format: "gguf-q4_0", shape: SHAPE, blocks: new Uint8Array(16 * 18) }],
  [
    { format: "bnb-int8" },
    { format: "bnb-int8", shape: [8, 64], codes: new Int8Array(512), scb: new Float32Array(8) },
  ],
  [
    { format: "bnb-nf4" },
    {
      format: "bnb-nf4",
      shape: SHAPE,
      codes: new Uint8Array(256),
      blockSize: 64,
      absmax: new Float32Array(8),
    },
  ],
  [
    { format: "bnb-fp4", blockSize: 128 },
    {
      format: "bnb-fp4",
      shape: SHAPE,
      codes: new Uint8Array(256),
      blockSize: 128,
      absmax: new Float32Array(4),
    },
  ],
];

describe.each(stores)("on %s", (_, show) => {
  it.each([0.25, 0.5, 0.9, 1])(
    "prune sets a share of %f to zero, the smallest, and nothing else",
    async (sparsity) => {
      const shown = await show(prune({ sparsity }));
      const count = Math.round(sparsity * weights.length);
      const threshold = [...weights].map(Math.abs).sort((a, b) => a - b)[count - 1]!;
      expect(zeros(shown)).toBe(count);
      expect(bits(shown)).toBe(bits(weights.map((w) => (Math.abs(w) <= threshold ? 0 : w))));
    },
  );

  it("prune with a sparsity of 0 changes nothing", async () => {
    expect(bits(await show(prune({ sparsity: 0 })))).toBe(bits(weights));
  });

  it.each(formats)("quantize to %o shows what the format can hold", async (options, parameter) => {
    expect(bits(await show(quantize(options)))).toBe(bits(throughFormat(parameter)));
  });

  it("they apply to what is below them in a list", async () => {
    const halved = weights.map((w) => w / 2);
    const shown = await show([scale(0.5), prune({ sparsity: 1 })]);
    // The threshold is that of the original.
    expect(zeros(shown)).toBe(halved.length);
    const both = await show([quantize({ format: "gguf-q4_0" }), scale(2)]);
    const alone = await show(quantize({ format: "gguf-q4_0" }));
    expect(bits(both)).toBe(bits(alone.map((w) => 2 * w)));
  });
});

describe("prune over all targets", () => {
  it("has one threshold, that of all weights together", () => {
    const model = { a: normals(300, 1, 1), b: normals(200, 0.1, 2), c: normals(100, 3, 3) };
    const all = Object.values(model).flatMap((values) => [...values].map(Math.abs));
    const threshold = all.sort((x, y) => x - y)[Math.round(0.4 * 600) - 1]!;
    const expected = Object.values(model).map(
      (values) => values.filter((w) => Math.abs(w) <= threshold).length,
    );
    const modification = prune({ sparsity: 0.4, over: "targets" });
    const shown = memory.withTheater(model, { modification, layers: "all" }, () =>
      Object.values(model).map(zeros),
    );
    expect(shown).toEqual(expected);
    expect(shown.reduce((sum, count) => sum + count, 0)).toBe(240);
  });

  it("takes the threshold from originals, where another theater is open", () => {
    const model = { a: Float32Array.of(1, 2, 3, 4) };
    using outer = memory.surgicalTheater(model, { modification: scale(10), layers: "all" });
    const modification = prune({ sparsity: 0.5, over: "targets" });
    // |w| ≤ 2: of what is shown, 10 times as large, that is nothing
    const shown = memory.withTheater(model, { modification, layers: "all" }, () => [...model.a]);
    expect(shown).toEqual([10, 20, 30, 40]);
    expect(outer.plan.modifications).toEqual(["scale(factor=10)"]);
  });
});

describe("parameters that have no magnitudes or no blocks", () => {
  const failing = (modification: Modification, model: memory.MemoryModel): unknown =>
    thrownBy(() => memory.withTheater(model, { modification, layers: ["w"] }, () => undefined));

  it("are refused: NaN, integers, rows that blocks do not fit", () => {
    expect(failing(prune({ sparsity: 0.5 }), { w: Float32Array.of(1, NaN) })).toMatchObject({
      code: "non_finite",
    });
    for (const modification of [prune({ sparsity: 0.5 }), quantize({ format: "bnb-nf4" })]) {
      expect(failing(modification, { w: Int32Array.of(1, 2) })).toMatchObject({ code: "dtype_mismatch" });
    }
    const odd = { w: new Float32Array(33) };
    expect(failing(quantize({ format: "gguf-q8_0" }), odd)).toMatchObject({ code: "shape_mismatch" });
  });

  it.each(["float64", "float16", "bfloat16"] as const)(
    "%s parameters are rounded to their own dtype",
    (dtype) => {
      const data =
        dtype === "float64" ? Float64Array.from(weights) : new Uint16Array(512).map((__, i) => 0x3c00 + i);
      const model = { w: { data, shape: SHAPE, dtype } };
      const before = bits(data);
      const options = { modification: prune({ sparsity: 0.5 }), layers: "all" } as const;
      expect(memory.withTheater(model, options, () => zeros(data))).toBe(256);
      expect(bits(data)).toBe(before);
    },
  );
});

describe("MagnitudeSelection", () => {
  it("finds the value that sorting finds", () => {
    const values = fc.array(fc.double({ noNaN: true }), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(
        fc.array(values, { minLength: 1, maxLength: 4 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (parts, share) => {
          const selection = new MagnitudeSelection();
          for (const part of parts) expect(selection.count(part)).toBe(0);
          selection.find(share);
          for (const part of parts) selection.collect(selection.candidatesOf(part));
          const all = parts
            .flat()
            .map(Math.abs)
            .sort((a, b) => a - b);
          const rank = Math.round(share * all.length);
          expect(selection.result).toBe(rank === 0 ? -1 : all[rank - 1]);
        },
      ),
      { numRuns: 2000 },
    );
  });
});
