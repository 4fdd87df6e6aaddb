/** One small model for each way in which TensorFlow.js uses weights, and what to look at while they are streamed. */
import * as tf from "@tensorflow/tfjs";
import { engine, Optimizer, Tensor } from "@tensorflow/tfjs-core";
import { LayersModel } from "@tensorflow/tfjs-layers";
import { bits } from "./bits.ts";
import { input, withWeights } from "./models.ts";

const L = tf.layers;

/** A model, and an input for it. */
export interface Specimen {
  readonly title: string;
  readonly make: () => tf.LayersModel;
  readonly input: () => tf.Tensor | tf.Tensor[];
}

function chain(title: string, shape: readonly number[], layers: () => tf.layers.Layer[]): Specimen {
  return {
    title,
    make: () =>
      withWeights(tf.sequential({ layers: [L.inputLayer({ inputShape: [...shape] }), ...layers()] })),
    input: () => input([2, ...shape]),
  };
}

/** Two inputs, of which each passes through the same layer. */
function shared(): tf.LayersModel {
  const [a, b] = [tf.input({ shape: [3] }), tf.input({ shape: [3] })];
  const dense = L.dense({ units: 4, activation: "tanh" });
  const both = [dense.apply(a), dense.apply(b)] as tf.SymbolicTensor[];
  const sum = L.add().apply(both) as tf.SymbolicTensor;
  const outputs = L.dense({ units: 2 }).apply(sum) as tf.SymbolicTensor;
  return withWeights(tf.model({ inputs: [a, b], outputs }));
}

/** Two inputs of different kinds, which meet in the middle. */
function functional(): tf.LayersModel {
  const [a, b] = [tf.input({ shape: [3] }), tf.input({ shape: [4, 2] })];
  const left = L.dense({ units: 4 }).apply(a) as tf.SymbolicTensor;
  const right = L.lstm({ units: 4 }).apply(b) as tf.SymbolicTensor;
  const joined = L.concatenate().apply([left, right]) as tf.SymbolicTensor;
  const outputs = L.dense({ units: 2, activation: "softmax" }).apply(joined) as tf.SymbolicTensor;
  return withWeights(tf.model({ inputs: [a, b], outputs }));
}

const stateful = (): tf.LayersModel =>
  withWeights(
    tf.sequential({
      layers: [
        L.lstm({ units: 3, stateful: true, returnSequences: true, batchInputShape: [2, 4, 3] }),
        L.gru({ units: 2, stateful: true }),
      ],
    }),
  );

/** The integers that an embedding looks up. */
const ids = (): tf.Tensor => tf.tensor2d([0, 4, 2, 1, 1, 3], [2, 3], "int32");

/** Every kernel that these need is there on cpu and on wasm. */
export const zoo: readonly Specimen[] = [
  chain("Dense", [3], () => [
    L.dense({ units: 4, activation: "relu" }),
    L.dense({ units: 2, activation: "softmax" }),
  ]),
  chain("Dense without bias", [3], () => [
    L.dense({ units: 4, useBias: false }),
    L.dense({ units: 2, useBias: false }),
  ]),
  chain("Dense over a sequence", [4, 3], () => [L.dense({ units: 2, activation: "elu" })]),
  chain("Conv1D", [6, 2], () => [L.conv1d({ filters: 3, kernelSize: 2 })]),
  chain("Conv2D", [6, 6, 2], () => [
    L.conv2d({ filters: 3, kernelSize: 2, activation: "relu" }),
    L.conv2d({ filters: 2, kernelSize: 1, useBias: false }),
  ]),
  chain("DepthwiseConv2D", [5, 5, 2], () => [L.depthwiseConv2d({ kernelSize: 2, depthMultiplier: 2 })]),
  chain("SeparableConv2D", [5, 5, 2], () => [L.separableConv2d({ filters: 3, kernelSize: 2 })]),
  chain("Conv2DTranspose", [3, 3, 2], () => [L.conv2dTranspose({ filters: 3, kernelSize: 2, strides: 2 })]),
  {
    title: "Embedding",
    make: () =>
      withWeights(tf.sequential({ layers: [L.embedding({ inputDim: 5, outputDim: 3, inputLength: 3 })] })),
    input: ids,
  },
  chain("BatchNormalization", [4, 4, 3], () => [
    L.conv2d({ filters: 2, kernelSize: 2 }),
    L.batchNormalization(),
  ]),
  chain("LayerNormalization", [5], () => [L.layerNormalization(), L.dense({ units: 2 })]),
  chain("PReLU", [5], () => [L.prelu({}), L.dense({ units: 2 })]),
  chain("SimpleRNN", [4, 3], () => [L.simpleRNN({ units: 2 })]),
  chain("LSTM", [4, 3], () => [L.lstm({ units: 2, returnSequences: true }), L.lstm({ units: 3 })]),
  chain("GRU", [4, 3], () => [L.gru({ units: 2 })]),
  chain("stacked cells", [4, 3], () => [
    L.rnn({
      cell: [L.lstmCell({ units: 3 }), L.gruCell({ units: 2 }), L.simpleRNNCell({ units: 2 })] as never,
    }),
  ]),
  chain("Bidirectional", [4, 3], () => [
    L.bidirectional({ layer: L.lstm({ units: 2 }), mergeMode: "concat" }),
  ]),
  chain("TimeDistributed", [4, 3], () => [
    L.timeDistributed({ layer: L.dense({ units: 2, activation: "tanh" }) }),
    L.flatten(),
    L.dense({ units: 2 }),
  ]),
  chain("ConvLSTM2D", [3, 4, 4, 1], () => [L.convLstm2d({ filters: 2, kernelSize: 2 })]),
  { title: "a stateful RNN", make: stateful, input: () => input([2, 4, 3]) },
  { title: "a layer that is used twice", make: shared, input: () => [input([2, 3]), input([2, 3], 3)] },
  chain("a nested model", [3], () => [
    tf.sequential({ layers: [L.dense({ units: 4, inputShape: [3] }), L.dense({ units: 3 })] }),
    L.dense({ units: 2 }),
  ]),
  { title: "a model with two inputs", make: functional, input: () => [input([2, 3]), input([2, 4, 2], 5)] },
];

/** Values of its own for every weight, as tensors by name: what to interpolate towards. */
export function valuesFor(model: tf.LayersModel, seed = 50): Record<string, tf.Tensor> {
  return Object.fromEntries(
    model.weights.map(({ originalName, shape }, i) => {
      const values = input(shape as number[], seed + i);
      // Variances are positive.
      return [
        originalName,
        originalName.includes("variance") ? tf.tidy(() => tf.add(tf.square(values), 0.1)) : values,
      ];
    }),
  );
}

/** What stands on the objects that `stream` hooks, and on `model`: the same again when no hook is left. */
export function surroundings(model: tf.LayersModel): unknown {
  const of = (target: object): unknown => Object.getOwnPropertyDescriptors(target);
  const prototypes = [
    Tensor.prototype,
    tf.Variable.prototype,
    Optimizer.prototype,
    LayersModel.prototype,
    Object.getPrototypeOf(LayersModel.prototype) as object,
    tf.Sequential.prototype,
    tf.layers.Layer.prototype,
    Object.getPrototypeOf(tf.layers.Layer.prototype) as object,
    ...[tf.SGDOptimizer, tf.MomentumOptimizer, tf.AdamOptimizer, tf.AdamaxOptimizer].map(
      (each) => each.prototype,
    ),
    ...[tf.RMSPropOptimizer, tf.AdagradOptimizer, tf.AdadeltaOptimizer].map((each) => each.prototype),
  ];
  return [
    Object.keys(Object.getOwnPropertyDescriptors(engine())),
    engine().runKernel,
    ...prototypes.map(of),
    ...model.layers.map((layer) => [Object.keys(of(layer) as object), layer.call]),
    ...model.weights.map((weight) => Object.getOwnPropertyNames(weight.read())),
  ];
}

/** Bits of all that an optimizer keeps from step to step. */
export function slotBits(optimizer: tf.Optimizer): string[] {
  const of = (value: unknown): string[] => {
    if (value instanceof tf.Variable) return [bits(value.dataSync())];
    if (Array.isArray(value)) return value.flatMap(of);
    const { variable } = (value ?? {}) as { variable?: tf.Variable };
    return variable === undefined ? [] : of(variable);
  };
  return [`${optimizer.iterations} steps`, ...Object.values(optimizer).flatMap(of)];
}
