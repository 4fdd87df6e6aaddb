/** Pruning and quantizing on WebGPU, where the values that they need can only be awaited: with the bits of typed arrays. */
import { numpy as np } from "@jax-js/jax";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import * as memory from "../../src/index.ts";
import * as jax from "../../src/jax.ts";
import * as tfjs from "../../src/tfjs.ts";
import { bits } from "../support/bits.ts";
import { useDevices } from "../support/jax.ts";
import { normals } from "../support/normals.ts";
import { backendRuns, engineRuns, provideWebGpu, useBackend } from "../support/tensorflow.ts";
import { thrownBy } from "../support/thrown.ts";

const { prune, quantize, scale } = memory;
const SHAPE = [8, 64];
const weights = normals(512, 0.02, 5);

const modifications = {
  prune: prune({ sparsity: 0.5 }),
  quantize: quantize({ format: "gguf-q4_0" }),
  list: [scale(0.5), quantize({ format: "bnb-nf4" }), scale(2)],
} as const;
const cases = Object.entries(modifications);

/** What typed arrays show. */
function expected(modification: (typeof modifications)[keyof typeof modifications]): string {
  const data = weights.slice();
  const options = { modification, layers: "all", technique: "copy" } as const;
  return memory.withTheater({ w: { data, shape: SHAPE, dtype: "float32" } }, options, () => bits(data));
}

const onTensors = await backendRuns("webgpu");
const onArrays = await engineRuns("jax-js on webgpu", async () => {
  await provideWebGpu();
  await useDevices("webgpu");
});

describe.skipIf(!onTensors)("TensorFlow.js on webgpu", () => {
  let w: tf.Variable;

  beforeAll(async () => {
    await useBackend("webgpu");
    w = tf.variable(tf.tensor(weights.slice(), SHAPE));
  });

  it.each(cases)("%s shows the same, under swap and stream, and goes away", async (_, modification) => {
    for (const technique of ["swap", "stream"] as const) {
      const options = { modification, layers: "all", technique } as const;
      const shown = await tfjs.withTheaterAsync({ w }, options, async () => bits(await w.data()));
      expect(shown).toBe(expected(modification));
      expect(bits(await w.data())).toBe(bits(weights));
    }
  });

  it("needs the asynchronous form", () => {
    const options = { modification: modifications.quantize, layers: "all" } as const;
    expect(thrownBy(() => tfjs.surgicalTheater({ w }, options))).toMatchObject({ code: "needs_async" });
  });
});

describe.skipIf(!onArrays)("jax-js on webgpu", () => {
  let params: { readonly w: np.Array };

  beforeAll(async () => {
    await useDevices("webgpu");
    params = { w: np.array(weights.slice(), { shape: SHAPE, device: "webgpu" }) };
  });

  it.each(cases)("%s shows the same, and goes away", async (_, modification) => {
    const options = { modification, layers: "all" } as const;
    const shown = await jax.withTheaterAsync(params, options, async ({ w }) =>
      bits((await w.data()) as Float32Array),
    );
    expect(shown).toBe(expected(modification));
    expect(bits((await params.w.ref.data()) as Float32Array)).toBe(bits(weights));
  });

  it("needs the asynchronous form", () => {
    const options = { modification: modifications.quantize, layers: "all" } as const;
    expect(thrownBy(() => jax.surgicalTheater(params, options))).toMatchObject({ code: "needs_async" });
  });
});
