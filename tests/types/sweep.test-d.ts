/** What the types of "surgical-theater/sweep" accept, and what they refuse. */
import type * as tf from "@tensorflow/tfjs";
import type { numpy as np } from "@jax-js/jax";
import { expectTypeOf } from "vitest";
import { custom, type NumericArray, scale, store } from "../../src/index.ts";
import { store as jaxStore } from "../../src/jax.ts";
import {
  ablation,
  adapters,
  averages,
  checkSweep,
  defineSweep,
  type Evaluation,
  formats,
  grid,
  noiseLevels,
  readResults,
  type Results,
  runSweep,
  type Trial,
} from "../../src/sweep.ts";
import { custom as customTensors, store as tfjsStore } from "../../src/tfjs.ts";

declare const layersModel: tf.LayersModel;
declare const tensor: tf.Tensor;
const weights = { kernel: Float32Array.of(1, 2), bias: new Float64Array(2) };
const options = { name: "s", trials: [{ name: "half", modification: scale(0.5) }] };

// The model is what it is, however it is given; metrics are what evaluate returns.
const sweep = defineSweep({
  ...options,
  store,
  model: weights,
  evaluate: (model, evaluation) => {
    expectTypeOf(model).toEqualTypeOf<typeof weights>();
    expectTypeOf(evaluation).toEqualTypeOf<Evaluation>();
    return { accuracy: model.kernel[0]!, loss: evaluation.repeat };
  },
  maximize: "accuracy",
  trials: ({ layers, parameters, model }) => {
    expectTypeOf(layers).toEqualTypeOf<readonly string[]>();
    expectTypeOf(parameters).toEqualTypeOf<readonly string[]>();
    expectTypeOf(model).toEqualTypeOf<typeof weights>();
    return [
      ...ablation(layers),
      ...ablation(layers, { modification: [scale(2), custom((w: NumericArray) => w)] }),
      ...noiseLevels({ std: [0.1], seeds: [1], layers: /kernel/ }),
      ...formats(["bnb-nf4"], { layers: ({ shape }) => shape.length > 1 }),
      ...averages({ ema: { kernel: Float32Array.of(1, 2) } }),
      ...grid({ half: scale(0.5), same: custom((w: Float32Array) => w) }, { all: "all", two: [0, 1] }),
    ];
  },
});
expectTypeOf(runSweep(sweep)).toEqualTypeOf<Promise<Results>>();
expectTypeOf(readResults("x.jsonl")).toEqualTypeOf<Promise<Results>>();

defineSweep({
  ...options,
  store: tfjsStore,
  model: async () => layersModel,
  evaluate: async (model) => {
    expectTypeOf(model).toEqualTypeOf<tf.LayersModel>();
    return { loss: 1 };
  },
  minimize: "loss",
  trials: async ({ layers }) => [
    ...ablation(layers),
    ...adapters({ a: { kernel: { a: tensor, b: tensor } } }, { alpha: 1, loraRank: 1, layout: "inOut" }),
    ...averages({ ema: { kernel: tensor } }),
    { name: "relu", modification: customTensors((w: tf.Tensor) => w) },
  ],
});

// A tree of arrays keeps its type.
declare const tree: { readonly w: np.Array };
defineSweep({
  ...options,
  store: jaxStore,
  model: Promise.resolve(tree),
  evaluate: ({ w }) => ({ loss: w.size }),
  minimize: "loss",
});

// A trial without arrays fits every store.
const trials: readonly Trial<never>[] = noiseLevels({ std: [0.1], seeds: [1] });
expectTypeOf(trials).toMatchTypeOf<readonly Trial<tf.Tensor>[]>();
expectTypeOf(trials).toMatchTypeOf<readonly Trial<NumericArray>[]>();

const measured = { ...options, store, model: weights, evaluate: () => ({ accuracy: 1, loss: 2 }) };
defineSweep({ ...measured, minimize: "loss" });
// @ts-expect-error one of the two is required
defineSweep({ ...measured });
// @ts-expect-error and only one
defineSweep({ ...measured, maximize: "accuracy", minimize: "loss" });
// @ts-expect-error there is no such metric
defineSweep({ ...measured, maximize: "acuracy" });
// @ts-expect-error a metric is a number
defineSweep({ ...measured, evaluate: () => ({ accuracy: "1" }), maximize: "accuracy" });
// @ts-expect-error this is no model of the store
defineSweep({ ...measured, model: layersModel, maximize: "accuracy" });
// @ts-expect-error averages of tensors are for another store
defineSweep({ ...measured, maximize: "accuracy", trials: averages({ ema: { kernel: tensor } }) });
// @ts-expect-error a misspelt option
defineSweep({ ...measured, maximize: "accuracy", repeat: 2 });

// What is exported by a file can be run.
const unknown: unknown = sweep;
expectTypeOf(runSweep(checkSweep(unknown), { results: "x.jsonl" })).toEqualTypeOf<Promise<Results>>();
void runSweep(sweep, { signal: new AbortController().signal, onProgress: ({ done, total }) => done / total });
