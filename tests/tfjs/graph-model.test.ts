import * as tf from "@tensorflow/tfjs";
import { beforeEach, describe, expect, it } from "vitest";
import { fillNoise, noiseSource } from "../../src/random/noise.ts";
import {
  custom,
  disable,
  Ema,
  interpolate,
  type Modification,
  noise,
  planTheater,
  RestoreError,
  scale,
  surgicalTheater,
  surgicalTheaterAsync,
  withTheater,
  withTheaterAsync,
} from "../../src/tfjs.ts";
import { bits, smallFloats } from "../support/bits.ts";
import {
  artifacts,
  constantBits,
  constantIds,
  constantOf,
  type Constants,
  converted,
  functions,
  type GraphKind,
  image,
  initialized,
  loadGraph,
  loop,
  words,
} from "../support/graph-models.ts";
import { liveCounts, startMeter } from "../support/meter.ts";
import { input } from "../support/models.ts";
import { backends, useBackend } from "../support/tensorflow.ts";
import { thrownBy } from "../support/thrown.ts";

const techniques = ["swap", "stream"] as const;
const halved = { modification: scale(0.5), layers: "all" };

const kinds = [
  { title: "an image classifier", kind: image },
  { title: "a loop", kind: loop },
  { title: "a loop of functions", kind: functions },
];

/** Bits of what a model makes of its input. */
async function outputOf(model: tf.GraphModel, { isDynamic, input: shape }: GraphKind): Promise<string> {
  const x = input([...shape]);
  const y = (isDynamic ? await model.executeAsync(x) : model.predict(x)) as tf.Tensor;
  const found = bits(y.dataSync());
  tf.dispose([x, y]);
  return found;
}

/** Bits of what another model, which has these constants for good, makes of its input. */
async function outputWith(kind: GraphKind, constants: Constants): Promise<string> {
  const model = await loadGraph(kind, constants);
  const found = await outputOf(model, kind);
  model.dispose();
  return found;
}

/** The constants with every floating point value changed. */
function changed(
  constants: Constants,
  change: (value: number, i: number, name: string) => number,
): Constants {
  return Object.fromEntries(
    Object.entries(constants).map(([name, constant]) => {
      const { values } = constant;
      if (!(values instanceof Float32Array)) return [name, constant];
      return [name, { ...constant, values: values.map((value, i) => change(value, i, name)) }];
    }),
  );
}

/** The floating point constants as typed arrays by name, which the other entry point takes. */
function arraysOf(
  constants: Constants,
): Record<string, { data: Float32Array; shape: number[]; dtype: "float32" }> {
  return Object.fromEntries(
    Object.entries(constants).flatMap(([name, { values, shape }]) =>
      values instanceof Float32Array
        ? [[name, { data: values.slice(), shape: [...shape], dtype: "float32" as const }]]
        : [],
    ),
  );
}

const target = (length: number): Float32Array => smallFloats(length, 40);

/** Tensors to interpolate to, by name. The caller's. */
function towards(constants: Constants): Record<string, tf.Tensor> {
  return Object.fromEntries(
    Object.entries(arraysOf(constants)).map(([name, { data, shape }]) => [
      name,
      tf.tensor(target(data.length), shape, "float32"),
    ]),
  );
}

interface Change {
  readonly title: string;
  /** Whether it says itself which constants it is for. */
  readonly named?: true;
  readonly modification: (average: Record<string, tf.Tensor>) => Modification<tf.Tensor>;
  readonly expected: (constants: Constants) => Constants;
}

const half = Math.fround(0.5);
const factor = Math.fround(0.7);

const changes: readonly Change[] = [
  {
    title: "scale",
    modification: () => scale(0.7),
    expected: (constants) => changed(constants, (x) => x * factor),
  },
  {
    title: "noise",
    modification: () => noise({ std: 0.1, seed: 3 }),
    // By the names that the graph gives them.
    expected: (constants) =>
      changed(constants, (x, i, name) => {
        const delta = new Float64Array(1);
        fillNoise(delta, noiseSource(3, name, 0.1, "float32"), i);
        return x + delta[0]!;
      }),
  },
  { title: "disable", modification: () => disable(), expected: (constants) => changed(constants, () => 0) },
  {
    title: "custom, by its value",
    modification: () => custom<tf.Tensor>((w) => tf.relu(w), { returns: "value" }),
    expected: (constants) => changed(constants, (x) => Math.max(x, 0)),
  },
  {
    title: "custom, by a delta",
    modification: () => custom<tf.Tensor>((w) => tf.mul(w, 0.5)),
    expected: (constants) => changed(constants, (x) => x + Math.fround(x * half)),
  },
  {
    title: "interpolate",
    named: true,
    modification: (average) => interpolate(average),
    expected: (constants) => changed(constants, (x, i) => target(i + 1)[i] ?? x),
  },
  {
    title: "interpolate by half",
    named: true,
    modification: (average) => interpolate(average, 0.5),
    expected: (constants) =>
      changed(constants, (x, i) => Math.fround(x * half) + Math.fround(target(i + 1)[i]! * half)),
  },
];

describe.each(backends)("a graph model on %s", (backend) => {
  beforeEach(async () => void (await useBackend(backend)));

  describe.each(techniques)("under %s", (technique) => {
    describe.each(kinds)("that is $title", ({ kind }) => {
      it.each(changes)(
        "gives what a model with the changed constants gives, and its own after: $title",
        async ({ modification, named, expected }) => {
          const model = await loadGraph(kind);
          const average = towards(kind.constants);
          const before = await outputOf(model, kind);
          const [constants, ids, counts] = [constantBits(model), constantIds(model), liveCounts()];
          const theater = await surgicalTheaterAsync(model, {
            modification: modification(average),
            technique,
            ...(named === undefined && { layers: "all" }),
          });
          const inside = [await outputOf(model, kind), await outputOf(model, kind)];
          const shown = constantBits(model);
          expect((await theater.close()).identical).toBe(true);
          expect(constantBits(model)).toEqual(constants);
          expect(constantIds(model).every((id, i) => id === ids[i])).toBe(true);
          expect(liveCounts()).toEqual(counts);
          expect(await outputOf(model, kind)).toBe(before);

          const other = await loadGraph(kind, expected(kind.constants));
          expect(shown).toEqual(constantBits(other));
          const wanted = await outputOf(other, kind);
          other.dispose();
          expect(inside).toEqual([wanted, wanted]);
          expect(wanted).not.toBe(before);
          tf.dispose(average);
          model.dispose();
        },
      );
    });

    it("gives every output by its name, inputs by name, and constants themselves", async () => {
      const [model, other] = await Promise.all([
        loadGraph(image),
        loadGraph(
          image,
          changed(image.constants, (x) => x * half),
        ),
      ]);
      const x = input([...image.input]);
      const names = ["conv/Relu", "mix/First", "sum", "out"];
      const read = (tensors: tf.Tensor | tf.Tensor[]): string[] =>
        [tensors].flat().map((each) => bits(each.dataSync()));
      const run = (of: tf.GraphModel): unknown =>
        tf.tidy(() => [
          read(of.execute(x, names)),
          read(of.execute({ x }, "mix/Second")),
          read(of.execute(x, ["conv/filter", "flat/shape"])),
          read(of.predict({ x }) as tf.Tensor),
        ]);
      const before = run(model);
      withTheater(model, { ...halved, technique }, () => expect(run(model)).toEqual(run(other)));
      expect(run(model)).toEqual(before);
      expect(before).not.toEqual(run(other));
      x.dispose();
      for (const each of [model, other]) each.dispose();
    });

    it("shows theaters one over the other, in whatever order they close", async () => {
      const model = await loadGraph(image);
      const expected = (of: readonly number[]): Promise<string> =>
        outputWith(
          image,
          changed(image.constants, (x) => of.reduce((value, by) => Math.fround(value * Math.fround(by)), x)),
        );
      const before = await outputOf(model, image);
      const counts = liveCounts();
      const open = (by: number) =>
        surgicalTheater(model, { modification: scale(by), layers: "all", technique });
      const [first, second] = [open(0.7), open(0.3)];
      expect(await outputOf(model, image)).toBe(await expected([0.7, 0.3]));
      first.close();
      expect(await outputOf(model, image)).toBe(await expected([0.3]));
      const third = open(0.9);
      expect(await outputOf(model, image)).toBe(await expected([0.3, 0.9]));
      third.close();
      second.close();
      expect(await outputOf(model, image)).toBe(before);
      expect(liveCounts()).toEqual(counts);
      model.dispose();
    });

    it("has nothing on its constants, and nothing on the engine, that was not there before", async () => {
      const model = await loadGraph(image);
      const properties = (): string[][] => [
        ...Object.values(model.weights).map(([tensor]) => Object.getOwnPropertyNames(tensor)),
        Object.getOwnPropertyNames(tf.engine()),
      ];
      const before = properties();
      withTheater(model, { ...halved, technique }, () => undefined);
      expect(properties()).toEqual(before);
      model.dispose();
    });

    it("may be opened, run and closed in scopes of the engine", async () => {
      const model = await loadGraph(image);
      const x = input([...image.input]);
      const [before, counts] = [constantBits(model), liveCounts()];
      let theater!: ReturnType<typeof surgicalTheater>;
      tf.tidy(() => {
        theater = surgicalTheater(model, { ...halved, technique });
        void model.predict(x);
      });
      tf.tidy(() => void model.predict(x));
      tf.tidy(() => void theater.close());
      expect(constantBits(model)).toEqual(before);
      expect(liveCounts()).toEqual(counts);
      x.dispose();
      model.dispose();
    });

    it("selects constants by name, path, glob, expression and index, and shows no others modified", async () => {
      const model = await loadGraph(image);
      const selections = [
        { layers: "conv", names: ["conv/filter", "conv/bias"] },
        { layers: "conv/filter", names: ["conv/filter"] },
        { layers: "*/bias", names: ["conv/bias", "dense/bias"] },
        { layers: "mix*", names: ["mix/kernel"] },
        { layers: /kernel$/, names: ["dense/kernel", "mix/kernel"] },
        { layers: 2, names: ["dense/kernel", "dense/bias"] },
        { layers: ["head", "limits/low"], names: ["head/offset", "limits/low"] },
      ];
      for (const { layers, names } of selections) {
        const before = constantBits(model);
        withTheater(model, { modification: scale(0.5), layers, technique }, () => {
          const now = constantBits(model);
          expect(Object.keys(now).filter((name) => now[name] !== before[name])).toEqual(names);
        });
        expect(constantBits(model)).toEqual(before);
      }
      expect(planTheater(model, { ...halved, technique }).layers).toEqual([
        "conv",
        "flat",
        "dense",
        "mix",
        "head",
        "limits",
      ]);
      model.dispose();
    });

    it("leaves integers out and says so, watches them, and does not know strings", async () => {
      const model = await loadGraph(image);
      const before = constantBits(model);
      const theater = surgicalTheater(model, { ...halved, technique });
      const { selected, leftOut } = theater.report();
      expect(leftOut).toEqual([{ name: "flat/shape", reason: "dtype" }]);
      expect(selected).toEqual(Object.keys(arraysOf(image.constants)));
      expect(constantBits(model)["flat/shape"]).toBe(before["flat/shape"]);
      expect([...theater.close().parameters.keys()].sort()).toEqual(
        Object.keys(image.constants)
          .filter((name) => name !== "labels")
          .sort(),
      );
      expect(thrownBy(() => planTheater(model, { ...halved, layers: "labels", technique }))).toMatchObject({
        code: "unknown_name",
      });
      model.dispose();
    });

    it("changes integers that are named exactly, by their values", async () => {
      const model = await loadGraph(image);
      const counts = liveCounts();
      const x = input([...image.input]);
      const asRows = custom<tf.Tensor>(() => tf.tensor1d([2, 32], "int32"), { returns: "value" });
      withTheater(model, { modification: asRows, layers: "flat/shape", technique }, () => {
        expect([...constantOf(model, "flat/shape").dataSync()]).toEqual([2, 32]);
        const y = model.predict(x) as tf.Tensor;
        expect(y.shape).toEqual([2, 3]);
        y.dispose();
      });
      expect([...constantOf(model, "flat/shape").dataSync()]).toEqual([-1, 32]);
      expect(
        thrownBy(() => planTheater(model, { ...halved, layers: "flat/shape", technique })),
      ).toMatchObject({
        code: "dtype",
      });
      x.dispose();
      expect(liveCounts()).toEqual(counts);
      model.dispose();
    });

    it("knows a tensor that is two constants once, by both names", async () => {
      const model = await loadGraph(image);
      const own = constantOf(model, "dense/bias");
      // The way to tie constants by hand.
      model.weights["dense/bias"] = [constantOf(model, "head/offset")];
      own.dispose();
      const tied = changed(
        { ...image.constants, "dense/bias": image.constants["head/offset"]! },
        (x) => x * half,
      );
      const before = constantBits(model);
      for (const layers of ["all", ["dense/bias", "head/offset"]]) {
        const plan = planTheater(model, { modification: scale(0.5), layers, technique });
        expect(plan.parameters.filter(({ name }) => /dense.bias|head.offset/.test(name))).toHaveLength(1);
      }
      const theater = surgicalTheater(model, { ...halved, technique });
      expect(await outputOf(model, image)).toBe(await outputWith(image, tied));
      theater.close();
      expect(constantBits(model)).toEqual(before);
      withTheater(model, { modification: disable(), layers: "head/offset", technique }, () => {
        expect([...constantOf(model, "dense/bias").dataSync()]).toEqual([0, 0, 0]);
      });
      expect(constantBits(model)).toEqual(before);
      model.dispose();
    });

    it("keeps names of constants that have several tensors apart", async () => {
      const model = await loadGraph(image);
      const second = tf.tensor1d([1, 2, 3]);
      model.weights["head/offset"]!.push(second);
      withTheater(model, { modification: scale(0.5), layers: "head/offset:1", technique }, () => {
        expect([...second.dataSync()]).toEqual([0.5, 1, 1.5]);
      });
      expect([...second.dataSync()]).toEqual([1, 2, 3]);
      expect(planTheater(model, { ...halved, layers: "head", technique }).parameters).toMatchObject([
        { name: "head/offset:0" },
        { name: "head/offset:1" },
      ]);
      model.dispose();
    });

    it("writes what it was loaded from when it is saved inside, whatever onSave says", async () => {
      const stored = artifacts(image.graph, image.constants);
      const model = await tf.loadGraphModel(tf.io.fromMemory(stored));
      const before = bits(new Uint8Array(stored.weightData as ArrayBuffer));
      for (const onSave of ["error", "original", undefined] as const) {
        const saved: tf.io.ModelArtifacts[] = [];
        const handler = tf.io.withSaveHandler(async (written) => {
          saved.push(written);
          return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: "JSON" } };
        });
        const theater = surgicalTheater(model, {
          ...halved,
          technique,
          ...(onSave !== undefined && { onSave }),
        });
        await model.save(handler);
        theater.close();
        expect(saved).toHaveLength(1);
        expect(bits(new Uint8Array(saved[0]!.weightData as ArrayBuffer))).toBe(before);
        const again = await tf.loadGraphModel(tf.io.fromMemory(saved[0]!));
        expect(constantBits(again)).toEqual(constantBits(model));
        again.dispose();
      }
      model.dispose();
    });

    it.each([
      { title: "a theater", options: halved },
      { title: "a guard", options: {} },
    ])("that is disposed of inside $title is lost, and every constant named", async ({ options }) => {
      const counts = liveCounts();
      const model = await loadGraph(image);
      const labels = constantOf(model, "labels");
      const theater = surgicalTheater(model, { ...options, technique });
      model.dispose();
      const error = thrownBy(() => theater.close());
      expect(error).toBeInstanceOf(RestoreError);
      expect(error).toMatchObject({ code: "original_lost" });
      const names = Object.keys(image.constants).filter((name) => name !== "labels");
      expect([...(error as RestoreError).failures.keys()].sort()).toEqual(names.sort());
      expect(labels.isDisposed).toBe(true);
      expect(liveCounts()).toEqual(counts);
    });

    it("whose one constant is disposed of inside loses this one only", async () => {
      const model = await loadGraph(image);
      const before = constantBits(model);
      const theater = surgicalTheater(model, { ...halved, technique });
      constantOf(model, "mix/kernel").dispose();
      const error = thrownBy(() => theater.close());
      expect(error).toMatchObject({ code: "original_lost" });
      expect([...(error as RestoreError).failures.keys()]).toEqual(["mix/kernel"]);
      delete before["mix/kernel"];
      delete model.weights["mix/kernel"];
      expect(constantBits(model)).toEqual(before);
      model.dispose();
    });

    it("comes back when a custom function throws half way", async () => {
      const model = await loadGraph(image);
      const [before, counts] = [constantBits(model), liveCounts()];
      let calls = 0;
      const modification = custom<tf.Tensor>((w) => {
        if (++calls === 4) throw new Error("no more");
        return tf.mul(w, 2);
      });
      expect(() => surgicalTheater(model, { modification, layers: "all", technique })).toThrow(/no more/);
      expect(constantBits(model)).toEqual(before);
      expect(liveCounts()).toEqual(counts);
      model.dispose();
    });

    it("comes back when it throws inside", async () => {
      const model = await loadGraph(loop);
      const [before, counts] = [constantBits(model), liveCounts()];
      const x = input([...loop.input]);
      // It loops, and cannot be executed synchronously.
      expect(() => withTheater(model, { ...halved, technique }, () => model.execute(x))).toThrow(
        /executeAsync/,
      );
      await expect(
        withTheaterAsync(model, { ...halved, technique }, () => model.executeAsync(x, "nothing")),
      ).rejects.toThrow(/not found/);
      x.dispose();
      expect(constantBits(model)).toEqual(before);
      expect(liveCounts()).toEqual(counts);
      model.dispose();
    });

    it("comes back when an execution is started inside and not awaited", async () => {
      const model = await loadGraph(loop);
      const [before, counts] = [constantBits(model), liveCounts()];
      const x = input([...loop.input]);
      let running!: Promise<tf.Tensor | tf.Tensor[]>;
      const start = (): unknown => (running = model.executeAsync(x));
      expect(thrownBy(() => withTheater(model, { ...halved, technique }, start))).toMatchObject({
        code: "promise_returned",
      });
      expect(constantBits(model)).toEqual(before);
      tf.dispose([x, await running]);
      expect(constantBits(model)).toEqual(before);
      expect(liveCounts()).toEqual(counts);
      model.dispose();
    });

    it("is guarded: constants that are written through the engine come back and are named", async () => {
      const model = await loadGraph(image);
      const [before, counts] = [constantBits(model), liveCounts()];
      for (const options of [halved, {}]) {
        const theater = surgicalTheater(model, { ...options, technique });
        const kernel = constantOf(model, "dense/kernel");
        const other = tf.keep(tf.zerosLike(kernel));
        [kernel.dataId, other.dataId] = [other.dataId, kernel.dataId];
        expect(thrownBy(() => theater.close())).toMatchObject({
          code: "written_inside",
          parameters: ["dense/kernel"],
        });
        other.dispose();
        expect(constantBits(model)).toEqual(before);
      }
      expect(liveCounts()).toEqual(counts);
      model.dispose();
    });

    it("proves its bytes where verify asks for it", async () => {
      const model = await loadGraph(image);
      const theater = surgicalTheater(model, { ...halved, technique, verify: "fingerprint" });
      const { parameters } = theater.close();
      expect(new Set([...parameters.values()].map(({ by }) => by))).toEqual(new Set(["fingerprint"]));
      model.dispose();
    });

    it("gives the bytes of what is planned", async () => {
      const model = await loadGraph(image);
      const sizes = Object.values(arraysOf(image.constants)).map(({ data }) => data.byteLength);
      const bytes = sizes.reduce((sum, each) => sum + each, 0);
      const plan = planTheater(model, { ...halved, technique });
      const { kernel, bias } = { kernel: 4 * 32 * 3, bias: 4 * 3 };
      expect(plan).toMatchObject({
        technique,
        targetBytes: bytes,
        modelBytes: bytes + 8,
        heldBytes: technique === "swap" ? bytes : 0,
      });
      // The largest layer at once at least, everything at once at most.
      expect(plan.transientBytes).toBeGreaterThanOrEqual(technique === "swap" ? 0 : kernel + bias);
      expect(plan.transientBytes).toBeLessThanOrEqual(technique === "swap" ? 0 : bytes);
      const meter = startMeter();
      const theater = surgicalTheater(model, { ...halved, technique });
      expect(meter.grown()).toBe(plan.heldBytes);
      expect(theater.report().heldBytes).toBe(plan.heldBytes);
      theater.close();
      expect(meter.grown()).toBe(0);
      meter.stop();
      expect(planTheater(model, { ...halved, layers: "dense/kernel", technique })).toMatchObject({
        heldBytes: technique === "swap" ? kernel : 0,
        transientBytes: technique === "swap" ? 0 : kernel,
      });
      expect(thrownBy(() => planTheater(model, { ...halved, technique, budget: 8 }))).toMatchObject({
        code: "over_budget",
      });
      model.dispose();
    });

    /** Bytes at the worst moment of an execution. */
    async function peakOf(model: tf.GraphModel, kind: GraphKind): Promise<number> {
      const meter = startMeter();
      await outputOf(model, kind);
      meter.stop();
      return meter.peak();
    }

    it.each([...kinds, { title: "a product that the converter fused", kind: converted }])(
      "needs no more while it runs than is planned: $title",
      async ({ kind }) => {
        const model = await loadGraph(kind);
        await outputOf(model, kind);
        const plain = await peakOf(model, kind);
        const options = { ...halved, technique };
        const { transientBytes } = planTheater(model, options);
        const theater = surgicalTheater(model, options);
        const inside = await peakOf(model, kind);
        theater.close();
        expect(inside - plain).toBeLessThanOrEqual(transientBytes);
        model.dispose();
      },
    );

    it("that is first run inside a theater, and makes tables of its constants then, is its own after", async () => {
      const [model, other] = await Promise.all([loadGraph(initialized), loadGraph(initialized)]);
      const before = await outputOf(other, initialized);
      const ran = async (): Promise<void> => {
        const theater = surgicalTheater(model, { ...halved, technique });
        try {
          await outputOf(model, initialized);
        } finally {
          theater.close();
        }
      };
      // Refused, or undone.
      await ran().catch(() => undefined);
      expect(await outputOf(model, initialized)).toBe(before);
      for (const each of [model, other]) each.dispose();
    });
  });

  it("is averaged like any other: by an Ema, which costs nothing until constants change", async () => {
    const model = await loadGraph(image);
    const counts = liveCounts();
    const before = await outputOf(model, image);
    const ema = new Ema(model, { decay: 0.5 });
    for (let i = 0; i < 3; i++) ema.update();
    expect(Object.keys(ema.weights)).toEqual(Object.keys(arraysOf(image.constants)));
    const theater = surgicalTheater(model, { modification: interpolate(ema.weights) });
    expect(theater.plan.heldBytes).toBe(0);
    expect(await outputOf(model, image)).toBe(before);
    expect(thrownBy(() => ema.update())).toMatchObject({ code: "already_open" });
    theater.close();
    ema.dispose();
    expect(liveCounts()).toEqual(counts);
    model.dispose();
  });

  it("can show the constants of another one", async () => {
    const constants = changed(image.constants, (x) => x * 2);
    const [model, other] = await Promise.all([loadGraph(image), loadGraph(image, constants)]);
    const weights = Object.fromEntries(
      Object.keys(arraysOf(constants)).map((name) => [name, constantOf(other, name)]),
    );
    const before = await outputOf(model, image);
    const counts = liveCounts();
    const theater = surgicalTheater(model, { modification: interpolate(weights) });
    expect(theater.plan.heldBytes).toBe(0);
    expect(await outputOf(model, image)).toBe(await outputOf(other, image));
    theater.close();
    expect(await outputOf(model, image)).toBe(before);
    expect(liveCounts()).toEqual(counts);
    for (const each of [model, other]) each.dispose();
  });

  it("may be loaded synchronously", () => {
    const model = tf.loadGraphModelSync(artifacts(image.graph, image.constants));
    const before = constantBits(model);
    withTheater(model, halved, () => expect(constantBits(model)).not.toEqual(before));
    expect(constantBits(model)).toEqual(before);
    model.dispose();
  });

  it("does not keep a layers model from being exported", async () => {
    const graph = await loadGraph(image);
    const layers = tf.sequential({ layers: [tf.layers.dense({ units: 2, inputShape: [3] })] });
    const weights = layers.getWeights();
    const theater = surgicalTheater(graph, halved);
    expect(layers.getWeights()).toEqual(weights);
    theater.close();
    graph.dispose();
    layers.dispose();
  });
});

describe("what is no graph model to modify", () => {
  beforeEach(async () => void (await useBackend("cpu")));

  it("is a TypeError that says so when it is disposed of", async () => {
    const model = await loadGraph(image);
    model.dispose();
    for (const run of [
      () => surgicalTheater(model, halved),
      () => planTheater(model, halved),
      () => new Ema(model, { decay: 0.5 }),
    ]) {
      expect(run).toThrow(TypeError);
      expect(run).toThrow(/tf\.GraphModel is disposed.*Nothing was changed.*Load it again/);
    }
  });

  it("is a TypeError that says so when it is not loaded yet", () => {
    const model = new tf.GraphModel(tf.io.fromMemory(artifacts(image.graph, image.constants)));
    expect(() => planTheater(model, halved)).toThrow(TypeError);
    expect(() => planTheater(model, halved)).toThrow(/tf\.GraphModel.*load.*Nothing was changed/);
  });

  it("is an error without parameters, with advice that is about graph models", async () => {
    const model = await loadGraph(words);
    const error = thrownBy(() => planTheater(model, halved)) as Error;
    expect(error).toMatchObject({ code: "no_match" });
    expect(error.message).toMatch(/tf\.GraphModel has no parameters/);
    expect(error.message).not.toMatch(/inputShape/);
    model.dispose();
  });

  it("is a promise of one", async () => {
    const promise = loadGraph(image);
    expect(() => planTheater(promise as never, halved)).toThrow(TypeError);
    (await promise).dispose();
  });
});
