import * as tf from "@tensorflow/tfjs";
import { beforeEach, describe, expect, it } from "vitest";
import { noise, planTheater, scale, surgicalTheater, type TfjsModel, withTheater } from "../../src/tfjs.ts";
import { bits, smallFloats } from "../support/bits.ts";
import { liveCounts } from "../support/meter.ts";
import { dataIds, input, predictionBits, weightBits, withWeights } from "../support/models.ts";
import { backends, useBackend } from "../support/tensorflow.ts";

const L = tf.layers;

function shared(): tf.LayersModel {
  const dense = L.dense({ units: 4, activation: "tanh" });
  const x = tf.input({ shape: [4] });
  return tf.model({ inputs: x, outputs: dense.apply(dense.apply(x)) as tf.SymbolicTensor });
}

function nestedTwice(): tf.LayersModel {
  const inner = tf.sequential({ layers: [L.dense({ units: 4, inputShape: [4] }), L.dense({ units: 4 })] });
  const x = tf.input({ shape: [4] });
  const y = inner.apply(inner.apply(x)) as tf.SymbolicTensor;
  return tf.model({ inputs: x, outputs: L.dense({ units: 2 }).apply(y) as tf.SymbolicTensor });
}

function tied(): tf.LayersModel {
  const [first, second] = [0, 1].map(() => L.dense({ units: 4, useBias: false, inputShape: [4] }));
  const model = tf.sequential({ layers: [first!, second!] });
  const own = second!.weights[0]!.read();
  // The way to tie weights by hand: one LayerVariable in two layers.
  (second as unknown as { kernel: tf.LayerVariable }).kernel = first!.weights[0]!;
  second!.trainableWeights = [first!.weights[0]!];
  own.dispose();
  return model;
}

const stacked = () => L.rnn({ cell: [L.lstmCell({ units: 3 }), L.gruCell({ units: 2 })] as never });

interface Kind {
  readonly title: string;
  readonly make: () => tf.LayersModel;
  readonly shape: number[];
  readonly variables: number;
}

const one = (layer: tf.layers.Layer) => (): tf.LayersModel => tf.sequential({ layers: [layer] });
const kinds: readonly Kind[] = [
  { title: "a shared layer", make: shared, shape: [2, 4], variables: 2 },
  { title: "a nested model, used twice", make: nestedTwice, shape: [2, 4], variables: 6 },
  { title: "tied kernels", make: tied, shape: [2, 4], variables: 1 },
  {
    title: "an embedding",
    make: () => one(L.embedding({ inputDim: 5, outputDim: 3, inputShape: [4] }))(),
    shape: [1, 4],
    variables: 1,
  },
  {
    title: "LSTM",
    make: () => one(L.lstm({ units: 3, inputShape: [5, 2] }))(),
    shape: [2, 5, 2],
    variables: 3,
  },
  {
    title: "GRU",
    make: () => one(L.gru({ units: 3, inputShape: [5, 2] }))(),
    shape: [2, 5, 2],
    variables: 3,
  },
  {
    title: "stacked cells",
    make: () => {
      const x = tf.input({ shape: [5, 2] });
      return tf.model({ inputs: x, outputs: stacked().apply(x) as tf.SymbolicTensor });
    },
    shape: [2, 5, 2],
    variables: 6,
  },
  {
    title: "Bidirectional",
    make: () =>
      one(L.bidirectional({ layer: L.lstm({ units: 3 }), mergeMode: "concat", inputShape: [5, 2] }))(),
    shape: [2, 5, 2],
    variables: 6,
  },
  {
    title: "TimeDistributed",
    make: () => one(L.timeDistributed({ layer: L.dense({ units: 3 }), inputShape: [5, 2] }))(),
    shape: [2, 5, 2],
    variables: 2,
  },
  {
    title: "layer normalization",
    make: () => one(L.layerNormalization({ inputShape: [6] }))(),
    shape: [2, 6],
    variables: 2,
  },
  {
    title: "batch normalization",
    make: () => one(L.batchNormalization({ inputShape: [6] }))(),
    shape: [2, 6],
    variables: 4,
  },
  {
    title: "separable and transposed convolutions",
    make: () =>
      tf.sequential({
        layers: [
          L.separableConv2d({ filters: 2, kernelSize: 3, inputShape: [6, 6, 2] }),
          L.conv2dTranspose({ filters: 2, kernelSize: 3 }),
          L.depthwiseConv2d({ kernelSize: 3 }),
        ],
      }),
    shape: [1, 6, 6, 2],
    variables: 7,
  },
  { title: "PReLU", make: () => one(L.prelu({ inputShape: [6] }))(), shape: [2, 6], variables: 1 },
];

/** Integers for an embedding, else floats. */
function inputOf({ title, shape }: Kind): tf.Tensor {
  return title === "an embedding" ? tf.tensor2d([[0, 4, 2, 1]], [1, 4]) : input(shape);
}

describe.each(backends)("on %s", (backend) => {
  beforeEach(async () => void (await useBackend(backend)));

  describe.each(kinds)("$title", (kind) => {
    it("shows every variable modified once, and returns them all", () => {
      const model = withWeights(kind.make());
      const x = inputOf(kind);
      const before = predictionBits(model, x);
      const [weights, ids, counts] = [weightBits(model), dataIds(model), liveCounts()];
      const options = { modification: scale(0.75), layers: () => true };
      const plan = planTheater(model, options);
      expect(plan.parameters.length + plan.leftOut.length).toBe(kind.variables);
      const theater = surgicalTheater(model, options);
      const inside = predictionBits(model, x);
      const receipt = theater.close();
      expect(receipt.parameters.size).toBe(kind.variables);
      expect(liveCounts()).toEqual(counts);
      expect(weightBits(model)).toEqual(weights);
      expect(dataIds(model).every((id, i) => id === ids[i])).toBe(true);
      expect(predictionBits(model, x)).toBe(before);

      // The same by hand, on each variable once.
      const statistics = new Set(plan.leftOut.map(({ name }) => name));
      const byHand = new Map(model.weights.map((weight) => [weight.read(), weight]));
      for (const weight of byHand.values()) {
        if (!statistics.has(weight.name)) tf.tidy(() => void weight.write(tf.mul(weight.read(), 0.75)));
      }
      expect(inside).toBe(predictionBits(model, x));
      expect(inside).not.toBe(before);
      // Not `model.dispose()`, which cannot dispose of what is in two layers.
      tf.dispose([x, ...byHand.keys()]);
    });
  });
});

describe("variables without a model", () => {
  beforeEach(async () => void (await useBackend("cpu")));

  const variable = (value: number, name?: string): tf.Variable =>
    tf.tidy(() => tf.variable(tf.mul(value, tf.ones([2, 2])), true, name));

  it("are a record by key or a list by name, and one given twice changes once", () => {
    const [a, b] = [variable(1, "net/a"), variable(2, "net/b")];
    const models: { model: TfjsModel; names: string[] }[] = [
      { model: { a, b, again: a }, names: ["a", "b"] },
      { model: [a, b, a], names: ["net/a", "net/b"] },
    ];
    for (const { model, names } of models) {
      const plan = planTheater(model, { modification: scale(3), layers: "all" });
      expect(plan.parameters.map(({ name }) => name)).toEqual(names);
      withTheater(model, { modification: scale(3), layers: "all" }, () => {
        expect([a.dataSync()[0], b.dataSync()[0]]).toEqual([3, 6]);
      });
      expect([a.dataSync()[0], b.dataSync()[0]]).toEqual([1, 2]);
    }
    withTheater({ a, again: a }, { modification: scale(3), layers: "again" }, () => {
      expect(a.dataSync()[0]).toBe(3);
    });
    tf.dispose([a, b]);
  });

  it("meet their layers model: theaters on both show one layer over the other", () => {
    const model = withWeights(tf.sequential({ layers: [L.dense({ units: 2, inputShape: [2] })] }));
    const kernel = model.weights[0]!.read() as tf.Variable;
    const original = kernel.dataSync().slice() as Float32Array;
    const outer = surgicalTheater(model, { modification: scale(0.1), layers: 0 });
    const inner = surgicalTheater([kernel], { modification: scale(0.3), layers: "all" });
    const shown = original.map((x) => Math.fround(x * Math.fround(0.1)) * Math.fround(0.3));
    expect(bits(kernel.dataSync())).toBe(bits(shown));
    outer.close();
    expect(bits(kernel.dataSync())).toBe(bits(original.map((x) => x * Math.fround(0.3))));
    inner.close();
    expect(bits(kernel.dataSync())).toBe(bits(original));
    model.dispose();
  });

  it("get noise by their name in the model, the same on every backend", async () => {
    const seen: string[] = [];
    for (const backend of backends) {
      await useBackend(backend);
      const w = tf.tidy(() => tf.variable(tf.tensor(smallFloats(64, 1))));
      withTheater({ w }, { modification: noise({ std: 0.1, seed: 9 }), layers: "all" }, () => {
        seen.push(bits(w.dataSync()));
      });
      w.dispose();
    }
    expect(seen[1]).toBe(seen[0]);
  });
});
