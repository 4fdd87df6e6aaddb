import * as tf from "@tensorflow/tfjs";
import { beforeEach, describe, expect, it } from "vitest";
import {
  Ema,
  interpolate,
  noise,
  scale,
  validateEvery,
  type ValidateEveryOptions,
  type ValidationPoint,
  withTheater,
} from "../../src/tfjs.ts";
import { bits } from "../support/bits.ts";
import { liveCounts } from "../support/meter.ts";
import { input, predictionBits, weightBits, withWeights } from "../support/models.ts";
import { backends, useBackend } from "../support/tensorflow.ts";

const EPOCHS = 4;
const BATCHES = 16;
const STEPS = EPOCHS * BATCHES;

/** Dense, BatchNorm, dense, trained by Adam: whatever a validation could disturb. */
function network(): tf.Sequential {
  const model = tf.sequential({
    layers: [
      tf.layers.dense({ units: 8, inputShape: [4], activation: "tanh" }),
      tf.layers.batchNormalization(),
      tf.layers.dense({ units: 3 }),
    ],
  });
  model.compile({ optimizer: tf.train.adam(0.05), loss: "meanSquaredError" });
  return withWeights(model);
}

describe.each(backends)("validateEvery on %s", (backend) => {
  let x: tf.Tensor;
  let y: tf.Tensor;

  beforeEach(async () => {
    await useBackend(backend);
    [x, y] = [input([4 * BATCHES, 4]), input([4 * BATCHES, 3], 9)];
    return () => tf.dispose([x, y]);
  });

  const fit = (model: tf.LayersModel, callbacks: tf.Callback[] | tf.CustomCallback[] = []) =>
    model.fit(x, y, { epochs: EPOCHS, batchSize: 4, shuffle: false, callbacks });

  const loss = ({ model }: Pick<ValidationPoint, "model">): number =>
    tf.tidy(
      () => tf.losses.meanSquaredError<tf.Tensor, tf.Tensor>(y, model.predict(x) as tf.Tensor).dataSync()[0]!,
    );

  /** Bits of all weights and of the optimizer's slots after training. */
  async function trainedBits(...callbacks: tf.CustomCallback[]): Promise<string[]> {
    const model = network();
    await fit(model, callbacks);
    const slots = await model.optimizer.getWeights();
    const found = [
      ...Object.values(weightBits(model)),
      ...slots.map(({ tensor }) => bits(tensor.dataSync())),
    ];
    model.optimizer.dispose();
    model.dispose();
    return found;
  }

  const ways: readonly { title: string; options: ValidateEveryOptions<unknown> }[] = [
    { title: "a guard", options: {} },
    { title: "noise under swap", options: { modification: noise({ std: 0.3, seed: 1 }), layers: "all" } },
    {
      title: "scale under stream",
      options: { modification: scale(0.5), layers: "all", technique: "stream" },
    },
  ];

  it.each(ways)(
    `leaves ${STEPS} steps of training as they are without, to the bit: $title`,
    async ({ options }) => {
      const plain = await trainedBits();
      let outputs = 0;
      const validation = validateEvery(
        5,
        async ({ model }) => {
          outputs += predictionBits(model, x).length;
          // Whatever else is due may run now.
          await new Promise((resolve) => setTimeout(resolve));
          return loss({ model });
        },
        options,
      );
      expect(await trainedBits(validation)).toEqual(plain);
      expect(outputs).toBeGreaterThan(0);
      expect(validation.history.map(({ step }) => step)).toEqual([
        5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60,
      ]);
      expect(validation.history.map(({ epoch }) => epoch)).toEqual([0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]);
      expect(validation.history.every(({ receipt }) => receipt.identical)).toBe(true);
    },
  );

  it("shows the modified weights to the function, and the trained ones to a guard", async () => {
    const model = network();
    const shown: number[] = [];
    const trained: number[] = [];
    await fit(model, [
      validateEvery(16, (at) => void shown.push(loss(at)), { modification: scale(0), layers: "all" }),
      validateEvery(16, (at) => void trained.push(loss(at))),
    ]);
    expect(new Set(shown).size).toBe(1);
    expect(new Set(trained).size).toBe(EPOCHS);
    model.dispose();
  });

  it("keeps timers going, alone in the list of callbacks", async () => {
    const model = network();
    let last = performance.now();
    let longest = 0;
    let ticks = 0;
    const timer = setInterval(() => {
      ticks++;
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }, 1);
    const begin = performance.now();
    const validation = validateEvery(10, loss, { modification: scale(0.5), layers: "all" });
    try {
      while (performance.now() - begin < 700) await fit(model, [validation]);
    } finally {
      clearInterval(timer);
    }
    // TensorFlow.js yields every 125 ms; without a callback that does, nothing would tick before the end.
    expect(ticks).toBeGreaterThanOrEqual(3);
    expect(longest).toBeLessThan(500);
    model.dispose();
  });

  it("validates in fitDataset as in fit", async () => {
    const model = network();
    const [xs, ys] = [x.arraySync() as number[][], y.arraySync() as number[][]];
    const dataset = tf.data.zip({ xs: tf.data.array(xs), ys: tf.data.array(ys) }).batch(4);
    const validation = validateEvery(8, loss, { modification: scale(0.5), layers: "all" });
    await model.fitDataset(dataset, { epochs: 2, callbacks: [validation] });
    expect(validation.history.map(({ step }) => step)).toEqual([8, 16, 24, 32]);
    model.dispose();
  });

  it("counts on from one fit to the next, and stands beside other callbacks", async () => {
    const model = network();
    const epochs: number[] = [];
    const validation = validateEvery(24, () => "any result");
    const mine = new tf.CustomCallback({ onEpochEnd: (epoch) => void epochs.push(epoch) });
    await fit(model, [validation, mine]);
    await fit(model, [mine, validation]);
    expect(validation.history.map(({ step, result }) => [step, result])).toEqual(
      [24, 48, 72, 96, 120].map((step) => [step, "any result"]),
    );
    expect(epochs).toHaveLength(2 * EPOCHS);
    model.dispose();
  });

  it("asks for the modification each time, so that an average can be validated", async () => {
    const model = network();
    const ema = new Ema(model, { decay: 0.9 });
    const update = new tf.CustomCallback({ onBatchEnd: () => ema.update() });
    const seen: string[] = [];
    const expected: string[] = [];
    const validation = validateEvery(
      4,
      ({ model: shown }) => {
        seen.push(Object.values(weightBits(shown)).join());
        expected.push(
          shown.weights.map((weight) => bits(ema.weights[weight.originalName]!.dataSync())).join(),
        );
      },
      { modification: () => interpolate(ema.weights) },
    );
    await fit(model, [update, validation]);
    expect(seen).toHaveLength(STEPS / 4);
    expect(seen).toEqual(expected);
    ema.dispose();
    model.dispose();
  });

  it("hands what fn throws to fit, and puts everything back first", async () => {
    const model = network();
    const mine = new Error("mine");
    let before: unknown;
    const validation = validateEvery(
      7,
      () => {
        throw mine;
      },
      {
        modification: scale(0.5),
        layers: "all",
        alsoRestore: () => {
          before = weightBits(model);
          return () => undefined;
        },
      },
    );
    await expect(fit(model, [validation])).rejects.toBe(mine);
    expect(weightBits(model)).toEqual(before);
    expect(validation.history).toEqual([]);
    model.dispose();
  });

  it("hands a receipt to onReceipt as well, and refuses a training step inside", async () => {
    const model = network();
    const receipts: unknown[] = [];
    const validation = validateEvery(16, () => 0, { onReceipt: (receipt) => receipts.push(receipt) });
    await fit(model, [validation]);
    expect(receipts).toEqual(validation.history.map(({ receipt }) => receipt));
    const writing = validateEvery(16, ({ model: shown }) => {
      tf.tidy(() => void shown.weights[0]!.write(tf.zerosLike(shown.weights[0]!.read())));
    });
    await expect(fit(model, [writing])).rejects.toMatchObject({ code: "written_inside" });
    model.dispose();
  });

  describe("with keepBest", () => {
    /** Scores that are given: the best one is at a step that is known. */
    const given = (scores: readonly number[]): (() => number) => {
      let i = 0;
      return () => scores[i++]!;
    };

    it.each([
      { mode: "max", scores: [1, 3, 2, 3], best: 32 },
      { mode: "min", scores: [3, 2, 1, 1], best: 48 },
      { mode: "max", scores: [Number.NaN, -1, Number.NaN, -2], best: 32 },
    ] as const)(
      "keeps the trained weights of the first best score and restores them: $mode of $scores",
      async ({ mode, scores, best }) => {
        const model = network();
        const at: Record<number, string[]> = {};
        const score = given(scores);
        const validation = validateEvery(16, score, {
          modification: scale(0.5),
          layers: "all",
          mode,
          keepBest: "trained",
          onReceipt: () => undefined,
        });
        const watch = new tf.CustomCallback({
          onEpochEnd: (epoch) => void (at[BATCHES * (epoch + 1)] = Object.values(weightBits(model))),
        });
        await fit(model, [validation, watch]);
        expect(validation.best).toMatchObject({ step: best, score: scores[best / BATCHES - 1] });
        expect(Object.values(weightBits(model))).not.toEqual(at[best]);
        const averaged = withTheater(model, { modification: interpolate(validation.best!.weights!) }, () =>
          Object.values(weightBits(model)),
        );
        expect(averaged).toEqual(at[best]);
        const counts = liveCounts();
        validation.restoreBest();
        expect(Object.values(weightBits(model))).toEqual(at[best]);
        // It takes the place of what was there, and stays kept.
        expect(liveCounts()["numTensors"]).toBe(counts["numTensors"]);
        validation.dispose();
        expect(Object.values(weightBits(model))).toEqual(at[best]);
        model.dispose();
      },
    );

    it.each(["swap", "stream"] as const)(
      "keeps the shown weights under %s, which the score belongs to",
      async (technique) => {
        const model = network();
        let shown: string[] = [];
        const score = given([1, 2, 0, 0]);
        const validation = validateEvery(
          16,
          ({ model: inside, step }) => {
            if (step === 32) shown = Object.values(weightBits(inside));
            return score();
          },
          {
            modification: noise({ std: 0.3, seed: 2 }),
            layers: "all",
            technique,
            mode: "max",
            keepBest: "shown",
          },
        );
        await fit(model, [validation]);
        validation.restoreBest();
        expect(Object.values(weightBits(model))).toEqual(shown);
        validation.dispose();
        model.dispose();
      },
    );

    it("copies nothing, holds what training leaves behind, and frees it", async () => {
      const run = async (keepBest: boolean): Promise<() => Record<string, number>> => {
        const model = network();
        const validation = validateEvery(16, given([2, 1, 1, 1]), {
          mode: "max",
          ...(keepBest && { keepBest: "trained" as const }),
        });
        await fit(model, [validation]);
        const counts = liveCounts();
        const kept = validation.keptBytes;
        validation.dispose();
        const freed = liveCounts();
        const weights = model.weights.reduce((sum, weight) => sum + 4 * weight.read().size, 0);
        expect(kept).toBe(keepBest ? weights : 0);
        expect(counts["numDataBuffers"]! - freed["numDataBuffers"]!).toBe(
          keepBest ? model.weights.length : 0,
        );
        expect(validation.keptBytes).toBe(0);
        model.optimizer.dispose();
        model.dispose();
        return liveCounts;
      };
      const before = liveCounts();
      await run(true);
      const withBest = liveCounts();
      await run(false);
      const without = liveCounts();
      const leaked = (a: Record<string, number>, b: Record<string, number>): number =>
        b["numDataBuffers"]! - a["numDataBuffers"]!;
      // Making and training a model may leave something of TensorFlow.js behind: the same in both.
      expect(leaked(before, withBest)).toBe(leaked(withBest, without));
    });

    it("refuses to restore what is not there, or inside a theater", async () => {
      const model = network();
      const validation = validateEvery(16, () => 1, { mode: "max", keepBest: "trained" });
      expect(() => validation.restoreBest()).toThrow(expect.objectContaining({ code: "nothing_kept" }));
      await fit(model, [validation]);
      withTheater(model, { modification: scale(0.5), layers: "all" }, () => {
        const before = weightBits(model);
        expect(() => validation.restoreBest()).toThrow(expect.objectContaining({ code: "already_open" }));
        expect(weightBits(model)).toEqual(before);
      });
      {
        using held = validation;
        expect(held.best?.weights).toBeDefined();
      }
      expect(validation.best?.weights).toBeUndefined();
      expect(() => validation.restoreBest()).toThrow(expect.objectContaining({ code: "nothing_kept" }));
      model.dispose();
    });

    it("frees what it kept when the theater ends with an error", async () => {
      const leftBy = async (options: ValidateEveryOptions<number>): Promise<number> => {
        const model = network();
        const before = liveCounts();
        const validation = validateEvery(
          1,
          ({ model: inside }) => {
            tf.tidy(() => void inside.weights[0]!.write(tf.zerosLike(inside.weights[0]!.read())));
            return 1;
          },
          options,
        );
        await expect(fit(model, [validation])).rejects.toMatchObject({ code: "written_inside" });
        expect(validation.best).toBeUndefined();
        const left = liveCounts()["numDataBuffers"]! - before["numDataBuffers"]!;
        model.optimizer.dispose();
        model.dispose();
        return left;
      };
      // Adam's slots, and what fit leaves behind when a callback throws.
      const without = await leftBy({});
      expect(await leftBy({ mode: "max", keepBest: "shown" })).toBe(without);
      expect(await leftBy({ mode: "max", keepBest: "trained" })).toBe(without);
    });
  });

  it("stops training after as many validations without a better score as patience says", async () => {
    const model = network();
    const scores = [1, 2, 2, Number.NaN, 5];
    const validation = validateEvery(4, () => scores.shift() ?? 5, { mode: "max", patience: 2 });
    await fit(model, [validation]);
    expect(validation.history.map(({ step }) => step)).toEqual([4, 8, 12, 16]);
    expect(validation.best).toMatchObject({ step: 8, score: 2, weights: undefined });
    // The next training begins anew.
    await fit(model, [validation]);
    expect(validation.history.length).toBeGreaterThan(4);
    model.dispose();
  });

  it("compares what score makes of the results", async () => {
    const model = network();
    const validation = validateEvery(16, ({ step }) => ({ accuracy: step }), {
      mode: "max",
      score: ({ accuracy }) => accuracy,
    });
    await fit(model, [validation]);
    expect(validation.best?.score).toBe(STEPS);
    const wrong = validateEvery(16, () => "good", { mode: "max" });
    await expect(fit(model, [wrong])).rejects.toThrow('fn returned "good". Every parameter is back');
    model.dispose();
  });
});

describe("validateEvery refuses", () => {
  const noop = (): number => 0;
  it.each([
    {
      title: "n of 0",
      make: () => validateEvery(0, noop),
      says: "n must be an integer of at least 1, got 0",
    },
    { title: "n of 2.5", make: () => validateEvery(2.5, noop), says: "got 2.5" },
    // @ts-expect-error not a number
    { title: "n in words", make: () => validateEvery("10", noop), says: 'n must be a number, got "10"' },
    // @ts-expect-error not a function
    { title: "a missing function", make: () => validateEvery(1, undefined), says: "fn must be a function" },
    {
      title: "null for options",
      // @ts-expect-error not an object
      make: () => validateEvery(1, noop, null),
      says: "options must be an object",
    },
    {
      title: "a misspelt option of its own",
      // @ts-expect-error misspelt
      make: () => validateEvery(1, noop, { patiense: 2 }),
      says: 'unknown option "patiense". Did you mean "patience"?',
    },
    {
      title: "a misspelt option of theaters",
      // @ts-expect-error misspelt
      make: () => validateEvery(1, noop, { layer: "all" }),
      says: 'Did you mean "layers"?',
    },
    {
      title: "the modification in place of options",
      // @ts-expect-error a modification
      make: () => validateEvery(1, noop, scale(0.5)),
      says: "options must be { modification: … }",
    },
    {
      title: "a wrong option of theaters, before training begins",
      // @ts-expect-error no such technique
      make: () => validateEvery(1, noop, { technique: "swop" }),
      says: 'Did you mean "swap"?',
    },
    {
      title: "another mode",
      // @ts-expect-error no such mode
      make: () => validateEvery(1, noop, { mode: "maximum" }),
      says: 'mode must be "max" or "min", got "maximum"',
    },
    {
      title: "keepBest without a mode",
      make: () => validateEvery(1, noop, { keepBest: "trained" }),
      says: "keepBest needs mode",
    },
    {
      title: "patience without a mode",
      make: () => validateEvery(1, noop, { patience: 3 }),
      says: "patience needs mode",
    },
    {
      title: "patience of 0",
      make: () => validateEvery(1, noop, { mode: "max", patience: 0 }),
      says: "patience must be an integer of at least 1",
    },
    {
      title: "a score that is no function",
      // @ts-expect-error not a function
      make: () => validateEvery(1, noop, { mode: "max", score: "accuracy" }),
      says: "score must be a function",
    },
    {
      title: "layers by index",
      make: () => validateEvery(1, noop, { modification: scale(0.5), layers: ["dense", [1]] as never }),
      says: "select layers by name",
    },
    {
      title: "layers without a modification",
      make: () => validateEvery(1, noop, { layers: "all" }),
      says: "there is none",
    },
  ])("$title", ({ make, says }) => {
    expect(make).toThrow(says);
  });
});
