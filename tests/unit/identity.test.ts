import * as tf from "@tensorflow/tfjs-core";
import { numpy as np } from "@jax-js/jax";
import { beforeAll, describe, expect, it } from "vitest";
import * as memory from "../../src/index.ts";
import * as jax from "../../src/jax.ts";
import * as tfjs from "../../src/tfjs.ts";
import { useDevices } from "../support/jax.ts";
import { useBackend } from "../support/tensorflow.ts";

const { custom, interpolate, lora, noise, scale } = memory;
const weights = (): { a: Float32Array; b: Float32Array } => ({
  a: Float32Array.of(1, 2, 3, 4),
  b: Float32Array.of(0, 0),
});
const identityOf = (options: memory.Options<memory.NumericArray>): Promise<string> =>
  memory.store.identityOf(weights(), options);

describe("identityOf", () => {
  it("is the same for a builder and for the literal, in whatever order its properties are", async () => {
    const built = await identityOf({ modification: noise({ std: 0.1, seed: 1 }), layers: "all" });
    expect(await identityOf({ layers: "all", modification: { seed: 1, std: 0.1, type: "noise" } })).toBe(
      built,
    );
  });

  it.each<[string, memory.Options<memory.NumericArray>]>([
    ["another factor", { modification: scale(0.8), layers: "all" }],
    ["other layers", { modification: scale(0.9), layers: "a" }],
    ["a seed", { modification: scale(0.9), layers: "all", seed: 1 }],
    ["a second modification", { modification: [scale(0.9), scale(1)], layers: "all" }],
    ["an expression", { modification: scale(0.9), layers: /./ }],
  ])("tells %s", async (_, options) => {
    expect(await identityOf(options)).not.toBe(await identityOf({ modification: scale(0.9), layers: "all" }));
  });

  it("tells a factor of -0, which shows other bits than 0", async () => {
    const of = (factor: number): Promise<string> =>
      identityOf({ modification: scale(factor), layers: "all" });
    expect(await of(-0)).toBe(await of(-0));
    expect(await of(-0)).not.toBe(await of(0));
  });

  it("is the same for every technique and budget", async () => {
    const options = { modification: scale(0.9), layers: "all" } as const;
    expect(await identityOf({ ...options, technique: "reversible", budget: 1e9 })).toBe(
      await identityOf(options),
    );
  });

  it("tells arrays by their bytes, and code by its text", async () => {
    const towards = (value: number): Promise<string> =>
      identityOf({ modification: interpolate({ a: Float32Array.of(1, 2, 3, value) }) });
    expect(await towards(5)).toBe(await towards(5));
    expect(await towards(-0)).not.toBe(await towards(0));
    const code = (fn: (w: Float32Array) => Float32Array): Promise<string> =>
      identityOf({ modification: custom<Float32Array>(fn), layers: "all" });
    expect(await code((w) => w.map((x) => x + 1))).toBe(await code((w) => w.map((x) => x + 1)));
    expect(await code((w) => w.map((x) => x + 1))).not.toBe(await code((w) => w.map((x) => x + 2)));
  });

  it("refuses what makes no sense, and a model of another entry point", async () => {
    await expect(identityOf({ modification: scale(0.9), layers: "c" })).rejects.toThrow(
      'nothing is named "c"',
    );
    const variable = { a: Float32Array.of(1) } as unknown as [tf.Variable];
    await expect(tfjs.store.identityOf(variable, { modification: scale(1) })).rejects.toThrow("typed arrays");
  });
});

describe("stores of engines", () => {
  beforeAll(async () => {
    await useBackend("cpu");
    await useDevices("wasm");
  });

  it("tell tensors by their values, and give fingerprints by name", async () => {
    const model = { kernel: tf.variable(tf.ones([2, 3])), bias: tf.variable(tf.zeros([3])) };
    const before = await tfjs.store.fingerprints(model);
    expect([...before.keys()]).toEqual(["kernel", "bias"]);
    const identity = (value: number): Promise<string> =>
      tfjs.store.identityOf(model, {
        modification: interpolate({ bias: tf.tensor1d([value, value, value]) }),
      });
    expect(await identity(1)).toBe(await identity(1));
    expect(await identity(1)).not.toBe(await identity(2));
    model.bias.assign(tf.zeros([3]));
    expect(await tfjs.store.fingerprints(model)).toEqual(before);
    model.bias.assign(tf.tensor1d([-0, -0, -0]));
    const after = await tfjs.store.fingerprints(model);
    expect(after.get("kernel")).toBe(before.get("kernel"));
    expect(after.get("bias")).not.toBe(before.get("bias"));
  });

  it("tell arrays of jax-js by their values, and hand the modified tree over", async () => {
    const params = { w: np.ones([4, 4]) };
    const identity = (value: number): Promise<string> => {
      const adapter = { w: { a: np.full([2, 4], value), b: np.ones([4, 2]) } };
      const modification = lora(adapter, { alpha: 2, loraRank: 2, layout: "outIn" });
      return jax.store.identityOf(params, { modification });
    };
    expect(await identity(1)).toBe(await identity(1));
    expect(await identity(1)).not.toBe(await identity(2));
    const options = { modification: scale(3), layers: "all" } as const;
    const sum = await jax.store.withTheaterAsync(params, options, ({ w }) => np.sum(w).js() as number);
    expect(sum).toBe(48);
    expect([...(await jax.store.fingerprints(params)).keys()]).toEqual(["w"]);
    expect(params.w.refCount).toBe(1);
  });
});
