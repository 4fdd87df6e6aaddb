import * as tf from "@tensorflow/tfjs";
import { engine } from "@tensorflow/tfjs-core";
import { beforeEach, describe, expect, it } from "vitest";
import { custom, disable, interpolate, noise, scale, surgicalTheater, withTheater } from "../../src/tfjs.ts";
import { bits } from "../support/bits.ts";
import { engineFaults } from "../support/engine-faults.ts";
import { atEveryCall, failing, Fault } from "../support/failing.ts";
import { liveCounts } from "../support/meter.ts";
import { dataIds, predictionBits, variable, weightBits, withWeights } from "../support/models.ts";
import { surroundings, valuesFor } from "../support/stream-models.ts";
import { backends, useBackend } from "../support/tensorflow.ts";
import { thrownBy } from "../support/thrown.ts";

const L = tf.layers;
const all = {
  modification: [scale(0.5), noise({ std: 0.1, seed: 2 })],
  layers: "all",
  technique: "stream",
} as const;

/** An embedding, a recurrent layer and a dense one. */
function sentences(): tf.Sequential {
  return withWeights(
    tf.sequential({
      layers: [
        L.embedding({ inputDim: 5, outputDim: 3, inputLength: 3 }),
        L.lstm({ units: 2 }),
        L.dense({ units: 2 }),
      ],
    }),
  );
}

describe.each(backends)("on %s", async (backend) => {
  await useBackend(backend);
  let model: tf.Sequential;
  let x: tf.Tensor;

  beforeEach(async () => {
    await useBackend(backend);
    model = sentences();
    x = tf.tensor2d([0, 4, 2, 1, 1, 3], [2, 3], "int32");
    return () => {
      x.dispose();
      model.dispose();
    };
  });

  /** Opens, expects `fail` to throw and all to be as it was, in the theater and afterwards. */
  function survives(fail: () => unknown, options: Parameters<typeof surgicalTheater>[1] = all): unknown {
    const [before, ids, counts, around] = [
      weightBits(model),
      dataIds(model),
      liveCounts(),
      surroundings(model),
    ];
    const outputs = predictionBits(model, x);
    const theater = surgicalTheater(model, options);
    const [open, shown, predicted] = [liveCounts(), weightBits(model), predictionBits(model, x)];
    const thrown = thrownBy(fail);
    expect(liveCounts()).toEqual(open);
    expect(dataIds(model).every((id, i) => id === ids[i])).toBe(true);
    expect(weightBits(model)).toEqual(shown);
    expect(predictionBits(model, x)).toBe(predicted);
    expect(theater.close()).toMatchObject({ identical: true, written: [] });
    expect(weightBits(model)).toEqual(before);
    expect(dataIds(model).every((id, i) => id === ids[i])).toBe(true);
    expect(predictionBits(model, x)).toBe(outputs);
    expect(liveCounts()).toEqual(counts);
    expect(surroundings(model)).toEqual(around);
    return thrown;
  }

  describe("a kernel that throws while it has the modified weights leaves the original, and nothing behind", () => {
    it("where it looks up what is not there", () => {
      const table = variable(model, "/embeddings");
      const wrong = tf.tensor1d([0, 99], "int32");
      survives(() => tf.tidy(() => tf.gather(table, wrong)));
      wrong.dispose();
    });

    it("in the first layer of predict", () => {
      const wrong = tf.tensor2d([0, 99, 2], [1, 3], "int32");
      survives(() => predictionBits(model, wrong));
      wrong.dispose();
    });

    it("where it does not know what to do with them", () => {
      const kernel = variable(model, "dense");
      survives(() => tf.engine().runKernel("NoSuchKernel", { x: kernel }));
      survives(() => tf.engine().runKernel("BatchMatMul", { a: kernel, b: undefined as never }));
    });

    it("in a recurrent layer, at some time step", () => {
      const cell = (model.layers[1] as unknown as { cell: tf.layers.Layer }).cell;
      const { call } = cell;
      let calls = 0;
      const thrown = survives(() => {
        cell.call = function (...args) {
          if (++calls === 2) throw new Fault("second step");
          return call.apply(cell, args);
        };
        try {
          predictionBits(model, x);
        } finally {
          Reflect.deleteProperty(cell, "call");
        }
      });
      expect(thrown).toBeInstanceOf(Fault);
    });

    it("while gradients are taken, nothing that is not left behind in any case", () => {
      const variables = model.trainableWeights.map((weight) => weight.read() as tf.Variable);
      const [before, ids] = [weightBits(model), dataIds(model)];
      const left = (technique: "swap" | "stream"): number => {
        const options = { ...all, technique };
        const counts = liveCounts();
        const fail = (): never => {
          model.apply(x);
          throw new Fault("no loss");
        };
        const gradients = (): unknown => tf.variableGrads(fail, variables);
        expect(() => withTheater(model, options, () => void gradients())).toThrow(Fault);
        return liveCounts()["numTensors"]! - counts["numTensors"]!;
      };
      // TensorFlow.js itself leaves what the tape has saved by then.
      expect(left("stream")).toBe(left("swap"));
      expect(weightBits(model)).toEqual(before);
      expect(dataIds(model).every((id, i) => id === ids[i])).toBe(true);
    });
  });

  describe.each(engineFaults())("a failing call of $title, whichever it is", (point) => {
    it.each([
      { title: "arithmetic", make: () => [scale(0.5), noise({ std: 0.1, seed: 2 })] },
      { title: "interpolate", make: (towards: Record<string, tf.Tensor>) => interpolate(towards, 0.3) },
      { title: "disable, custom", make: () => [disable(), custom((w: tf.Tensor) => tf.ones(w.shape))] },
    ])("while the weights are used leaves all as it was: $title", async ({ title, make }) => {
      // What fails in predict itself leaves behind what it leaves: a kernel by itself has nothing to leave.
      const [a, b] = [variable(model, "dense"), variable(model, "recurrent")];
      const table = variable(model, "/embeddings");
      const use = (): void => {
        tf.tidy(() => void tf.matMul(a, b, false, false));
        tf.tidy(() => void tf.gather(table, x as tf.Tensor2D));
        if (point.title !== "makeTensor") tf.dispose(model.predict(x));
        table.dataSync();
      };
      const towards = valuesFor(model);
      const [before, ids, around] = [weightBits(model), dataIds(model), surroundings(model)];
      const select = title === "interpolate" ? {} : { layers: "all" };
      const options = { modification: make(towards), technique: "stream", ...select } as const;
      await atEveryCall((n) => {
        const counts = liveCounts();
        const theater = surgicalTheater(model, options);
        const shown = weightBits(model);
        const { fired } = failing(point, n, use);
        expect(dataIds(model).every((id, i) => id === ids[i])).toBe(true);
        expect(weightBits(model)).toEqual(shown);
        expect(theater.close()).toMatchObject({ identical: true, written: [] });
        const now = liveCounts();
        const more = Object.keys(now).filter((what) => now[what]! > counts[what]!);
        // A tensor that could not be disposed of then is disposed of at closing, unless it was predict's own.
        expect(more, `call ${n}`).toEqual([]);
        return fired;
      });
      expect(weightBits(model)).toEqual(before);
      expect(surroundings(model)).toEqual(around);
      tf.dispose(towards);
    });
  });

  describe("from inside a layer that has the modified weights in use", () => {
    /** Calls `meddle` in each call of the recurrent layer's cell. */
    function during(meddle: () => void): void {
      const cell = (model.layers[1] as unknown as { cell: tf.layers.Layer }).cell;
      const { call } = cell;
      cell.call = function (...args) {
        meddle();
        return call.apply(cell, args);
      };
      try {
        predictionBits(model, x);
      } finally {
        Reflect.deleteProperty(cell, "call");
      }
    }

    const busy = { name: "TheaterStateError", code: "busy" };

    it.each([
      { title: "of the same weights", layers: "all", technique: "stream" },
      { title: "of one of them", layers: /lstm.*\/kernel/, technique: "stream" },
      { title: "by swap", layers: "all", technique: "swap" },
    ] as const)("opening a theater is refused, and changes nothing: $title", ({ layers, technique }) => {
      const [before, counts] = [weightBits(model), liveCounts()];
      const theater = surgicalTheater(model, all);
      const predicted = predictionBits(model, x);
      const thrown: unknown[] = [];
      during(() => {
        thrown.push(thrownBy(() => surgicalTheater(model, { modification: scale(3), layers, technique })));
      });
      expect(thrown).toHaveLength(3);
      for (const error of thrown) expect(error).toMatchObject(busy);
      expect(predictionBits(model, x)).toBe(predicted);
      expect(theater.close().identical).toBe(true);
      expect(weightBits(model)).toEqual(before);
      expect(liveCounts()).toEqual(counts);
    });

    it("opening one on the rest of the model, or a guard, is refused too, and one on another model is not", () => {
      const counts = liveCounts();
      const before = weightBits(model);
      const other = sentences();
      const theater = surgicalTheater(model, all);
      const predicted = predictionBits(model, x);
      const thrown: unknown[] = [];
      during(() => {
        const onTheRest = { modification: scale(3), layers: 2, technique: "stream" } as const;
        thrown.push(thrownBy(() => surgicalTheater(model, onTheRest)));
        thrown.push(thrownBy(() => surgicalTheater(model, {})));
        withTheater(other, { ...all, modification: scale(3) }, () => predictionBits(other, x));
      });
      for (const error of thrown) expect(error).toMatchObject(busy);
      expect(predictionBits(model, x)).toBe(predicted);
      expect(theater.close()).toMatchObject({ identical: true, written: [] });
      expect(weightBits(model)).toEqual(before);
      other.dispose();
      expect(liveCounts()).toEqual(counts);
    });

    it("closing the theater is refused, and it can be closed later", () => {
      const [before, counts] = [weightBits(model), liveCounts()];
      const theater = surgicalTheater(model, all);
      const predicted = predictionBits(model, x);
      const thrown: unknown[] = [];
      during(() => thrown.push(thrownBy(() => theater.close())));
      for (const error of thrown) expect.soft(error).toMatchObject(busy);
      // All of it is still shown: half a theater cannot be closed.
      expect.soft(predictionBits(model, x)).toBe(predicted);
      expect(theater.close().identical).toBe(true);
      expect(weightBits(model)).toEqual(before);
      expect(liveCounts()).toEqual(counts);
    });

    it("reading them gives what is in use, and writing to them is refused", () => {
      const kernel = variable(model, "lstm");
      const before = weightBits(model);
      const theater = surgicalTheater(model, all);
      const [shown, counts, predicted] = [bits(kernel.dataSync()), liveCounts(), predictionBits(model, x)];
      const thrown: unknown[] = [];
      during(() => {
        expect(bits(kernel.dataSync())).toBe(shown);
        thrown.push(thrownBy(() => tf.tidy(() => kernel.assign(tf.ones(kernel.shape)))));
      });
      for (const error of thrown) expect(error).toMatchObject({ code: "written_inside" });
      expect(liveCounts()).toEqual(counts);
      expect(predictionBits(model, x)).toBe(predicted);
      theater.close();
      expect(weightBits(model)).toEqual(before);
    });

    it("writing to them where that is let through is undone at closing", () => {
      const kernel = variable(model, "lstm");
      const [before, ids, counts] = [weightBits(model), dataIds(model), liveCounts()];
      const theater = surgicalTheater(model, { ...all, onWrite: "discard" });
      during(() => tf.tidy(() => kernel.assign(tf.ones(kernel.shape))));
      expect(kernel.dataSync().every((value) => value === 1)).toBe(true);
      expect(theater.close().written).toEqual([kernel.name]);
      expect(weightBits(model)).toEqual(before);
      expect(dataIds(model).every((id, i) => id === ids[i])).toBe(true);
      expect(liveCounts()).toEqual(counts);
    });

    it("disposing of them is told of at closing, and leaves nothing behind", () => {
      const [counts, kernel] = [liveCounts(), variable(model, "lstm")];
      const other = sentences();
      const cell = (other.layers[1] as unknown as { cell: tf.layers.Layer }).cell;
      const made = liveCounts();
      const theater = surgicalTheater(other, all);
      cell.call = () => {
        other.dispose();
        throw new Fault("no weights");
      };
      expect(() => predictionBits(other, x)).toThrow(Fault);
      expect(() => theater.close()).toThrow(expect.objectContaining({ code: "original_lost" }));
      expect(made).not.toEqual(counts);
      expect(liveCounts()).toEqual(counts);
      expect(kernel.isDisposed).toBe(false);
    });
  });

  describe("somebody else's method", () => {
    it("in place of runKernel before is called for each kernel, and is back afterwards", () => {
      const core = engine();
      const own = Object.getOwnPropertyDescriptor(core, "runKernel");
      const { runKernel } = core;
      const seen: string[] = [];
      const theirs = function (this: typeof core, ...args: Parameters<typeof runKernel>): unknown {
        seen.push(args[0]);
        return runKernel.apply(this, args);
      } as typeof runKernel;
      core.runKernel = theirs;
      try {
        const plain = predictionBits(model, x);
        const without = seen.splice(0);
        const inside = withTheater(model, all, () => predictionBits(model, x));
        expect(inside).not.toBe(plain);
        // Theirs sees also what makes the weights.
        expect(seen.length).toBeGreaterThan(without.length);
        expect(core.runKernel).toBe(theirs);
      } finally {
        if (own === undefined) Reflect.deleteProperty(core, "runKernel");
        else Object.defineProperty(core, "runKernel", own);
      }
    });

    it("in place of ours while it is open stays, then and later, and nothing piles up", () => {
      const core = engine();
      const own = Object.getOwnPropertyDescriptor(core, "runKernel");
      const plain = predictionBits(model, x);
      const expected = withTheater(model, all, () => predictionBits(model, x));
      const before = weightBits(model);
      let calls = 0;
      try {
        const theater = surgicalTheater(model, all);
        const ours = core.runKernel;
        const theirs = function (this: typeof core, ...args: Parameters<typeof ours>): unknown {
          calls++;
          return ours.apply(this, args);
        } as typeof ours;
        core.runKernel = theirs;
        expect(predictionBits(model, x)).toBe(expected);
        theater.close();
        expect(core.runKernel).toBe(theirs);
        calls = 0;
        expect(predictionBits(model, x)).toBe(plain);
        expect(calls).toBeGreaterThan(0);
        for (let i = 0; i < 3; i++) {
          expect(withTheater(model, all, () => predictionBits(model, x))).toBe(expected);
          expect(core.runKernel).toBe(theirs);
        }
        expect(weightBits(model)).toEqual(before);
      } finally {
        if (own === undefined) Reflect.deleteProperty(core, "runKernel");
        else Object.defineProperty(core, "runKernel", own);
      }
      expect(predictionBits(model, x)).toBe(plain);
    });

    it("in place of a layer's call, before or while it is open, runs with the modified weights, and stays", () => {
      const lstm = model.layers[1]!;
      const kernel = variable(model, "lstm");
      const { call } = lstm;
      const seen: string[] = [];
      const wrap = (inner: typeof call): typeof call =>
        function (this: tf.layers.Layer, ...args) {
          seen.push(bits(kernel.dataSync()));
          return inner.apply(this, args);
        };
      const plain = predictionBits(model, x);
      const expected = withTheater(model, all, () => [predictionBits(model, x), bits(kernel.dataSync())]);
      const before = wrap(call);
      lstm.call = before;
      const theater = surgicalTheater(model, all);
      const above = wrap(lstm.call);
      lstm.call = above;
      expect([predictionBits(model, x), ...new Set(seen.splice(0))]).toEqual(expected);
      theater.close();
      expect(lstm.call).toBe(above);
      expect(predictionBits(model, x)).toBe(plain);
      expect(new Set(seen.splice(0))).toEqual(new Set([bits(kernel.dataSync())]));
      expect(withTheater(model, all, () => predictionBits(model, x))).toBe(expected[0]);
      expect(lstm.call).toBe(above);
      lstm.call = before;
      expect(withTheater(model, all, () => predictionBits(model, x))).toBe(expected[0]);
      expect(lstm.call).toBe(before);
      Reflect.deleteProperty(lstm, "call");
      expect(predictionBits(model, x)).toBe(plain);
    });

    it("in place of a variable's, such as assign, runs and stays", () => {
      const kernel = variable(model, "dense");
      const own = Object.getOwnPropertyNames(kernel);
      const { assign } = kernel;
      const seen: string[] = [];
      kernel.assign = function (value) {
        seen.push("before");
        return assign.call(this, value);
      };
      const before = weightBits(model);
      const write = (): void => tf.tidy(() => kernel.assign(tf.ones(kernel.shape)));
      const theater = surgicalTheater(model, { ...all, onWrite: "discard" });
      const guarded = kernel.assign;
      kernel.assign = function (value) {
        seen.push("above");
        return guarded.call(this, value);
      };
      write();
      expect(seen.splice(0)).toEqual(["above", "before"]);
      theater.close();
      expect(weightBits(model)).toEqual(before);
      withTheater(model, { ...all, onWrite: "discard" }, write);
      expect(seen.splice(0)).toEqual(["above", "before"]);
      expect(thrownBy(() => withTheater(model, all, write))).toMatchObject({ code: "written_inside" });
      expect(seen.splice(0)).toEqual([]);
      expect(weightBits(model)).toEqual(before);
      Reflect.deleteProperty(kernel, "assign");
      expect(Object.getOwnPropertyNames(kernel)).toEqual(own);
    });
  });
});
