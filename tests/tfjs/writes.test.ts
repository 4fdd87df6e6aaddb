import * as tf from "@tensorflow/tfjs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { RestoreError, scale, surgicalTheater, withTheater, withTheaterAsync } from "../../src/tfjs.ts";
import { liveCounts } from "../support/meter.ts";
import { dataIds, input, mlp, variable, weightBits } from "../support/models.ts";
import { backends, useBackend } from "../support/tensorflow.ts";
import { thrownBy } from "../support/thrown.ts";

/** One of the kernels: everything else is watched, not modified. */
const kernelOf = (model: tf.LayersModel): string => model.weights[0]!.name;

describe.each(backends)("what is written inside a theater, on %s", (backend) => {
  let model: tf.Sequential;
  let x: tf.Tensor;
  let y: tf.Tensor;
  let optimizer: tf.Optimizer;

  beforeEach(async () => {
    await useBackend(backend);
    model = mlp();
    optimizer = tf.train.sgd(0.1);
    [x, y] = [input([4, 4]), input([4, 3])];
    // Compiles the training function, and its buffers, before anything is counted.
    await model.trainOnBatch(x, y);
  });

  afterEach(() => {
    tf.dispose([x, y]);
    optimizer.dispose();
    model.dispose();
  });

  const assign = (target: tf.Variable, value: number): void =>
    tf.tidy(() => target.assign(tf.fill(target.shape, value)));

  const writers: readonly { title: string; names: () => string[]; write: () => void | Promise<unknown> }[] = [
    { title: "trainOnBatch", names: allNames, write: () => model.trainOnBatch(x, y) },
    {
      title: "fit",
      names: allNames,
      write: () => model.fit(x, y, { epochs: 2, shuffle: false }),
    },
    {
      title: "an optimizer of one's own",
      names: allNames,
      write: () =>
        tf.tidy(
          () =>
            void optimizer.minimize(() =>
              tf.losses.meanSquaredError<tf.Tensor, tf.Scalar>(y, model.apply(x) as tf.Tensor),
            ),
        ),
    },
    {
      title: "setWeights",
      names: allNames,
      write: () => tf.tidy(() => model.setWeights(model.weights.map((weight) => tf.add(weight.read(), 1)))),
    },
    {
      title: "assign to a target",
      names: () => [kernelOf(model)],
      write: () => assign(variable(model, "/kernel"), 42),
    },
    {
      title: "assign to a parameter that is not a target",
      names: () => [model.weights[3]!.name],
      write: () => assign(model.weights[3]!.read() as tf.Variable, 42),
    },
  ];

  function allNames(): string[] {
    return model.weights.map(({ name }) => name);
  }

  describe.each([
    {
      title: "a theater on one kernel",
      options: (of: tf.LayersModel = model) => ({ modification: scale(0.5), layers: kernelOf(of) }),
    },
    { title: "a theater on all", options: () => ({ modification: scale(0.5), layers: "all" }) },
    { title: "a guard", options: () => ({}) },
  ])("in $title", ({ options }) => {
    it.each(writers)("is undone, then an error, by default: $title", async ({ names, write }) => {
      const [before, ids, counts] = [weightBits(model), dataIds(model), liveCounts()];
      const theater = surgicalTheater(model, options());
      await write();
      const error = thrownBy(() => theater.close());
      expect(error).toMatchObject({ code: "written_inside" });
      expect([...(error as { parameters: string[] }).parameters].sort()).toEqual(names().sort());
      expect(weightBits(model)).toEqual(before);
      expect(dataIds(model).every((id, i) => id === ids[i])).toBe(true);
      expect(liveCounts()).toEqual(counts);
      expect(theater.receipt?.identical).toBe(true);
    });

    it.each(writers)("is undone where onWrite is discard: $title", async ({ names, write }) => {
      const [before, ids, counts] = [weightBits(model), dataIds(model), liveCounts()];
      const theater = surgicalTheater(model, { ...options(), onWrite: "discard" });
      await write();
      const receipt = theater.close();
      expect(receipt.identical).toBe(true);
      expect([...receipt.written].sort()).toEqual(names().sort());
      expect(weightBits(model)).toEqual(before);
      expect(dataIds(model).every((id, i) => id === ids[i])).toBe(true);
      expect(liveCounts()).toEqual(counts);
    });

    it.each(writers)(
      "stays where onWrite is keep, and the rest comes back: $title",
      async ({ names, write }) => {
        const [before, counts] = [weightBits(model), liveCounts()];
        const theater = surgicalTheater(model, { ...options(), onWrite: "keep" });
        await write();
        const written = weightBits(model);
        const receipt = theater.close();
        expect([...receipt.written].sort()).toEqual(names().sort());
        expect(receipt.identical).toBe(false);
        const kept = new Set(names());
        for (const weight of model.weights) {
          const key = weight.originalName + weight.id;
          const expected = kept.has(weight.name) ? written : before;
          expect(weightBits(model)[key]).toBe(expected[key]);
          expect(receipt.parameters.get(weight.name)?.by).toBe(kept.has(weight.name) ? "kept" : "identity");
        }
        expect(liveCounts()).toEqual(counts);
      },
    );

    it("is detected under the asynchronous form", async () => {
      const before = weightBits(model);
      const training = withTheaterAsync(model, options(), () => model.trainOnBatch(x, y));
      await expect(training).rejects.toMatchObject({ code: "written_inside" });
      expect(weightBits(model)).toEqual(before);
    });

    it("does not hide what the body threw", () => {
      const before = weightBits(model);
      const mine = new Error("mine");
      const body = (): void => {
        assign(variable(model, "/kernel"), 42);
        throw mine;
      };
      expect(() => withTheater(model, options(), body)).toThrow(mine);
      expect(weightBits(model)).toEqual(before);
    });

    it.each(["error", "discard"] as const)("and disposed of is named as lost, onWrite: %s", (onWrite) => {
      const other = mlp();
      const counts = liveCounts();
      const lostBias = other.weights[1]!;
      const rest = other.weights.filter((weight) => weight !== lostBias);
      const before = rest.map((weight) => weight.read().dataSync().slice());
      const theater = surgicalTheater(other, { ...options(other), onWrite });
      lostBias.read().dispose();
      const error = thrownBy(() => theater.close());
      expect(error).toBeInstanceOf(RestoreError);
      expect(error).toMatchObject({ code: "original_lost" });
      expect([...(error as RestoreError).failures.keys()]).toEqual([lostBias.name]);
      expect(rest.map((weight) => weight.read().dataSync().slice())).toEqual(before);
      // Its one handle and its one buffer are gone, and nothing else.
      const now = liveCounts();
      expect(Object.keys(counts).map((what) => counts[what]! - now[what]!)).toEqual([1, 1, 1]);
      try {
        expect(theater.close().identical).toBe(false);
      } catch (again) {
        expect(again).toBeInstanceOf(RestoreError);
      }
      tf.dispose(rest.map((weight) => weight.read()));
    });
  });

  it("and disposed of with the whole model leaks nothing", () => {
    for (const onWrite of ["error", "discard", "keep"] as const) {
      const before = liveCounts();
      const other = mlp();
      const theater = surgicalTheater(other, { modification: scale(0.5), layers: "all", onWrite });
      other.dispose();
      if (onWrite === "keep") expect(theater.close().identical).toBe(false);
      else expect(() => theater.close()).toThrow(expect.objectContaining({ code: "original_lost" }));
      // What `compile` made is the model's own, and stays: the learning rate of its optimizer.
      const spared = liveCounts();
      expect(Object.keys(spared).filter((what) => spared[what]! > before[what]! + 1)).toEqual([]);
    }
  });

  it("refuses a second theater on what one with onWrite keep has open, either way round", () => {
    const options = { modification: scale(0.5), layers: "all" };
    for (const [first, second] of [
      ["keep", "error"],
      ["error", "keep"],
    ] as const) {
      const theater = surgicalTheater(model, { ...options, onWrite: first });
      const open = (): unknown => surgicalTheater(model, { ...options, onWrite: second });
      expect(open).toThrow(expect.objectContaining({ code: "already_open" }));
      theater.close();
    }
  });
});

it("what is written in place, through the values that cpu lends, is found by fingerprint", async () => {
  await useBackend("cpu");
  const model = mlp();
  const guard = surgicalTheater(model, { verify: "fingerprint" });
  const bias = variable(model, "/bias");
  bias.dataSync()[0]! += 1;
  for (const error of [thrownBy(() => guard.close()), thrownBy(() => guard.close())]) {
    expect(error).toBeInstanceOf(RestoreError);
    expect([...(error as RestoreError).failures.keys()]).toEqual([bias.name]);
  }
  model.dispose();
});
