/** What the types of "surgical-theater/tfjs" accept, and what they refuse. */
import type * as converter from "@tensorflow/tfjs";
import * as tf from "@tensorflow/tfjs-core";
import * as layers from "@tensorflow/tfjs-layers";
import { expectTypeOf } from "vitest";
import * as memory from "../../src/index.ts";
import {
  custom,
  disable,
  Ema,
  type GraphModel,
  interpolate,
  lora,
  type Modification,
  noise,
  planTheater,
  type Receipt,
  scale,
  surgicalTheater,
  surgicalTheaterAsync,
  validateEvery,
  withTheater,
  withTheaterAsync,
} from "../../src/tfjs.ts";

declare const model: layers.LayersModel;
declare const kernel: tf.Variable;
declare const x: tf.Tensor2D;
declare const average: Record<string, tf.Tensor>;
const arrays = { kernel: new Float32Array(2) };
const predict = (): number => (model.predict(x) as tf.Tensor).dataSync()[0]!;

// Models: layers, and variables by name or in a list.
planTheater(model, {});
planTheater(layers.sequential(), {});
planTheater({ kernel, bias: tf.variable(tf.zeros([2])) }, {});
planTheater([kernel], {});
planTheater(
  model.trainableWeights.map((weight) => weight.read() as tf.Variable),
  {},
);
// @ts-expect-error a tensor is immutable: make it a variable
planTheater({ kernel: tf.zeros([2]) }, {});
// @ts-expect-error typed arrays belong to "surgical-theater"
planTheater(arrays, {});
// @ts-expect-error not loaded yet
planTheater(layers.loadLayersModel("model.json"), {});
// @ts-expect-error one layer is not a model
planTheater(layers.layers.dense({ units: 1 }), {});
// @ts-expect-error a TensorFlow.js model belongs to "surgical-theater/tfjs"
memory.planTheater(model, {});
// @ts-expect-error variables belong to "surgical-theater/tfjs"
memory.planTheater({ kernel }, {});

// Results are what the function returns.
const number = withTheater(model, { modification: scale(0.5), layers: "all" }, predict);
const tensor = withTheater(model, {}, () => model.predict(x));
const awaited = withTheaterAsync(model, {}, async () => (model.predict(x) as tf.Tensor).data());
expectTypeOf(number).toEqualTypeOf<number>();
expectTypeOf(tensor).toEqualTypeOf<tf.Tensor | tf.Tensor[]>();
expectTypeOf(awaited).resolves.toExtend<ArrayLike<number>>();
// @ts-expect-error use withTheaterAsync
void withTheater(model, {}, () => (model.predict(x) as tf.Tensor).data());
// @ts-expect-error use withTheaterAsync
void withTheater(model, {}, async () => predict());

// A literal is the same as a builder.
export const modifications: readonly Modification<tf.Tensor>[] = [
  { type: "scale", factor: 0.5 },
  { type: "noise", std: 0.1, seed: 1 },
  { type: "disable" },
  { type: "custom", fn: (w) => tf.mul(w, 2), returns: "value" },
  { type: "interpolate", towards: average },
  scale(0.5),
  noise({ std: 0.1, seed: 1 }),
  disable(),
  custom<tf.Tensor>((w) => tf.relu(w)),
  interpolate(average),
];
// @ts-expect-error misspelt option
planTheater(model, { modificaton: scale(0.5) });
// @ts-expect-error misspelt property
planTheater(model, { modification: { type: "noise", sdt: 0.1, seed: 1 } });

// `custom` knows its tensors from where it is used.
planTheater(model, { modification: custom((w) => tf.mul(w, 2)), layers: "all" });
planTheater(model, { modification: [custom((w) => tf.relu(w), { returns: "value" })], layers: "all" });
planTheater(model, { modification: custom((w, { shape }) => tf.zeros([...shape], w.dtype)), layers: "all" });
planTheater(model, { modification: custom((w: tf.Tensor) => tf.neg(w)), layers: "all" });
const clip = custom<tf.Tensor>((w) => tf.clipByValue(w, -1, 1), { returns: "value" });
planTheater(model, { modification: clip, layers: "all" });
// @ts-expect-error this function is one on typed arrays
planTheater(model, { modification: custom((w: Float32Array) => w.map((each) => 2 * each)), layers: "all" });
// @ts-expect-error this function is one on typed arrays
planTheater(model, { modification: memory.custom<Float32Array>((w) => w), layers: "all" });
// @ts-expect-error this function is one on tensors
memory.planTheater(arrays, { modification: clip, layers: "all" });
// @ts-expect-error this function is one on tensors
memory.planTheater(arrays, { modification: custom((w) => tf.relu(w)), layers: "all" });
// @ts-expect-error a promise is no tensor
planTheater(model, { modification: custom(async (w) => w), layers: "all" });
// @ts-expect-error values, not a tensor
planTheater(model, { modification: custom((w) => w.dataSync()), layers: "all" });

// Averages.
const ema = new Ema(model, { decay: 0.99 });
expectTypeOf(ema.weights).toEqualTypeOf<Readonly<Record<string, tf.Tensor>>>();
planTheater(model, { modification: interpolate(ema.weights) });
planTheater(model, { modification: interpolate({ kernel: tf.zeros([2]) }, 0.5) });
// @ts-expect-error typed arrays are no tensors
planTheater(model, { modification: interpolate({ kernel: new Float32Array(2) }) });
// @ts-expect-error an average of typed arrays
planTheater(model, { modification: interpolate(new memory.Ema(arrays, { decay: 0.9 }).weights) });
// @ts-expect-error tensors are no typed arrays
memory.planTheater(arrays, { modification: interpolate(ema.weights) });
// @ts-expect-error another model, not values by name
planTheater(model, { modification: interpolate(model) });

// `using` needs the synchronous theater.
export async function scopes(): Promise<Receipt> {
  using theater = surgicalTheater(model, {});
  await using waiting = await surgicalTheaterAsync(model, {});
  await waiting.close();
  // @ts-expect-error an asynchronous theater closes asynchronously
  using wrong = await surgicalTheaterAsync(model, {});
  void wrong;
  return theater.close();
}

// A graph model, as TensorFlow.js declares it.
declare const graph: converter.GraphModel;
declare const loading: ReturnType<typeof converter.loadGraphModel>;
declare const graphSync: ReturnType<typeof converter.loadGraphModelSync>;
expectTypeOf(graph).toExtend<GraphModel>();
planTheater(graph, { modification: scale(0.5), layers: "all", onSave: "error" });
withTheater(graph, {}, () => (graph.predict(x) as tf.Tensor).dataSync()[0]!);
void withTheaterAsync(graph, {}, () => graph.executeAsync(x));
planTheater(graph, { modification: interpolate(new Ema(graph, { decay: 0.9 }).weights) });
planTheater(graphSync, {});
// @ts-expect-error it must be awaited: use withTheaterAsync
void withTheater(graph, {}, () => graph.executeAsync(x));
// @ts-expect-error not loaded yet
planTheater(loading, {});
// @ts-expect-error constants are not variables
planTheater(graph.weights, {});
// @ts-expect-error a TensorFlow.js model belongs to "surgical-theater/tfjs"
memory.planTheater(graph, {});

// Adapters of tensors.
const adapter = lora(
  { kernel: { a: x, b: kernel, magnitude: kernel, alpha: 4 } },
  { alpha: 8, loraRank: 2, rsLora: true },
);
const ofArrays = lora({ kernel: { a: arrays.kernel, b: arrays.kernel } }, { alpha: 1, loraRank: 1 });
planTheater(model, { modification: adapter });
planTheater([kernel], { modification: [adapter, scale(2)] });
memory.planTheater(arrays, { modification: ofArrays });
// Tensors of different ranks are tensors, held in a variable or not.
declare const vector: tf.Tensor1D;
const ofRanks = lora({ kernel: { a: x, b: x, magnitude: vector } }, { alpha: 1, loraRank: 1 });
planTheater(model, { modification: ofRanks });
planTheater(model, {
  modification: lora({ kernel: { a: kernel, b: x, magnitude: vector } }, { alpha: 1, loraRank: 1 }),
});
// @ts-expect-error tensors are not for typed arrays
memory.planTheater(arrays, { modification: adapter });
// @ts-expect-error typed arrays are not for tensors
planTheater(model, { modification: ofArrays });
// @ts-expect-error no rank
lora({ kernel: { a: x, b: x } }, { alpha: 1 });
// @ts-expect-error misspelt layout
lora({ kernel: { a: x, b: x } }, { alpha: 1, loraRank: 1, layout: "inout" });

// Techniques and exports.
planTheater(model, { technique: "stream", onSave: "original" });
planTheater(model, { technique: "side" });
// @ts-expect-error no such policy
planTheater(model, { onSave: "discard" });

// A callback for fit: alone, in a list, with results of any type.
const validation = validateEvery(10, ({ model: shown, step }) => ({ step, layers: shown.layers.length }), {
  modification: () => interpolate(average),
  mode: "max",
  score: ({ step }) => step,
  keepBest: "shown",
  patience: 3,
});
void model.fit(x, x, { callbacks: [validation, new layers.CustomCallback({})] });
void model.fit(x, x, { callbacks: validation });
expectTypeOf(validation.history[0]!.result).toEqualTypeOf<{ step: number; layers: number }>();
expectTypeOf(validation.history[0]!.receipt).toEqualTypeOf<Receipt>();
expectTypeOf(validateEvery(1, async () => 1).history[0]!.result).toEqualTypeOf<number>();
// @ts-expect-error not a score
validateEvery(10, predict, { mode: "max", score: () => "high" });
// @ts-expect-error no such mode
validateEvery(10, predict, { mode: "best" });
