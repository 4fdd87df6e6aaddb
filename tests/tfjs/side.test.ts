/** Technique `side`: dense layers that add a low-rank product to their outputs, beside a kernel that stays as it is. */
import * as tf from "@tensorflow/tfjs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  disable,
  lora,
  type Lora,
  noise,
  planTheater,
  scale,
  surgicalTheater,
  withTheater,
} from "../../src/tfjs.ts";
import { bits } from "../support/bits.ts";
import { liveCounts, startMeter } from "../support/meter.ts";
import { input, predictionBits, variable, weightBits, withWeights } from "../support/models.ts";
import { normals } from "../support/normals.ts";
import { backends, useBackend } from "../support/tensorflow.ts";
import { thrownBy } from "../support/thrown.ts";

const L = tf.layers;

/** How far side and merged outputs may be apart: sums of a few numbers about 1, in another order. */
const DIFFERENCE = 1e-5;

type Activation = "linear" | "relu" | "softmax" | "elu" | "sigmoid";

function denseModel(activation: Activation, useBias: boolean, shape: number[]): tf.Sequential {
  const model = tf.sequential({
    layers: [
      L.dense({ units: 8, inputShape: shape, activation, useBias, name: "one" }),
      L.dense({ units: 3, activation, useBias, name: "two" }),
    ],
  });
  model.compile({ optimizer: tf.train.sgd(0.1), loss: "meanSquaredError" });
  return withWeights(model);
}

describe.each(backends)("a side path on %s", (backend) => {
  let owned: tf.Tensor[];
  let models: tf.LayersModel[];

  const own = <T extends tf.Tensor>(tensor: T): T => {
    owned.push(tensor);
    return tensor;
  };
  const random = (shape: [number, number], seed: number): tf.Tensor =>
    own(tf.tensor(normals(shape[0] * shape[1], 0.4, seed), shape));
  const made = <M extends tf.LayersModel>(model: M): M => {
    models.push(model);
    return model;
  };
  /** Low rank for every kernel of a model whose name is asked for. */
  const adapt = (model: tf.LayersModel, seed = 1, names = /kernel/): Lora<tf.Tensor> => {
    const kernels = model.weights.filter(({ name }) => names.test(name));
    const adapter = Object.fromEntries(
      kernels.map(({ originalName, shape }, i) => {
        const [inputs, outputs] = shape as [number, number];
        const a = random([2, inputs], seed + 2 * i);
        return [originalName, { a, b: random([outputs, 2], seed + 2 * i + 1) }];
      }),
    );
    return lora(adapter, { alpha: 3, loraRank: 2, layout: "inOut" });
  };
  const predict = (model: tf.LayersModel, x: tf.Tensor): Float32Array =>
    tf.tidy(() => (model.predict(x) as tf.Tensor).dataSync<"float32">().slice());
  const distance = (a: Float32Array, b: Float32Array): number =>
    Math.max(...a.map((value, i) => Math.abs(value - b[i]!)));

  beforeEach(async () => {
    await useBackend(backend);
    owned = [];
    models = [];
  });
  afterEach(() => {
    tf.dispose(owned);
    for (const model of models) model.dispose();
  });

  describe.each([[[4]], [[5, 4]]])("of inputs of shape %j", (shape) => {
    it.each([
      ["linear", true],
      ["linear", false],
      ["relu", true],
      ["relu", false],
      ["softmax", true],
      ["softmax", false],
      ["elu", true],
      ["sigmoid", true],
    ] as const)("gives what the merged weights give: %s, bias %s", (activation, useBias) => {
      const model = made(denseModel(activation, useBias, shape));
      const x = own(input([6, ...shape]));
      const modification = adapt(model);
      const before = predict(model, x);
      const weights = weightBits(model);
      const counts = liveCounts();
      const merged = withTheater(model, { modification, technique: "swap" }, () => predict(model, x));
      const theater = surgicalTheater(model, { modification, technique: "side" });
      const side = predict(model, x);
      // Reading a kernel gives the original, and nothing is held but handles.
      expect(weightBits(model)).toEqual(weights);
      expect(theater.report().heldBytes).toBe(0);
      expect(theater.close()).toMatchObject({ identical: true, technique: "side" });
      expect(distance(side, merged)).toBeLessThanOrEqual(DIFFERENCE);
      expect(distance(before, merged)).toBeGreaterThan(100 * DIFFERENCE);
      expect(bits(predict(model, x))).toBe(bits(before));
      expect(liveCounts()).toEqual(counts);
      expect(model.layers.map((layer) => Object.hasOwn(layer, "call"))).toEqual([false, false]);
    });
  });

  it("takes a kernel for [outputs, inputs] if it is told to", () => {
    const model = made(denseModel("relu", true, [4]));
    const x = own(input([6, 4]));
    // [4, 8]: 4 outputs and 8 inputs.
    const adapter = { "one/kernel": { a: random([2, 8], 1), b: random([4, 2], 2) } };
    const modification = lora(adapter, { alpha: 3, loraRank: 2, layout: "outIn" });
    const [merged, side] = (["swap", "side"] as const).map((technique) =>
      withTheater(model, { modification, technique }, () => predict(model, x)),
    );
    expect(distance(side!, merged!)).toBeLessThanOrEqual(DIFFERENCE);
  });

  it("has the gradients of the merged weights, for inputs and for every weight", () => {
    const model = made(denseModel("sigmoid", true, [4]));
    const x = own(input([6, 4]));
    const modification = adapt(model);
    const variables = model.trainableWeights.map((weight) => weight.read() as tf.Variable);
    const loss = (): tf.Scalar => tf.sum(tf.square(model.apply(x) as tf.Tensor));
    const gradients = (technique: "swap" | "side"): Float32Array[] =>
      withTheater(model, { modification, technique }, () =>
        tf.tidy(() => {
          const { grads } = tf.variableGrads(loss, variables);
          const ofX = tf.grad((of: tf.Tensor) => tf.sum(tf.square(model.apply(of) as tf.Tensor)))(x);
          return [...variables.map(({ name }) => grads[name]!), ofX].map((each) =>
            each.dataSync<"float32">().slice(),
          );
        }),
      );
    const [merged, side] = [gradients("swap"), gradients("side")];
    for (const [i, each] of side.entries())
      expect(distance(each, merged[i]!)).toBeLessThanOrEqual(DIFFERENCE);
  });

  it("refuses a training step, before it computes anything", async () => {
    const model = made(denseModel("relu", true, [4]));
    const [x, y] = [own(input([6, 4])), own(tf.zeros([6, 3]))];
    const before = weightBits(model);
    const theater = surgicalTheater(model, { modification: adapt(model), technique: "side" });
    const counts = liveCounts();
    const refused = { code: "written_inside", parameters: ["one/kernel", "two/kernel"] };
    await expect(model.fit(x, y, { epochs: 1 })).rejects.toMatchObject(refused);
    await expect(model.trainOnBatch(x, y)).rejects.toMatchObject({ code: "written_inside" });
    expect(() => tf.tidy(() => variable(model, "one/kernel").assign(tf.zeros([4, 8])))).toThrow(
      expect.objectContaining({ code: "written_inside" }),
    );
    expect(liveCounts()).toEqual(counts);
    theater.close();
    expect(weightBits(model)).toEqual(before);
  });

  it("cannot be closed in the middle of a layer", () => {
    const model = made(denseModel("linear", true, [4]));
    const x = own(input([6, 4]));
    const theater = surgicalTheater(model, { modification: adapt(model), technique: "side" });
    const shown = predictionBits(model, x);
    const layer = model.layers[0] as unknown as { activation: object };
    const { activation } = layer;
    const closing = { getClassName: () => "linear", apply: () => theater.close() };
    layer.activation = closing;
    expect(() => predictionBits(model, x)).toThrow(expect.objectContaining({ code: "busy" }));
    expect(layer.activation).toBe(closing);
    layer.activation = activation;
    expect(predictionBits(model, x)).toBe(shown);
    expect(theater.close().identical).toBe(true);
  });

  it("shows what was written, where that is allowed, and brings the original back", () => {
    const model = made(denseModel("linear", false, [4]));
    const x = own(input([6, 4]));
    const before = weightBits(model);
    const theater = surgicalTheater(model, {
      modification: adapt(model, 1, /one/),
      technique: "side",
      onWrite: "discard",
    });
    const kernel = variable(model, "one/kernel");
    tf.tidy(() => kernel.assign(tf.zeros([4, 8])));
    expect(predict(model, x).every((value) => value === 0)).toBe(true);
    expect(theater.close()).toMatchObject({ identical: true, written: ["one/kernel"] });
    expect(weightBits(model)).toEqual(before);
  });

  it("adds up with those of other theaters, closed in any order", () => {
    const model = made(denseModel("relu", true, [4]));
    const x = own(input([6, 4]));
    const adapters = [10, 20, 30].map((seed) => adapt(model, seed));
    const before = predictionBits(model, x);
    const merged = (those: readonly number[]): Float32Array =>
      withTheater(model, { modification: those.map((i) => adapters[i]!), technique: "swap" }, () =>
        predict(model, x),
      );
    const should = new Map([
      ["0", merged([0])],
      ["0,1", merged([0, 1])],
      ["0,1,2", merged([0, 1, 2])],
      ["0,2", merged([0, 2])],
      ["2", merged([2])],
    ]);
    const expectSum = (those: string): void => {
      expect(distance(predict(model, x), should.get(those)!)).toBeLessThanOrEqual(DIFFERENCE);
    };
    const open = (i: number) =>
      surgicalTheater(model, { modification: adapters[i]!, technique: i === 0 ? "side" : "auto" });
    const zero = open(0);
    expectSum("0");
    const one = open(1);
    expect(one.plan.parameters.map(({ technique }) => technique)).toEqual(["side", "side"]);
    expectSum("0,1");
    const two = open(2);
    expectSum("0,1,2");
    one.close();
    expectSum("0,2");
    zero.close();
    expectSum("2");
    two.close();
    expect(predictionBits(model, x)).toBe(before);
  });

  it("is not what a theater gets above one that swaps: there it is merged", () => {
    const model = made(denseModel("relu", true, [4]));
    const x = own(input([6, 4]));
    const modification = adapt(model);
    const outer = surgicalTheater(model, { modification: scale(0.5), layers: "one" });
    const inner = surgicalTheater(model, { modification, technique: "side" });
    expect(inner.plan.parameters.map(({ technique }) => technique)).toEqual(["swap", "side"]);
    const found = predict(model, x);
    inner.close();
    const same = withTheater(model, { modification, technique: "swap" }, () => predict(model, x));
    outer.close();
    expect(distance(found, same)).toBeLessThanOrEqual(DIFFERENCE);
  });

  it("is not joined by what cannot be added beside", () => {
    const model = made(denseModel("relu", true, [4]));
    const x = own(input([6, 4]));
    const outer = surgicalTheater(model, { modification: adapt(model), technique: "side" });
    const shown = predictionBits(model, x);
    for (const modification of [scale(2), disable(), noise({ std: 1, seed: 1 })]) {
      const error = thrownBy(() => surgicalTheater(model, { modification, layers: "one" })) as Error;
      expect(error).toMatchObject({ name: "UnsupportedError", code: "technique" });
      expect(error.message).toMatch(/"one\/kernel".*unchanged.*Close the theater.*"swap" or "stream"/);
      expect(predictionBits(model, x)).toBe(shown);
    }
    // Biases are nobody's yet.
    withTheater(model, { modification: scale(2), layers: "*/bias" }, () => undefined);
    outer.close();
  });

  it("serves a layer that is used twice, and one in a model in a model", () => {
    const inner = tf.sequential({
      layers: [L.dense({ units: 4, inputShape: [4], activation: "relu", name: "inside" })],
    });
    const shared = L.dense({ units: 4, name: "shared" });
    const x = tf.input({ shape: [4] });
    const model = made(
      tf.model({
        inputs: x,
        outputs: shared.apply(inner.apply(shared.apply(x)) as tf.SymbolicTensor) as tf.SymbolicTensor,
      }),
    );
    withWeights(model);
    const batch = own(input([3, 4]));
    const modification = adapt(model);
    expect(Object.keys(modification.adapter)).toHaveLength(2);
    const [merged, side] = (["swap", "side"] as const).map((technique) =>
      withTheater(model, { modification, technique }, () => predict(model, batch)),
    );
    expect(distance(side!, merged!)).toBeLessThanOrEqual(DIFFERENCE);
  });

  it("tells statistics what it shows", async () => {
    const model = made(denseModel("linear", true, [4]));
    const modification = adapt(model);
    const statistics = async (technique: "swap" | "side") => {
      const theater = surgicalTheater(model, { modification, technique });
      const found = await theater.deltaStatistics();
      theater.close();
      return found;
    };
    expect(await statistics("side")).toEqual(await statistics("swap"));
  });

  it("plans no bytes but what wasm packs for another kernel, and opens without any", () => {
    const model = made(denseModel("relu", true, [4]));
    const plain = made(denseModel("linear", true, [4]));
    const options = (of: tf.LayersModel) => ({ modification: adapt(of), technique: "side" }) as const;
    expect(planTheater(plain, options(plain))).toMatchObject({
      technique: "side",
      heldBytes: 0,
      transientBytes: 0,
      engineBytes: 0,
    });
    const { heldBytes, engineBytes } = planTheater(model, options(model));
    expect(heldBytes).toBe(0);
    expect(engineBytes > 0).toBe(backend === "wasm");
    const given = options(model);
    const meter = startMeter();
    const theater = surgicalTheater(model, given);
    meter.stop();
    theater.close();
    expect([meter.peak(), meter.grown()]).toEqual([0, 0]);
  });

  it("is never chosen by itself", () => {
    const model = made(denseModel("relu", true, [4]));
    const modification = adapt(model);
    expect(planTheater(model, { modification }).technique).toBe("swap");
    expect(thrownBy(() => planTheater(model, { modification, budget: 0 }))).toMatchObject({
      code: "over_budget",
    });
  });

  describe("is refused for", () => {
    const expectRefused = (run: () => unknown, ...says: readonly string[]): void => {
      const error = thrownBy(run) as Error;
      expect(error).toMatchObject({ name: "UnsupportedError", code: "technique" });
      for (const part of [...says, "unchanged", 'Use technique "swap" or "stream"']) {
        expect(error.message).toContain(part);
      }
    };

    it("other modifications, and an adapter with a magnitude", () => {
      const model = made(denseModel("relu", true, [4]));
      for (const modification of [scale(2), disable(), noise({ std: 1, seed: 1 })]) {
        expectRefused(
          () => surgicalTheater(model, { modification, layers: "one/kernel", technique: "side" }),
          '"one/kernel"',
          "low-rank",
        );
      }
      const { a, b } = Object.values(adapt(model).adapter)[0]!;
      const entry = { a, b, magnitude: own(tf.ones([8])) };
      const modification = lora({ "one/kernel": entry }, { alpha: 1, loraRank: 2, layout: "inOut" });
      expectRefused(() => surgicalTheater(model, { modification, technique: "side" }), "without a magnitude");
    });

    it("kernels of other layers", () => {
      const model = made(
        withWeights(
          tf.sequential({
            layers: [
              L.embedding({ inputDim: 10, outputDim: 4, inputLength: 3, name: "table" }),
              L.timeDistributed({ layer: L.dense({ units: 4, name: "each" }), name: "wrapped" }),
              L.conv1d({ filters: 4, kernelSize: 1, name: "conv" }),
              L.simpleRNN({ units: 4, name: "rnn" }),
            ],
          }),
        ),
      );
      for (const weight of model.weights.filter(({ shape }) => shape.length >= 2)) {
        const shape = weight.shape as number[];
        const inputs = shape.slice(0, -1).reduce((product, n) => product * n, 1);
        const entry = { a: random([1, inputs], 1), b: random([shape.at(-1)!, 1], 2) };
        const modification = lora(
          { [weight.originalName]: entry },
          { alpha: 1, loraRank: 1, layout: "inOut" },
        );
        expectRefused(
          () => surgicalTheater(model, { modification, technique: "side" }),
          JSON.stringify(weight.originalName),
          "dense layers",
        );
      }
    });

    it("a kernel that another layer uses too", () => {
      const dense = L.dense({ units: 4, useBias: false, name: "dense" });
      const conv = L.conv1d({ filters: 4, kernelSize: 1, useBias: false, name: "other" });
      const x = tf.input({ shape: [4] });
      const reshaped = L.reshape({ targetShape: [1, 4] }).apply(dense.apply(x)) as tf.SymbolicTensor;
      const model = made(tf.model({ inputs: x, outputs: conv.apply(reshaped) as tf.SymbolicTensor }));
      // Tied: the same variable is a weight of both.
      const kernel = (dense as unknown as { kernel: tf.LayerVariable }).kernel;
      const { _trainableWeights: weights } = conv as unknown as { _trainableWeights: tf.LayerVariable[] };
      weights.push(kernel);
      const modification = adapt(model, 1, /dense/);
      expectRefused(() => surgicalTheater(model, { modification, technique: "side" }), '"dense/kernel"');
      weights.pop();
    });

    it("variables without layers", () => {
      const w = own(tf.variable(random([4, 3], 1)));
      const entry = { a: random([2, 4], 2), b: random([3, 2], 3) };
      const modification = lora({ w: entry }, { alpha: 1, loraRank: 2, layout: "inOut" });
      expectRefused(
        () => surgicalTheater({ w }, { modification, technique: "side" }),
        '"w"',
        "tf.LayersModel",
      );
    });
  });
});
