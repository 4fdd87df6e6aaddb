import * as tf from "@tensorflow/tfjs";
import { engine } from "@tensorflow/tfjs-core";
import { beforeEach, describe, expect, it } from "vitest";
import {
  custom,
  disable,
  interpolate,
  noise,
  scale,
  surgicalTheater,
  withTheaterAsync,
} from "../../src/tfjs.ts";
import { bits } from "../support/bits.ts";
import { liveCounts } from "../support/meter.ts";
import { dataIds, input, mlp, predictionBits, variable, weightBits } from "../support/models.ts";
import { surroundings } from "../support/stream-models.ts";
import { backends, useBackend } from "../support/tensorflow.ts";

const all = {
  modification: [scale(0.5), noise({ std: 0.1, seed: 2 })],
  layers: "all",
  technique: "stream",
} as const;

describe.each(backends)("a variable that is streamed, on %s", (backend) => {
  let w: tf.Variable;
  /** Values of it as they are, and as a swap shows them. */
  let original: Float32Array;
  let modified: Float32Array;

  const values = (of: tf.Tensor): Float32Array => of.dataSync().slice() as Float32Array;
  /** Values of a tensor that is nobody's after this. */
  const taken = (make: () => tf.Tensor): string => tf.tidy(() => bits(make().dataSync()));

  beforeEach(async () => {
    await useBackend(backend);
    w = tf.tidy(() => tf.variable(input([3, 4]), true, `w_${backend}_${Math.random()}`));
    original = values(w);
    const swapped = surgicalTheater([w], { ...all, technique: "swap" });
    modified = values(w);
    swapped.close();
    return () => w.dispose();
  });

  /** Runs `look` in a theater, and expects that all is as before afterwards. */
  async function inside(look: () => unknown): Promise<void> {
    const [counts, id, own] = [liveCounts(), w.dataId, Object.getOwnPropertyNames(w)];
    const theater = surgicalTheater([w], all);
    const open = liveCounts();
    await look();
    expect(liveCounts()).toEqual(open);
    expect(theater.close()).toMatchObject({ identical: true, written: [] });
    expect(w.dataId).toBe(id);
    expect(bits(values(w))).toBe(bits(original));
    expect(Object.getOwnPropertyNames(w)).toEqual(own);
    expect(liveCounts()).toEqual(counts);
  }

  /** As text, rows and all. */
  const asText = (of: Float32Array): string => tf.tidy(() => tf.tensor2d(of, [3, 4]).toString());
  const asArray = (of: Float32Array): number[][] => tf.tidy(() => tf.tensor2d(of, [3, 4]).arraySync());

  it("gives the modified values to whoever reads it, at once or later", () =>
    inside(async () => {
      expect(bits(values(w))).toBe(bits(modified));
      expect(bits(await w.data())).toBe(bits(modified));
      expect(w.arraySync()).toEqual(asArray(modified));
      expect(await w.array()).toEqual(asArray(modified));
      expect(bits((await w.bytes()) as Uint8Array)).toBe(bits(modified));
      expect(bits(w.bufferSync().values)).toBe(bits(modified));
      expect(bits((await w.buffer()).values)).toBe(bits(modified));
      expect(w.toString()).toBe(asText(modified));
      expect(w.shape).toEqual([3, 4]);
    }));

  it("prints the modified values", () =>
    inside(() => {
      const lines: unknown[] = [];
      const { log } = console;
      console.log = (line: unknown) => void lines.push(line);
      try {
        w.print();
        tf.print(w);
      } finally {
        console.log = log;
      }
      expect(lines).toEqual([asText(modified), asText(modified)]);
    }));

  it("gives the modified values to operations, chained or not, in lists or not", () =>
    inside(() => {
      const plain = tf.tensor2d(modified, [3, 4]);
      const operations: readonly ((at: tf.Tensor) => tf.Tensor)[] = [
        (at) => tf.clone(at),
        (at) => at.clone(),
        (at) => at.mul(2).add(at),
        (at) => tf.concat([at, at, tf.zerosLike(at)]),
        (at) => tf.addN([at, at]),
        (at) => tf.stack([at, at], 1),
        (at) => tf.reshape(at, [2, 6]),
        (at) => tf.transpose(at),
        (at) => tf.cast(at, "int32"),
        (at) => tf.slice(at, [1, 1], [2, 2]),
        (at) => tf.matMul(at, at, false, true),
        (at) => tf.sum(at),
        (at) => tf.where(tf.greater(at, 0), at, tf.neg(at)),
        (at) => tf.tidy(() => at.square()),
      ];
      for (const operation of operations)
        expect(taken(() => operation(w))).toBe(taken(() => operation(plain)));
      plain.dispose();
    }));

  it("gives the modified values once, however often one operation takes it", () =>
    inside(() => {
      expect(taken(() => tf.add(w, w))).toBe(taken(() => tf.mul(tf.tensor2d(modified, [3, 4]), 2)));
    }));

  it("gives the modified values to variables that are made of it, or assigned it", async () => {
    const other = tf.tidy(() => tf.variable(tf.zeros([3, 4])));
    const layer = tf.layers.dense({ units: 4, inputShape: [3], useBias: false });
    const model = tf.sequential({ layers: [layer] });
    const made: tf.Variable[] = [];
    const theater = surgicalTheater([w], all);
    made.push(tf.variable(w), w.variable(false));
    other.assign(w);
    model.setWeights([w]);
    theater.close();
    const kernel = layer.weights[0]!.read();
    for (const each of [...made, other, kernel]) expect.soft(bits(values(each))).toBe(bits(modified));
    expect(bits(values(w))).toBe(bits(original));
    // They are nobody else's: another theater does not reach them.
    const again = surgicalTheater([w], { ...all, modification: disable() });
    expect.soft(bits(values(other))).toBe(bits(modified));
    again.close();
    tf.dispose([made, other]);
    model.dispose();
    expect(bits(await w.data())).toBe(bits(original));
  });

  it("leaves to clones what it showed when they were made", async () => {
    const before = [tf.clone(w), tf.reshape(w, [12])];
    let during: tf.Tensor[] = [];
    const theater = surgicalTheater([w], all);
    // Made before on the same data, they are the user's own, and show the original.
    for (const each of before) expect(bits(each.dataSync())).toBe(bits(original));
    for (const each of before) expect(bits(await each.data())).toBe(bits(original));
    expect(taken(() => tf.mul(before[0]!, 1))).toBe(bits(original));
    during = [tf.clone(w), tf.reshape(w, [12])];
    const inner = surgicalTheater([w], { ...all, modification: disable() });
    for (const each of during) expect(bits(each.dataSync())).toBe(bits(modified));
    inner.close();
    theater.close();
    for (const each of before) expect(bits(each.dataSync())).toBe(bits(original));
    for (const each of during) expect(bits(each.dataSync())).toBe(bits(modified));
    const counts = liveCounts();
    tf.dispose([before, during]);
    expect(bits(values(w))).toBe(bits(original));
    const now = liveCounts();
    expect(now["numTensors"]).toBe(counts["numTensors"]! - 4);
  });

  it("is read by several at a time, each of which gets what was shown when it asked", async () => {
    const counts = liveCounts();
    const theater = surgicalTheater([w], all);
    const reads = [w.data(), w.data(), w.array(), w.bytes()] as const;
    const inner = surgicalTheater([w], { ...all, modification: disable() });
    const zero = w.data();
    inner.close();
    const again = w.data();
    theater.close();
    const later = w.data();
    const [first, second, array, bytes] = await Promise.all(reads);
    expect([first, second, bytes as Uint8Array, await again].map(bits)).toEqual(
      Array(4).fill(bits(modified)),
    );
    expect(array).toEqual(asArray(modified));
    expect((await zero).every((value) => value === 0)).toBe(true);
    expect(bits(await later)).toBe(bits(original));
    expect(liveCounts()).toEqual(counts);
  });

  it("shows the original again where a scope ends that a theater was opened or used in", async () => {
    const [counts, id] = [liveCounts(), w.dataId];
    const theater = tf.tidy(
      () => [surgicalTheater([w], all), tf.mul(w, 2)].slice(0, 1) as unknown as tf.TensorContainer,
    ) as unknown as ReturnType<typeof surgicalTheater>[];
    expect(bits(values(w))).toBe(bits(modified));
    expect(tf.tidy(() => bits(values(w)))).toBe(bits(modified));
    engine().startScope();
    tf.mul(w, 2);
    tf.clone(w);
    engine().endScope();
    expect(bits(await w.data())).toBe(bits(modified));
    theater[0]!.close();
    expect(w.dataId).toBe(id);
    expect(bits(values(w))).toBe(bits(original));
    expect(liveCounts()).toEqual(counts);
  });

  it("is computed, read and put back where another backend becomes the current one", async () => {
    const other = backend === "cpu" ? "wasm" : "cpu";
    await useBackend(other);
    await useBackend(backend);
    const home = engine().backend;
    const [id, refs] = [w.dataId, home.refCount(w.dataId)];
    const counts = liveCounts();
    const theater = surgicalTheater([w], all);
    await useBackend(other);
    // Both backends compute the products of a number to the same bits.
    for (let i = 0; i < 2; i++) {
      expect(taken(() => tf.mul(w, 2))).toBe(taken(() => tf.mul(tf.tensor2d(modified, [3, 4]), 2)));
      expect(bits(values(w))).toBe(bits(modified));
      expect(bits(await w.data())).toBe(bits(modified));
    }
    expect(tf.getBackend()).toBe(other);
    // The original has not moved.
    expect(engine().state.tensorInfo.get(id)!.backend).toBe(home);
    const inner = surgicalTheater([w], { ...all, modification: custom((v: tf.Tensor) => tf.ones(v.shape)) });
    taken(() => tf.mul(w, 2));
    inner.close();
    await useBackend(backend);
    expect(bits(values(w))).toBe(bits(modified));
    await useBackend(other);
    theater.close();
    await useBackend(backend);
    expect(w.dataId).toBe(id);
    expect(home.refCount(id)).toBe(refs);
    expect(bits(values(w))).toBe(bits(original));
    expect(liveCounts()).toEqual(counts);
  });

  it("is read modified in the asynchronous form, whatever is awaited", async () => {
    const counts = liveCounts();
    const found = await withTheaterAsync([w], all, async () => {
      const first = await w.data();
      await tf.nextFrame();
      const results = await Promise.all([w.data(), w.array()]);
      return [first, results[0]];
    });
    expect(found.map(bits)).toEqual([bits(modified), bits(modified)]);
    expect(bits(values(w))).toBe(bits(original));
    expect(liveCounts()).toEqual(counts);
  });
});

describe.each(backends)("a model that is streamed, on %s", (backend) => {
  let model: tf.Sequential;
  let x: tf.Tensor;
  let y: tf.Tensor;

  beforeEach(async () => {
    await useBackend(backend);
    model = tf.sequential({
      layers: [
        tf.layers.dense({
          units: 5,
          inputShape: [4],
          kernelRegularizer: tf.regularizers.l1l2(),
          biasRegularizer: tf.regularizers.l2(),
        }),
        tf.layers.dense({ units: 3 }),
      ],
    });
    model.compile({ optimizer: "sgd", loss: "meanSquaredError", metrics: ["mae"] });
    model.setWeights(mlpValues(model));
    [x, y] = [input([7, 4]), input([7, 3])];
    return () => {
      tf.dispose([x, y]);
      model.dispose();
    };
  });

  function mlpValues(of: tf.LayersModel): tf.Tensor[] {
    return of.weights.map(({ shape }, i) => input(shape as number[], i));
  }

  it("has, under evaluate, the losses, penalties and metrics that it has while it is swapped", async () => {
    const evaluate = (): string[] =>
      tf.tidy(() =>
        [model.evaluate(x, y, { batchSize: 3 })].flat().map((each) => bits((each as tf.Tensor).dataSync())),
      );
    const dataset = async (): Promise<string[]> => {
      const rows = tf.data.array([{ xs: x, ys: y }] as never[]);
      const found = [await model.evaluateDataset(rows as never, {})].flat();
      const text = found.map((each) => bits(each.dataSync()));
      tf.dispose(found);
      return text;
    };
    const penalty = (): string =>
      tf.tidy(() => bits(model.calculateLosses().map((each) => each.dataSync())[0]!));
    const during = async (technique: "swap" | "stream"): Promise<unknown> => {
      const theater = surgicalTheater(model, { ...all, technique });
      const found = [evaluate(), penalty(), await dataset()];
      theater.close();
      return found;
    };
    const plain = [evaluate(), penalty(), await dataset()];
    const counts = liveCounts();
    const streamed = await during("stream");
    expect(liveCounts()).toEqual(counts);
    expect(streamed).toEqual(await during("swap"));
    expect(streamed).not.toEqual(plain);
    expect([evaluate(), penalty(), await dataset()]).toEqual(plain);
  });

  it("tells the same statistics as while it is swapped, and that its bytes are back", async () => {
    const during = async (technique: "swap" | "stream"): Promise<unknown> => {
      const theater = surgicalTheater(model, { ...all, technique, verify: "fingerprint" });
      const counts = liveCounts();
      const found = [...(await theater.deltaStatistics())];
      expect(liveCounts()).toEqual(counts);
      expect([...theater.close().parameters.values()].map(({ by }) => by)).toEqual(
        Array(4).fill("fingerprint"),
      );
      return found;
    };
    expect(await during("stream")).toEqual(await during("swap"));
  });

  it("may be disposed of inside: that is told of, and nothing is left behind", () => {
    for (const onWrite of ["error", "keep"] as const) {
      const before = liveCounts();
      const around = surroundings(model);
      const other = mlp();
      const theater = surgicalTheater(other, { ...all, onWrite });
      predictionBits(other, x);
      other.dispose();
      if (onWrite === "keep") expect(theater.close().identical).toBe(false);
      else expect(() => theater.close()).toThrow(expect.objectContaining({ code: "original_lost" }));
      // What `compile` made is the model's own, and stays: the learning rate of its optimizer.
      const spared = liveCounts();
      expect(Object.keys(spared).filter((what) => spared[what]! > before[what]! + 1)).toEqual([]);
      expect(surroundings(model)).toEqual(around);
    }
  });

  it("shows an average of itself, of which part is gone, as it was", () => {
    const towards = Object.fromEntries(
      model.weights.map(({ name, shape }) => [name, tf.ones(shape as number[])]),
    );
    const [before, ids] = [weightBits(model), dataIds(model)];
    const theater = surgicalTheater(model, { modification: interpolate(towards, 0.3), technique: "stream" });
    const shown = [weightBits(model), predictionBits(model, x)];
    tf.dispose(towards);
    expect([weightBits(model), predictionBits(model, x)]).toEqual(shown);
    theater.close();
    expect(weightBits(model)).toEqual(before);
    expect(dataIds(model).every((id, i) => id === ids[i])).toBe(true);
    expect(variable(model, "/kernel").isDisposed).toBe(false);
  });
});
