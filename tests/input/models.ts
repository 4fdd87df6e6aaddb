/** Things that are not a model, or not one of this entry point. */
import * as layers from "@tensorflow/tfjs-layers";
import * as tf from "@tensorflow/tfjs-core";
import { numpy as np } from "@jax-js/jax";
import { LayersError, UnsupportedError } from "../../src/index.ts";
import { type Case, given } from "./cases.ts";
import type { Subject } from "./subjects.ts";

const typedArrays = "surgical-theater";
const tensors = "surgical-theater/tfjs";
const jaxArrays = "surgical-theater/jax";

function dense({ own }: Subject): layers.Sequential {
  return own(layers.sequential({ layers: [layers.layers.dense({ units: 1, inputShape: [2] })] }));
}

const graphModel = { modelVersion: "1.0", execute: () => undefined, predict: () => undefined };

const entryPoints: readonly Case[] = [
  {
    name: "a tf.LayersModel",
    run: given(dense),
    error: UnsupportedError,
    code: "entry_point",
    says: ["TensorFlow.js model", 'Import the same function from "surgical-theater/tfjs"'],
    on: typedArrays,
  },
  {
    name: "a record of tf.Variables",
    run: given(({ own }) => ({ kernel: own(tf.tidy(() => tf.variable(tf.ones([2])))) })),
    error: UnsupportedError,
    code: "entry_point",
    says: ["TensorFlow.js model", 'Import the same function from "surgical-theater/tfjs"'],
    on: typedArrays,
  },
  {
    name: "a record of typed arrays",
    run: given(() => ({ kernel: Float32Array.of(1) })),
    error: UnsupportedError,
    code: "entry_point",
    says: ["typed arrays", 'Import the same function from "surgical-theater"'],
    on: [tensors, jaxArrays],
  },
  {
    name: "a record of shaped arrays",
    run: given(() => ({ kernel: { data: Float32Array.of(1), shape: [1], dtype: "float32" } })),
    error: UnsupportedError,
    code: "entry_point",
    says: ["typed arrays", 'Import the same function from "surgical-theater"'],
    on: tensors,
  },
  {
    name: "a tree of jax-js arrays",
    run: given(() => ({ layers: [{ kernel: np.array([1]) }] })),
    error: UnsupportedError,
    code: "entry_point",
    says: ["a tree of jax.Arrays", 'Import the same function from "surgical-theater/jax"'],
    on: [typedArrays, tensors],
  },
  {
    name: "a graph model in place of typed arrays",
    run: given(() => graphModel),
    error: UnsupportedError,
    code: "entry_point",
    says: ["TensorFlow.js model"],
    on: typedArrays,
  },
];

const noModels = [
  { name: "undefined", model: undefined },
  { name: "null", model: null },
  { name: "a string", model: "weights.bin" },
  { name: "a bare typed array", model: new Float32Array(2) },
  { name: "a Map", model: new Map([["kernel", new Float32Array(2)]]) },
  { name: "a promise of a model", model: Promise.resolve({}) },
];

const nothing: readonly Case[] = [
  ...noModels.flatMap(({ name, model }) => {
    const refused = { run: given(() => model), error: TypeError };
    return [
      {
        ...refused,
        name: `${name} in place of a model`,
        says: ["model", "record"],
        on: [typedArrays, tensors] as const,
      },
      {
        ...refused,
        name: `${name} in place of a tree`,
        says: ["params must be a tree of jax.Arrays"],
        on: jaxArrays,
      },
    ] as const;
  }),
  {
    name: "an empty record",
    run: given(() => ({})),
    error: LayersError,
    code: "no_match",
    says: ["no parameters"],
  },
  {
    name: "a model that is not built",
    run: given(() => layers.sequential()),
    error: LayersError,
    code: "no_match",
    says: ["tf.LayersModel has no parameters", "Build the model first"],
    on: tensors,
  },
];

const trees: readonly Case[] = [
  {
    name: "arrays in a class instance",
    run: given(() => ({
      layer: new (class Dense {
        readonly kernel = np.array([1]);
      })(),
    })),
    error: UnsupportedError,
    code: "entry_point",
    says: ['"layer.kernel" is an array in', "Give a plain object of its arrays"],
    on: jaxArrays,
  },
  {
    name: "arrays that were consumed",
    run: given(() => {
      const kernel = np.array([1]);
      kernel.dispose();
      return { kernel };
    }),
    error: TypeError,
    says: ['"kernel" is freed', "Pass tree.ref(params) there"],
    on: jaxArrays,
  },
  {
    name: "two arrays with one path",
    run: given(() => ({ "a.b": np.array([1]), a: { b: np.array([1]) } })),
    error: TypeError,
    says: ['"a.b" is the path of two arrays', "Rename it"],
    on: jaxArrays,
  },
];

const variables: readonly Case[] = [
  {
    name: "a tensor in place of a variable",
    run: given(({ values }) => ({ kernel: values([1, 2]) })),
    error: TypeError,
    says: ['parameter "kernel" must be a tf.Variable', "a tf.Tensor", "Make it a tf.variable(tensor)"],
    on: tensors,
  },
  {
    name: "a tensor in place of a model",
    run: given(({ values }) => values([1, 2])),
    error: TypeError,
    says: ["tf.Variable", "Tensor"],
    on: tensors,
  },
  {
    name: "a layer in place of a model",
    run: given(() => layers.layers.dense({ units: 1, inputShape: [2] })),
    error: TypeError,
    says: ["tf.LayersModel", "Dense"],
    on: tensors,
  },
  {
    name: "a disposed variable",
    run: given(() => {
      const kernel = tf.tidy(() => tf.variable(tf.ones([2])));
      kernel.dispose();
      return { kernel };
    }),
    error: TypeError,
    says: ['parameter "kernel" is disposed', "make it anew"],
    on: tensors,
  },
  {
    name: "a disposed model",
    run: given(() => {
      const model = layers.sequential({ layers: [layers.layers.dense({ units: 1, inputShape: [2] })] });
      model.dispose();
      return model;
    }),
    error: TypeError,
    says: ["disposed"],
    on: tensors,
  },
];

/** A record with this one parameter. */
const parameter = (value: unknown): Case["run"] => given(() => ({ kernel: value }));

const at = 'parameter "kernel"';
const four = new Float32Array(4);

const shapedArrays: readonly Case[] = [
  {
    name: "a Uint16Array without a dtype",
    run: parameter(new Uint16Array(2)),
    error: UnsupportedError,
    code: "dtype",
    says: [at, "Uint16Array", '"float16" or "bfloat16"'],
  },
  {
    name: "an array of 64-bit integers",
    run: parameter(new BigInt64Array(2)),
    error: UnsupportedError,
    code: "dtype",
    says: [at, "BigInt64Array", "Supported: float32"],
  },
  {
    name: "a dtype that does not exist",
    run: parameter({ data: four, shape: [4], dtype: "float8" }),
    error: UnsupportedError,
    code: "dtype",
    says: [at, '"float8"', "Supported: float32"],
  },
  {
    name: "data that cannot carry its dtype",
    run: parameter({ data: four, shape: [4], dtype: "bfloat16" }),
    error: TypeError,
    says: [at, "bfloat16", "Uint16Array", "Float32Array"],
  },
  {
    name: "a shape of another size than its Float64Array",
    run: parameter({ data: new Float64Array(4), shape: [2, 3], dtype: "float64" }),
    error: RangeError,
    says: [at, "[2,3]", "4 elements"],
  },
  {
    name: "a missing shape",
    run: parameter({ data: four, dtype: "float32" }),
    error: TypeError,
    says: [at, "shape is missing"],
  },
  {
    name: "strides",
    run: parameter({ data: four, shape: [2, 2], dtype: "float32", strides: [1, 2] }),
    error: UnsupportedError,
    code: "strides",
    says: [at, "strides", "Copy it to a contiguous array"],
  },
  {
    name: "a misspelt property of a parameter",
    run: parameter({ data: four, shpae: [4], dtype: "float32" }),
    error: TypeError,
    says: [at, '"shpae"', 'Did you mean "shape"?'],
  },
  {
    name: "a plain list of numbers",
    run: parameter([1, 2, 3]),
    error: TypeError,
    says: [at, "must be a typed array or { data, shape, dtype }", "an array of 3"],
  },
  {
    name: "a number as a parameter",
    run: parameter(1),
    error: TypeError,
    says: [at, "must be a typed array or { data, shape, dtype }", "got 1"],
  },
];

const bytes = new Float32Array(20);
const overlap = (first: ArrayBufferView, second: ArrayBufferView): Case["run"] =>
  given(() => ({ first, empty: bytes.subarray(0, 0), second }));

const overlaps: readonly Case[] = [
  {
    name: "arrays that share some of their bytes",
    run: overlap(bytes.subarray(8, 12), bytes.subarray(10, 14)),
    error: LayersError,
    code: "overlapping_storage",
    says: ['"first" and "second"', "Give the larger one alone, or copies"],
  },
  {
    name: "arrays that share some of their bytes, around an empty one",
    run: overlap(bytes.subarray(0, 10), bytes.subarray(5, 15)),
    error: LayersError,
    code: "overlapping_storage",
    says: ['"first" and "second"', "Give the larger one alone, or copies"],
  },
  {
    name: "one array read as two dtypes",
    run: overlap(bytes.subarray(8, 12), new Int32Array(bytes.buffer, 32, 4)),
    error: LayersError,
    code: "overlapping_storage",
    says: ['"first" and "second"', "different dtypes", "Give the larger one alone, or copies"],
  },
];

const inMemory = [...shapedArrays, ...overlaps].map((each): Case => ({ ...each, on: typedArrays }));

export const modelCases: readonly Case[] = [...entryPoints, ...nothing, ...trees, ...variables, ...inMemory];
