/** Regressions: what was found by trying to break streams, exports and validation in fit. */
import * as tf from "@tensorflow/tfjs";
import { engine } from "@tensorflow/tfjs-core";
import { beforeEach, describe, expect, it, vi } from "vitest";
import * as first from "../../src/tfjs.ts";
import {
  custom,
  interpolate,
  planTheater,
  scale,
  surgicalTheater,
  validateEvery,
  withTheater,
} from "../../src/tfjs.ts";
import { bits } from "../support/bits.ts";
import { engineFaults } from "../support/engine-faults.ts";
import { atEveryCall, failing } from "../support/failing.ts";
import { liveCounts, startMeter } from "../support/meter.ts";
import { input, mlp, predictionBits, weightBits } from "../support/models.ts";
import { backends, useBackend } from "../support/tensorflow.ts";

const half = { modification: scale(0.5), layers: "all", technique: "stream" } as const;
const made: tf.Tensor[] = [];

function variable(values: readonly number[]): tf.Variable {
  const of = tf.tidy(() => tf.variable(tf.tensor1d([...values])));
  made.push(of);
  return of;
}

describe.each(backends)("on %s", (backend) => {
  beforeEach(async () => {
    await useBackend(backend);
    return () => tf.dispose(made.splice(0));
  });

  it("a merely watched slot that cannot be converted keeps the way back of the guard", async () => {
    for (const point of engineFaults()) {
      await atEveryCall((n) => {
        const model = mlp();
        const before = weightBits(model);
        const counts = liveCounts();
        const guard = surgicalTheater(model, { onWrite: "discard" });
        let inner: { close(): unknown } | undefined;
        const { fired } = failing(point, n, () => (inner = surgicalTheater(model, half)));
        inner?.close();
        for (const weight of model.weights) tf.tidy(() => void weight.write(tf.zerosLike(weight.read())));
        expect(guard.close().identical).toBe(true);
        expect(weightBits(model)).toEqual(before);
        const left = liveCounts()["numTensors"]! - counts["numTensors"]!;
        // The tensor whose own disposal was made to fail.
        expect(left).toBeLessThanOrEqual(point.title === "dispose" ? 1 : 0);
        model.dispose();
        return fired;
      });
    }
  });

  it("a parameter that is about to be modified has its technique already, for theaters that custom functions open", () => {
    const [a, b] = [variable([1, 2]), variable([3, 4])];
    const inner = { modification: scale(3), layers: "all", technique: "swap" } as const;
    const modification = [
      custom((w: tf.Tensor, { name }) => {
        if (name === "a") withTheater({ b }, inner, () => expect([...b.dataSync()]).toEqual([9, 12]));
        return tf.zerosLike(w);
      }),
      scale(0.5),
    ];
    const theater = surgicalTheater({ a, b }, { ...half, modification });
    expect(theater.report().heldBytes).toBe(theater.plan.heldBytes);
    expect(theater.plan.heldBytes).toBe(16);
    expect([...b.dataSync()]).toEqual([1.5, 2]);
    expect(theater.close().identical).toBe(true);
  });

  it("layers of the user's, which may keep what they make of their weights, are planned for all at once", () => {
    class Keeping extends tf.layers.Layer {
      static className = `Keeping_${backend}`;
      w: tf.LayerVariable | undefined;
      override build(): void {
        this.w = this.addWeight("w", [4096], "float32", tf.initializers.ones());
        super.build([]);
      }
      override call(x: tf.Tensor | tf.Tensor[]): tf.Tensor {
        const of = Array.isArray(x) ? x[0]! : x;
        return tf.matMul(of, tf.reshape(this.w!.read(), [64, 64]));
      }
      override computeOutputShape(shape: tf.Shape): tf.Shape {
        return shape;
      }
    }
    tf.serialization.registerClass(Keeping);
    const model = tf.sequential({
      layers: [
        tf.layers.inputLayer({ inputShape: [64] }),
        ...Array.from({ length: 4 }, () => new Keeping({})),
      ],
    });
    const x = tf.ones([1, 64]);
    const peak = (run: () => void): number => {
      const meter = startMeter();
      run();
      meter.stop();
      return meter.peak();
    };
    const predict = (): void => tf.dispose(model.predict(x));
    predict();
    const plain = peak(predict);
    const streamed = peak(() => withTheater(model, half, predict));
    expect(streamed - plain).toBeLessThanOrEqual(planTheater(model, half).transientBytes);
    x.dispose();
    model.dispose();
  });

  it("a clone of the original that is written inside is a write, seen and undone", () => {
    const v = variable([8]);
    const copy = v.clone();
    made.push(copy);
    const theater = surgicalTheater([v], { ...half, onWrite: "discard" });
    expect(v.dataSync()[0]).toBe(4);
    v.assign(copy);
    expect(v.dataSync()[0]).toBe(8);
    expect(theater.close()).toMatchObject({ identical: true, written: [v.name] });
    expect(v.dataSync()[0]).toBe(8);
  });

  it("variables that tf.disposeVariables freed leave nothing behind when they are used once more", () => {
    const before = { ...engine().registeredVariables };
    const v = variable([1, 2]);
    const counts = liveCounts();
    const theater = surgicalTheater([v], half);
    // As tf.disposeVariables does, for this one alone.
    engine().disposeVariable(v);
    expect(() => tf.dispose(tf.mul(v, 1))).not.toThrow(first.SurgicalTheaterError);
    expect(() => theater.close()).toThrow(expect.objectContaining({ code: "original_lost" }));
    expect(liveCounts()["numDataBuffers"]).toBe(counts["numDataBuffers"]! - 1);
    made.length = 0;
    expect(Object.keys(engine().registeredVariables)).toEqual(Object.keys(before));
  });

  it("a layer class that is registered again under its name is still seen by exports", () => {
    const define = (): new (config: object) => tf.layers.Layer => {
      class Own extends tf.layers.Layer {
        static className = `Own_${backend}`;
        w: tf.LayerVariable | undefined;
        override build(): void {
          this.w = this.addWeight("w", [1], "float32", tf.initializers.ones());
          super.build([]);
        }
        override call(x: tf.Tensor | tf.Tensor[]): tf.Tensor {
          return tf.mul(Array.isArray(x) ? x[0]! : x, this.w!.read());
        }
        override getWeights(): tf.Tensor[] {
          return [this.w!.read()];
        }
      }
      tf.serialization.registerClass(Own);
      return Own;
    };
    for (let time = 0; time < 2; time++) {
      const layer = new (define())({ inputShape: [1] });
      const model = tf.sequential({ layers: [layer] });
      withTheater(model, half, () =>
        expect(() => layer.getWeights()).toThrow(expect.objectContaining({ code: "saved_inside" })),
      );
      model.dispose();
    }
  });

  it("two loaded copies see each other's streams, and leave no hooks however they interleave", async () => {
    vi.resetModules();
    const second = await import("../../src/tfjs.ts");
    expect(second.withTheater).not.toBe(first.withTheater);
    const [a, b] = [variable([8]), variable([1])];
    const core = engine();
    const own = Object.getOwnPropertyDescriptor(core, "runKernel");
    withTheater({ a }, half, () => {
      const towards = { modification: second.interpolate({ b: a }) };
      expect(second.withTheater({ b }, towards, () => b.dataSync()[0])).toBe(4);
    });
    for (let round = 0; round < 3; round++) {
      const one = surgicalTheater({ a }, half);
      const two = second.surgicalTheater({ b }, half);
      expect(tf.tidy(() => tf.add(a, b).dataSync()[0])).toBe(4.5);
      one.close();
      expect(tf.tidy(() => tf.add(a, b).dataSync()[0])).toBe(8.5);
      two.close();
      expect(Object.getOwnPropertyDescriptor(core, "runKernel")).toEqual(own);
    }
    expect(Object.keys(Object.getOwnPropertyDescriptors(a))).not.toContain("assign");
  });

  describe("validateEvery", () => {
    const one = (): number => 1;
    const fit = (model: tf.LayersModel, ...callbacks: unknown[]): Promise<unknown> => {
      const [x, y] = [input([8, 4]), input([8, 3])];
      made.push(x, y);
      return model.fit(x, y, { batchSize: 4, callbacks: callbacks as tf.CustomCallback[] });
    };

    it("is for one model, which may be compiled again", async () => {
      const [model, other] = [mlp(), mlp()];
      const validation = validateEvery(1, one, { mode: "min", keepBest: "trained" });
      await fit(model, validation);
      const before = weightBits(other);
      await expect(fit(other, validation)).rejects.toThrow("this callback has validated another model");
      expect(weightBits(other)).toEqual(before);
      model.compile({ optimizer: "sgd", loss: "meanSquaredError" });
      await fit(model, validation);
      expect(validation.history).toHaveLength(4);
      validation.restoreBest();
      validation.dispose();
      expect(validation.best).toBeUndefined();
      model.dispose();
      other.dispose();
    });

    it.each([
      { title: "nothing", modification: () => void interpolate({}) },
      { title: "null", modification: () => null },
      { title: "a promise", modification: () => Promise.resolve(scale(2)) },
    ])("refuses a function modification that returns $title", async ({ modification }) => {
      const model = mlp();
      const wrong = validateEvery(1, one, { modification: modification as never, layers: "all" });
      if (modification.toString().includes("void")) {
        // Its own error first: there is nothing to interpolate towards.
        await expect(fit(model, wrong)).rejects.toThrow("interpolate: towards is empty");
        const forgotten = validateEvery(1, one, { modification: (() => undefined) as never });
        await expect(fit(model, forgotten)).rejects.toThrow("the function modification returned undefined");
      } else {
        await expect(fit(model, wrong)).rejects.toThrow("the function modification returned");
      }
      expect(wrong.history).toEqual([]);
      model.dispose();
    });

    it.each([
      { title: "selection", options: { modification: scale(2), layers: "hiden" }, code: "unknown_name" },
      { title: "budget", options: { modification: scale(2), layers: "all", budget: 1 }, code: "over_budget" },
    ])("tells of a wrong $title before anything is trained", async ({ options, code }) => {
      const model = mlp();
      const before = weightBits(model);
      await expect(fit(model, validateEvery(1000, one, options))).rejects.toMatchObject({ code });
      expect(weightBits(model)).toEqual(before);
      model.dispose();
    });

    it("says what is wrong with a list that begins with functions", async () => {
      const model = mlp();
      await expect(fit(model, { onEpochEnd: () => undefined }, validateEvery(1, one))).rejects.toThrow(
        "Write your own as new tf.CustomCallback",
      );
      model.dispose();
    });

    it("refuses to restore inside a guard, too", async () => {
      const model = mlp();
      const validation = validateEvery(1, one, { mode: "min", keepBest: "trained" });
      await fit(model, validation);
      withTheater(model, {}, () =>
        expect(() => validation.restoreBest()).toThrow(expect.objectContaining({ code: "already_open" })),
      );
      validation.dispose();
      model.dispose();
    });

    it("keeps statistics as they were found, whatever the function does to them", async () => {
      const model = tf.sequential({
        layers: [tf.layers.batchNormalization({ inputShape: [4] }), tf.layers.dense({ units: 3 })],
      });
      model.compile({ optimizer: "sgd", loss: "meanSquaredError" });
      const x = input([8, 4]);
      made.push(x);
      let trained = "";
      const validation = validateEvery(
        1,
        ({ model: shown, step }) => {
          if (step === 1)
            trained = bits(
              shown.weights
                .find(({ name }) => name.includes("variance"))!
                .read()
                .dataSync(),
            );
          tf.tidy(() => void shown.apply(x, { training: true }));
          return step;
        },
        { modification: scale(2), layers: "all", mode: "min", keepBest: "shown" },
      );
      await fit(model, validation);
      const kept = Object.entries(validation.best!.weights!).find(([name]) => name.includes("variance"))![1];
      expect(bits(kept.dataSync())).toBe(trained);
      expect(predictionBits(model, x)).not.toBe("");
      validation.dispose();
      model.dispose();
    });
  });
});
