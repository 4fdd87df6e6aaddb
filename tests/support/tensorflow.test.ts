import * as layers from "@tensorflow/tfjs-layers";
import * as tfjs from "@tensorflow/tfjs";
import { engine } from "@tensorflow/tfjs-core";
import { describe, expect, it, vi } from "vitest";
import { backendRuns, backends, useBackend, type BackendName } from "./tensorflow.ts";

const everyBackend: readonly BackendName[] = [...backends, "webgpu"];

describe.for(everyBackend)("useBackend(%s)", async (name) => {
  describe.skipIf(!(await backendRuns(name)))("where it runs", () => {
    it("computes on that backend", async () => {
      const tf = await useBackend(name);
      const product = tf.matMul(tf.tensor2d([1, 2, 3, 4], [2, 2]), tf.tensor2d([1, 0, 0, 2], [2, 2]));
      expect([...(await product.data())]).toEqual([1, 4, 3, 8]);
      expect(tf.getBackend()).toBe(name);
      product.dispose();
    });

    it("gives the engine that every TensorFlow.js package uses", async () => {
      const tf = await useBackend(name);
      expect(tf.engine()).toBe(engine());
      expect(tfjs.engine()).toBe(engine());
      const model = layers.sequential({ layers: [layers.layers.dense({ units: 1, inputShape: [2] })] });
      expect(model.weights[0]?.read()).toBeInstanceOf(tf.Tensor);
      model.dispose();
    });
  });
});

describe("useBackend", () => {
  it("throws where a backend cannot run, instead of falling back", async () => {
    // @ts-expect-error a backend that does not exist
    await expect(useBackend("abacus")).rejects.toThrow(/abacus/);
  });

  it("lets other warnings through", async () => {
    const seen = vi.spyOn(console, "warn").mockImplementation(() => undefined);
    await useBackend("cpu");
    console.warn("something new");
    expect(seen).toHaveBeenCalledWith("something new");
    seen.mockRestore();
  });
});
