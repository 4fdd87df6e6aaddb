import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Ema as MemoryEma } from "../../src/index.ts";
import { Ema, interpolate, withTheater } from "../../src/tfjs.ts";
import { backends, useBackend } from "../support/tensorflow.ts";

const updates = 20;

describe.each(backends)("an average of tensors on %s", async (name) => {
  const tf = await useBackend(name);
  let before: number;
  let kernel: InstanceType<typeof tf.Variable>;
  let statistic: InstanceType<typeof tf.Variable>;
  let ids: InstanceType<typeof tf.Variable>;

  beforeEach(async () => {
    await useBackend(name);
    before = tf.memory().numTensors;
    tf.tidy(() => {
      kernel = tf.variable(tf.zeros([3]));
      statistic = tf.variable(tf.ones([2]));
      ids = tf.variable(tf.ones([2], "int32"));
    });
  });

  afterEach(() => {
    tf.dispose([kernel, statistic, ids]);
  });

  function train(step: number): readonly number[] {
    const values = [Math.sin(step), 100 / step, -step];
    tf.tidy(() => kernel.assign(tf.tensor(values)));
    return values;
  }

  it.each([true, false])("is that of typed arrays but for rounding, corrected: %s", (biasCorrection) => {
    const array = new Float32Array(3);
    const expected = new MemoryEma({ kernel: array }, { decay: 0.9, biasCorrection });
    const ema = new Ema({ kernel }, { decay: 0.9, biasCorrection });
    for (let step = 1; step <= updates; step++) {
      array.set(train(step));
      expected.update();
      ema.update();
      // The engine rounds the weight, the difference, the product and the sum: four times half a unit in the last
      // place of at most 2 · 100, where typed arrays round once. Later updates only shrink what was wrong.
      const tolerance = step * 5 * 2 ** -24 * 200;
      const reference = expected.weights["kernel"]!;
      for (const [i, value] of ema.weights["kernel"]!.dataSync().entries()) {
        expect(Math.abs(value - reference[i]!)).toBeLessThanOrEqual(tolerance);
      }
    }
    ema.dispose();
  });

  it("includes statistics, leaves integers out, and holds one tensor each", () => {
    const ema = new Ema({ kernel, "bn.moving_mean": statistic, ids }, { decay: 0.9 });
    const variables = tf.memory().numTensors;
    for (let step = 1; step <= 3; step++) {
      train(step);
      ema.update();
      expect(tf.memory().numTensors).toBe(variables + 2);
    }
    expect(Object.keys(ema.weights)).toEqual(["kernel", "bn.moving_mean"]);
    expect(ema.bytes).toBe(20);
    ema.dispose();
    expect(tf.memory().numTensors).toBe(variables);
    expect(variables).toBe(before + 3);
  });

  it("is not freed by the tidy it is updated in", () => {
    const ema = new Ema({ kernel }, { decay: 0.9 });
    tf.tidy(() => ema.update());
    train(1);
    tf.tidy(() => ema.update());
    expect(ema.weights["kernel"]!.isDisposed).toBe(false);
    ema.dispose();
  });

  it("keeps the first parameters when training goes on", () => {
    const ema = new Ema({ kernel }, { decay: 0.9 });
    train(1);
    const first = [...kernel.dataSync()];
    ema.update();
    train(2);
    expect([...ema.weights["kernel"]!.dataSync()]).toEqual(first);
    ema.dispose();
  });

  it("is shown by a theater without a copy, and may be shown again", () => {
    const ema = new Ema({ kernel }, { decay: 0.5 });
    for (let step = 1; step <= 2; step++) {
      train(step);
      ema.update();
    }
    const own = [...kernel.dataSync()];
    const buffers = tf.memory().numDataBuffers;
    const average = [...ema.weights["kernel"]!.dataSync()];
    for (let time = 0; time < 2; time++) {
      const seen = withTheater({ kernel }, { modification: interpolate(ema.weights) }, () => {
        expect(tf.memory().numDataBuffers).toBe(buffers);
        return [...kernel.dataSync()];
      });
      expect(seen).toEqual(average);
      expect([...kernel.dataSync()]).toEqual(own);
    }
    ema.dispose();
  });
});
