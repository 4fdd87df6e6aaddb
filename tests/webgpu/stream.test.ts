import * as tf from "@tensorflow/tfjs";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { custom, disable, noise, scale, surgicalTheater, type Options } from "../../src/tfjs.ts";
import { bits } from "../support/bits.ts";
import { liveCounts } from "../support/meter.ts";
import { input, mlp, variable } from "../support/models.ts";
import { backendRuns, useBackend } from "../support/tensorflow.ts";
import { bufferManager, bufferOf, readFromDevice, submit } from "./device.ts";

const runs = await backendRuns("webgpu");

const BATCH_SIZE = "WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE";

const variablesOf = (model: tf.LayersModel): tf.Variable[] =>
  model.weights.map((weight) => weight.read() as tf.Variable);

async function weightsOf(model: tf.LayersModel): Promise<string[]> {
  const found: string[] = [];
  for (const each of variablesOf(model)) found.push(bits(await readFromDevice(each)));
  return found;
}

function counts(): Record<string, number> {
  submit();
  return { ...liveCounts(), buffers: bufferManager().numUsedBuffers };
}

describe.skipIf(!runs)("stream on webgpu", () => {
  let model: tf.Sequential;
  let x: tf.Tensor;
  const predict = (): void => tf.dispose(model.predict(x));
  const output = async (): Promise<string> => {
    const y = model.predict(x) as tf.Tensor;
    const found = bits(await y.data());
    y.dispose();
    return found;
  };

  beforeAll(async () => {
    await useBackend("webgpu");
  });

  beforeEach(() => {
    model = mlp();
    x = input([2, 4]);
    // From here on its weights are on the device.
    predict();
  });

  afterEach(() => {
    model.dispose();
    x.dispose();
  });

  const open = (options: Options<tf.Tensor>) =>
    surgicalTheater(model, { technique: "stream", layers: "all", ...options });

  const modifications = [
    { title: "scale", modification: scale(0.9) },
    { title: "noise", modification: noise({ std: 0.1, seed: 1 }) },
    { title: "disable", modification: disable() },
    { title: "two in a row", modification: [scale(0.9), noise({ std: 0.1, seed: 1 })] },
  ];

  it.each(modifications)("predicts what swap does, under $title", async ({ modification }) => {
    const before = await output();
    const swapped = surgicalTheater(model, { modification, layers: "all", technique: "swap" });
    const [shown, expected] = [await weightsOf(model), await output()];
    // What the device does not reproduce itself could not be asked of it.
    expect(await output()).toBe(expected);
    swapped.close();
    const theater = open({ modification });
    expect(await output()).toBe(expected);
    expect(await weightsOf(model)).toEqual(shown);
    theater.close();
    expect(expected).not.toBe(before);
    expect(await output()).toBe(before);
  });

  it.each(modifications)(
    "leaves the very same buffers and every bit, after $title",
    async ({ modification }) => {
      const before = await weightsOf(model);
      const variables = variablesOf(model);
      const [ids, buffers] = [variables.map(({ dataId }) => dataId), variables.map(bufferOf)];
      const live = counts();
      const same = (): boolean =>
        variables.every((each, i) => each.dataId === ids[i] && bufferOf(each) === buffers[i]);
      const theater = open({ modification });
      // Between two kernels, too.
      expect(same()).toBe(true);
      predict();
      expect(same()).toBe(true);
      theater.close();
      expect(same()).toBe(true);
      expect(buffers.every((buffer) => buffer !== undefined)).toBe(true);
      expect(counts()).toEqual(live);
      expect(await weightsOf(model)).toEqual(before);
    },
  );

  it("lets the device have every kernel at once while it streams, and not afterwards", () => {
    const size = (): number => tf.env().getNumber(BATCH_SIZE);
    const before = size();
    expect(before).toBeGreaterThan(1);
    const first = open({ modification: scale(0.9) });
    expect(size()).toBe(1);
    const second = open({ modification: scale(0.5) });
    first.close();
    expect(size()).toBe(1);
    second.close();
    expect(size()).toBe(before);
    expect(() =>
      open({
        modification: {
          type: "custom",
          fn: () => {
            throw new Error("mine");
          },
        },
      }),
    ).toThrow(/mine/);
    expect(size()).toBe(before);
    using swapped = surgicalTheater(model, { modification: scale(0.9), layers: "all", technique: "swap" });
    expect(swapped.plan.technique).toBe("swap");
    expect(size()).toBe(before);
  });

  it("leaves what somebody sets meanwhile", () => {
    const before = tf.env().getNumber(BATCH_SIZE);
    const theater = open({ modification: scale(0.9) });
    tf.env().set(BATCH_SIZE, 4);
    theater.close();
    expect(tf.env().getNumber(BATCH_SIZE)).toBe(4);
    tf.env().set(BATCH_SIZE, before);
  });

  it("gives the modified values to whoever reads a variable", async () => {
    const kernel = variable(model, "kernel");
    const original = (await readFromDevice(kernel)).slice();
    const halved = bits(original.map((value) => value * 0.5));
    const live = counts();
    const theater = open({ modification: scale(0.5) });
    expect(bits(await kernel.data())).toBe(halved);
    expect(bits(new Uint8Array((await kernel.bytes()) as Uint8Array))).toBe(halved);
    const { tensorRef } = kernel.dataToGPU();
    expect(bits(await tensorRef.data())).toBe(halved);
    tensorRef.dispose();
    theater.close();
    expect(bits(await readFromDevice(kernel))).toBe(bits(original));
    expect(counts()).toEqual(live);
  });

  it("reads what was visible when it was asked, also where the theater closes before the answer", async () => {
    const kernel = variable(model, "kernel");
    const original = (await readFromDevice(kernel)).slice();
    const live = counts();
    const theater = open({ modification: scale(0.5) });
    const asked = kernel.data();
    theater.close();
    expect(bits(await asked)).toBe(bits(original.map((value) => value * 0.5)));
    expect(bits(await readFromDevice(kernel))).toBe(bits(original));
    expect(counts()).toEqual(live);
  });

  it.each(["swap", "stream"] as const)(
    "brings back values that were on the host alone when %s opened",
    async (technique) => {
      const fresh = mlp();
      const [kernel] = variablesOf(fresh);
      expect(bufferOf(kernel!)).toBeUndefined();
      const before = bits((await kernel!.data()).slice());
      const theater = surgicalTheater(fresh, { modification: scale(0.5), layers: "all", technique });
      tf.tidy(() => fresh.predict(input([1, 4])));
      theater.close();
      expect(bits(await kernel!.data())).toBe(before);
      tf.tidy(() => fresh.predict(input([1, 4])));
      expect(bits(await readFromDevice(kernel!))).toBe(before);
      fresh.dispose();
    },
  );

  const kinds = (["swap", "stream"] as const).flatMap((technique) =>
    (["float32", "int32"] as const).map((dtype) => ({ technique, dtype })),
  );
  it.each(kinds)(
    "lends custom functions a copy of $dtype values that are on the host alone, under $technique",
    async ({ technique, dtype }) => {
      const table = tf.variable(tf.tensor1d([1, 2, 3], dtype), true, `table-${technique}-${dtype}`);
      const writer = custom<tf.Tensor>(
        (w) => {
          w.dataSync().fill(7);
          return tf.onesLike(w);
        },
        { returns: "value" },
      );
      const theater = surgicalTheater([table], { technique, layers: table.name, modification: writer });
      expect([...(await table.data())]).toEqual([1, 1, 1]);
      theater.close();
      expect([...(await table.data())]).toEqual([1, 2, 3]);
      table.dispose();
    },
  );
});
