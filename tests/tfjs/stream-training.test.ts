import * as tf from "@tensorflow/tfjs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { disable, interpolate, noise, scale, surgicalTheater, withTheater } from "../../src/tfjs.ts";
import { liveCounts } from "../support/meter.ts";
import {
  cnn,
  dataIds,
  input,
  mlp,
  predictionBits,
  variable,
  weightBits,
  withWeights,
} from "../support/models.ts";
import { slotBits, surroundings, valuesFor } from "../support/stream-models.ts";
import { backends, useBackend } from "../support/tensorflow.ts";
import { thrownBy } from "../support/thrown.ts";

const all = { modification: scale(0.5), layers: "all", technique: "stream" } as const;
const refusal = { name: "TheaterStateError", code: "written_inside" };

const optimizers: readonly { readonly title: string; readonly make: () => tf.Optimizer }[] = [
  { title: "sgd", make: () => tf.train.sgd(0.1) },
  { title: "momentum", make: () => tf.train.momentum(0.1, 0.9) },
  { title: "nesterov momentum", make: () => tf.train.momentum(0.1, 0.9, true) },
  { title: "rmsprop", make: () => tf.train.rmsprop(0.01) },
  { title: "centered rmsprop", make: () => tf.train.rmsprop(0.01, 0.9, 0.5, 1e-7, true) },
  { title: "adam", make: () => tf.train.adam(0.05) },
  { title: "adamax", make: () => tf.train.adamax(0.05) },
  { title: "adagrad", make: () => tf.train.adagrad(0.1) },
  { title: "adadelta", make: () => tf.train.adadelta(0.1) },
];

describe.each(backends)("training while weights are streamed, on %s", (backend) => {
  let model: tf.Sequential;
  let optimizer: tf.Optimizer;
  let x: tf.Tensor;
  let y: tf.Tensor;

  /** A model that has been trained for a step with `optimizer`, and that step once more by hand. */
  async function compile(made: tf.Optimizer): Promise<void> {
    optimizer = made;
    model.compile({ optimizer, loss: "meanSquaredError" });
    await model.trainOnBatch(x, y);
  }

  beforeEach(async () => {
    await useBackend(backend);
    model = mlp();
    [x, y] = [input([4, 4]), input([4, 3])];
    await compile(tf.train.sgd(0.1));
  });

  afterEach(() => {
    tf.dispose([x, y]);
    optimizer.dispose();
    model.dispose();
  });

  const variables = (): tf.Variable[] => model.trainableWeights.map((weight) => weight.read() as tf.Variable);
  const loss = (): tf.Scalar =>
    tf.losses.meanSquaredError<tf.Tensor, tf.Scalar>(y, model.apply(x) as tf.Tensor);
  const minimize = (varList?: tf.Variable[]): void => {
    const cost = optimizer.minimize(loss, true, varList);
    cost!.dispose();
  };
  /** Gradients computed where nothing is streamed, and what `apply` does with them. */
  const withGradients = (apply: (grads: tf.NamedTensorMap) => void): void => {
    const { value, grads } = tf.variableGrads(loss, variables());
    try {
      apply(grads);
    } finally {
      tf.dispose([value, grads]);
    }
  };
  const plusOne = (): tf.Tensor[] => model.weights.map((weight) => tf.add(weight.read(), 1));
  const names = (): string[] => model.weights.map(({ name }) => name);
  const dataset = (): tf.data.Dataset<tf.TensorContainer> =>
    tf.data.generator(function* () {
      for (let i = 0; i < 2; i++) yield { xs: tf.ones([4, 4]), ys: tf.ones([4, 3]) };
    });

  const writers: readonly { title: string; write: (target?: string) => unknown }[] = [
    { title: "trainOnBatch", write: () => model.trainOnBatch(x, y) },
    { title: "fit", write: () => model.fit(x, y, { epochs: 2, shuffle: false }) },
    { title: "fit with validation", write: () => model.fit(x, y, { validationSplit: 0.5 }) },
    { title: "fitDataset", write: () => model.fitDataset(dataset(), { epochs: 1 }) },
    { title: "minimize", write: () => minimize() },
    { title: "minimize with a list of variables", write: () => minimize(variables()) },
    { title: "minimize without the cost", write: () => optimizer.minimize(loss) },
    { title: "minimize in a scope", write: () => tf.tidy(() => minimize()) },
    {
      title: "applyGradients of a map",
      write: () => withGradients((grads) => optimizer.applyGradients(grads)),
    },
    {
      title: "applyGradients of a list",
      write: () =>
        withGradients((grads) =>
          optimizer.applyGradients(Object.entries(grads).map(([name, tensor]) => ({ name, tensor }))),
        ),
    },
    { title: "setWeights", write: () => tf.tidy(() => model.setWeights(plusOne())) },
    {
      title: "setWeights of a layer",
      write: (target) =>
        tf.tidy(() => {
          const first = target === names()[2] ? 2 : 0;
          model.layers[first / 2]!.setWeights(plusOne().slice(first, first + 2));
        }),
    },
    {
      title: "loadWeights",
      write: () =>
        tf.tidy(() => model.loadWeights(Object.fromEntries(plusOne().map((each, i) => [names()[i]!, each])))),
    },
    {
      title: "assign",
      write: (target = names()[0]!) =>
        tf.tidy(() => variable(model, target).assign(tf.ones(variable(model, target).shape))),
    },
  ];

  /** Runs `write`, and returns what it throws, at once or later. */
  async function refusalOf(write: () => unknown): Promise<unknown> {
    try {
      await write();
    } catch (error) {
      return error;
    }
    return expect.fail("nothing was refused");
  }

  const state = (): unknown => [weightBits(model), slotBits(optimizer)];

  describe.each([
    { title: "all parameters", options: () => all },
    { title: "the first kernel", options: () => ({ ...all, layers: names()[0]! }) },
    { title: "the last kernel", options: () => ({ ...all, layers: names()[2]! }) },
  ])("of $title", ({ options }) => {
    it.each(writers)("is refused, changes nothing and leaks nothing: $title", async ({ write }) => {
      const [before, ids, counts, around] = [state(), dataIds(model), liveCounts(), surroundings(model)];
      const theater = surgicalTheater(model, options());
      const target = theater.plan.parameters[0]!.name;
      const [shown, open, outputs] = [state(), liveCounts(), predictionBits(model, x)];
      for (let i = 0; i < 2; i++) {
        const error = await refusalOf(() => write(target));
        expect(error).toMatchObject(refusal);
        expect(names()).toEqual(expect.arrayContaining((error as { parameters: string[] }).parameters));
        expect(liveCounts()).toEqual(open);
      }
      expect(theater.receipt).toBeUndefined();
      expect(state()).toEqual(shown);
      expect(predictionBits(model, x)).toBe(outputs);
      expect(theater.close()).toMatchObject({ identical: true, written: [] });
      expect(state()).toEqual(before);
      expect(dataIds(model).every((id, i) => id === ids[i])).toBe(true);
      expect(liveCounts()).toEqual(counts);
      expect(surroundings(model)).toEqual(around);
      // And nothing is in the way of training now.
      await write(target);
      expect(weightBits(model)).not.toEqual((before as unknown[])[0]);
    });
  });

  it.each(writers)(
    "goes through and is undone at closing where onWrite is discard: $title",
    async ({ write }) => {
      const [before, ids, counts] = [weightBits(model), dataIds(model), liveCounts()];
      const theater = surgicalTheater(model, { ...all, onWrite: "discard" });
      const shown = weightBits(model);
      await write();
      expect(weightBits(model)).not.toEqual(shown);
      const receipt = theater.close();
      expect(receipt.identical).toBe(true);
      expect(receipt.written.length).toBeGreaterThan(0);
      expect(weightBits(model)).toEqual(before);
      expect(dataIds(model).every((id, i) => id === ids[i])).toBe(true);
      expect(liveCounts()).toEqual(counts);
    },
  );

  it.each(writers)("stays where onWrite is keep, as under swap, to the bit: $title", async ({ write }) => {
    const compare = async (technique: "swap" | "stream"): Promise<unknown> => {
      model.dispose();
      optimizer.dispose();
      model = mlp();
      await compile(tf.train.momentum(0.1, 0.9));
      const counts = liveCounts();
      const around = surroundings(model);
      const theater = surgicalTheater(model, { ...all, technique, onWrite: "keep" });
      await write();
      const written = Object.values(weightBits(model));
      const receipt = theater.close();
      expect(liveCounts()).toEqual(counts);
      expect(surroundings(model)).toEqual(around);
      const kept = model.weights.map(({ name }) => receipt.parameters.get(name)?.by);
      const now = Object.values(weightBits(model));
      expect(now.filter((_, i) => kept[i] === "kept")).toEqual(written.filter((_, i) => kept[i] === "kept"));
      expect(kept).toContain("kept");
      return [now, kept];
    };
    expect(await compare("stream")).toEqual(await compare("swap"));
  });

  it.each(optimizers)("is refused before an optimizer's slots change: $title", async ({ make }) => {
    optimizer.dispose();
    await compile(make());
    const before = state();
    const counts = liveCounts();
    const theater = surgicalTheater(model, all);
    expect(await refusalOf(() => model.trainOnBatch(x, y))).toMatchObject(refusal);
    expect(await refusalOf(() => minimize())).toMatchObject(refusal);
    expect(await refusalOf(() => minimize(variables()))).toMatchObject(refusal);
    for (const list of [false, true]) {
      const apply = (grads: tf.NamedTensorMap): void =>
        optimizer.applyGradients(
          list ? Object.entries(grads).map(([name, tensor]) => ({ name, tensor })) : grads,
        );
      expect(await refusalOf(() => withGradients(apply))).toMatchObject(refusal);
    }
    theater.close();
    expect(state()).toEqual(before);
    expect(liveCounts()).toEqual(counts);

    // It goes on as one that was never refused anything.
    const untouched = mlp();
    const itsOptimizer = make();
    untouched.compile({ optimizer: tf.train.sgd(0.1), loss: "meanSquaredError" });
    await untouched.trainOnBatch(x, y);
    untouched.compile({ optimizer: itsOptimizer, loss: "meanSquaredError" });
    for (let i = 0; i < 2; i++) await untouched.trainOnBatch(x, y);
    await model.trainOnBatch(x, y);
    expect(Object.values(weightBits(model))).toEqual(Object.values(weightBits(untouched)));
    expect(slotBits(optimizer)).toEqual(slotBits(itsOptimizer));
    itsOptimizer.dispose();
    untouched.dispose();
  });

  it("of other models is not in the way of anybody", async () => {
    const [other, untouched] = [mlp(), mlp()];
    const theater = surgicalTheater(model, all);
    await other.fit(x, y, { epochs: 2, shuffle: false });
    await other.trainOnBatch(x, y);
    theater.close();
    await untouched.fit(x, y, { epochs: 2, shuffle: false });
    await untouched.trainOnBatch(x, y);
    expect(Object.values(weightBits(other))).toEqual(Object.values(weightBits(untouched)));
    other.dispose();
    untouched.dispose();
  });

  it("by an optimizer of one's own is refused by the variables themselves", () => {
    class Own extends tf.SGDOptimizer {
      override applyGradients(grads: tf.NamedTensorMap): void {
        for (const [name, grad] of Object.entries(grads)) {
          tf.tidy(() => tf.engine().registeredVariables[name]!.assign(tf.neg(grad)));
        }
      }
    }
    const own = new Own(0.1);
    const counts = liveCounts();
    const before = weightBits(model);
    const theater = surgicalTheater(model, all);
    const open = liveCounts();
    expect(thrownBy(() => own.minimize(loss, false, variables()))).toMatchObject(refusal);
    expect(thrownBy(() => own.minimize(loss))).toMatchObject(refusal);
    expect(liveCounts()).toEqual(open);
    theater.close();
    expect(weightBits(model)).toEqual(before);
    expect(liveCounts()).toEqual(counts);
    own.dispose();
  });

  it("that trains only what is not streamed goes through, and is undone and told of at closing", async () => {
    const [before, counts] = [weightBits(model), liveCounts()];
    const theater = surgicalTheater(model, { ...all, layers: names()[0]! });
    model.layers[0]!.trainable = false;
    minimize(variables());
    model.layers[0]!.trainable = true;
    expect(thrownBy(() => theater.close())).toMatchObject({ ...refusal, parameters: names().slice(2) });
    expect(weightBits(model)).toEqual(before);
    expect(liveCounts()).toEqual(counts);
  });

  it("under way already when a theater opens is refused from then on, and can be begun again", async () => {
    let theater: ReturnType<typeof surgicalTheater> | undefined;
    let before: unknown;
    const onBatchEnd = (): void => {
      before ??= weightBits(model);
      theater ??= surgicalTheater(model, all);
    };
    const fit = model.fit(x, y, { epochs: 2, batchSize: 2, callbacks: { onBatchEnd } });
    await expect(fit).rejects.toMatchObject(refusal);
    expect(theater!.close()).toMatchObject({ identical: true, written: [] });
    expect(weightBits(model)).toEqual(before);
    await model.fit(x, y, { epochs: 1 });
    expect(weightBits(model)).not.toEqual(before);
  });

  it.each(["between the batches", "whenever fit lets other code run"])(
    "goes on, to the bit, as if no theater had been opened %s",
    async (when) => {
      const train = async (validate: (of: tf.Sequential) => void): Promise<string[]> => {
        const trained = mlp();
        const adam = tf.train.adam(0.05);
        trained.compile({ optimizer: adam, loss: "meanSquaredError" });
        const between = when === "between the batches";
        const timer = between ? undefined : setInterval(() => validate(trained), 0);
        const callbacks = between ? { onBatchEnd: () => validate(trained) } : {};
        await trained.fit(x, y, { epochs: 10, batchSize: 2, shuffle: false, yieldEvery: "batch", callbacks });
        clearInterval(timer);
        const found = Object.values(weightBits(trained));
        tf.dispose(trained.weights.map((weight) => weight.read()));
        adam.dispose();
        return found;
      };
      let seen = 0;
      const plain = await train(() => undefined);
      const validated = await train((of) => {
        const outputs = predictionBits(of, x);
        for (const modification of [scale(0.5), noise({ std: 0.1, seed: 1 }), disable()]) {
          const inside = withTheater(of, { ...all, modification }, () => predictionBits(of, x));
          if (inside !== outputs) seen++;
        }
      });
      expect(validated).toEqual(plain);
      expect(seen).toBeGreaterThan(5);
    },
  );

  it("leaves nothing that can be enumerated on variables, layers and the engine", () => {
    const targets = [...variables(), ...model.layers, tf.engine(), optimizer, model];
    const before = targets.map(Object.keys);
    withTheater(model, all, () => expect(targets.map(Object.keys)).toEqual(before));
    expect(targets.map(Object.keys)).toEqual(before);
  });
});

describe.each(backends)("statistics of BatchNormalization that are streamed or watched, on %s", (backend) => {
  it.each([
    {
      title: "targets of an average",
      options: (of: tf.LayersModel) => ({ modification: interpolate(valuesFor(of)) }),
    },
    {
      title: "targets by name",
      options: (of: tf.LayersModel) => ({
        modification: scale(0.5),
        layers: ["moving_mean", "moving_variance"].map((part) => variable(of, part).name),
      }),
    },
    { title: "not targets", options: () => ({ modification: scale(0.5), layers: "all" }) },
  ])("come back from a forward pass in training mode, without an error: $title", async ({ options }) => {
    await useBackend(backend);
    const [model, x] = [cnn(), input([4, 8, 8, 1])];
    const given = options(model);
    const [before, ids, counts] = [weightBits(model), dataIds(model), liveCounts()];
    const during = (technique: "swap" | "stream"): unknown => {
      const theater = surgicalTheater(model, { ...given, technique });
      const shown = weightBits(model);
      tf.tidy(() => void model.apply(x, { training: true }));
      const written = weightBits(model);
      expect(written).not.toEqual(shown);
      const outputs = predictionBits(model, x);
      expect(theater.close()).toMatchObject({ identical: true, written: [] });
      expect(weightBits(model)).toEqual(before);
      expect(dataIds(model).every((id, i) => id === ids[i])).toBe(true);
      expect(liveCounts()).toEqual(counts);
      return [written, outputs];
    };
    // What is written is the same, too.
    expect(during("stream")).toEqual(during("swap"));
    if ("towards" in given.modification) tf.dispose(given.modification.towards);
    x.dispose();
    model.dispose();
  });

  it("come back where a layer wrote them that runs over time steps with them", async () => {
    await useBackend(backend);
    const model = withWeights(
      tf.sequential({
        layers: [tf.layers.timeDistributed({ layer: tf.layers.batchNormalization(), inputShape: [3, 2] })],
      }),
    );
    const x = input([4, 3, 2]);
    const towards = valuesFor(model);
    const [before, ids, counts] = [weightBits(model), dataIds(model), liveCounts()];
    const during = (technique: "swap" | "stream"): unknown => {
      const theater = surgicalTheater(model, { modification: interpolate(towards, 0.3), technique });
      tf.tidy(() => void model.apply(x, { training: true }));
      const found = [weightBits(model), predictionBits(model, x)];
      expect(theater.close()).toMatchObject({ identical: true, written: [] });
      expect(weightBits(model)).toEqual(before);
      expect(dataIds(model).every((id, i) => id === ids[i])).toBe(true);
      expect(liveCounts()).toEqual(counts);
      return found;
    };
    expect(during("stream")).toEqual(during("swap"));
    tf.dispose([x, towards] as tf.TensorContainer);
    model.dispose();
  });
});
