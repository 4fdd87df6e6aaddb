/** Small graph models, written down as the converter writes them, with constants of one's own. */
import * as tf from "@tensorflow/tfjs";
import { bits, smallFloats } from "./bits.ts";

/** A constant of a graph. */
export interface Constant {
  readonly shape: readonly number[];
  readonly values: Float32Array | Int32Array | readonly string[];
}

/** Constants by the name of their node. */
export type Constants = Readonly<Record<string, Constant>>;

interface NodeDef {
  readonly name: string;
  readonly op: string;
  readonly input?: readonly string[];
  readonly attr?: Readonly<Record<string, unknown>>;
}

/** A graph without its constants. */
interface Graph {
  readonly nodes: readonly NodeDef[];
  readonly library?: unknown;
  readonly more?: Partial<tf.io.ModelArtifacts>;
}

/** What a model is made of: the same graph with any constants. */
export interface GraphKind {
  readonly graph: Graph;
  readonly constants: Constants;
  readonly input: readonly number[];
  /** Whether it branches or loops, so that it must be executed asynchronously. */
  readonly isDynamic: boolean;
}

const type = (name: string) => ({ type: name });
const text = (value: string) => ({ s: Buffer.from(value).toString("base64") });
const list = (...values: readonly string[]) => ({ list: { s: values.map((each) => text(each).s) } });
const integers = (...values: readonly number[]) => ({ list: { i: values } });

const node = (
  name: string,
  op: string,
  input: readonly string[] = [],
  attr: Readonly<Record<string, unknown>> = {},
): NodeDef => ({ name, op, input, attr });

function placeholder(name: string, shape: readonly number[]): NodeDef {
  const dim = shape.map((size) => ({ size: String(size) }));
  return node(name, "Placeholder", [], { dtype: type("DT_FLOAT"), shape: { shape: { dim } } });
}

function dtypeOf({ values }: Constant): "float32" | "int32" | "string" {
  if (values instanceof Float32Array) return "float32";
  return values instanceof Int32Array ? "int32" : "string";
}

const types = { float32: "DT_FLOAT", int32: "DT_INT32", string: "DT_STRING" } as const;

function bytesOf({ values }: Constant): Uint8Array {
  if (ArrayBuffer.isView(values)) return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return Buffer.concat(
    values.flatMap((value) => [Buffer.from(Uint32Array.of(value.length).buffer), Buffer.from(value)]),
  );
}

/** A graph with constants, as it is stored. */
export function artifacts({ nodes, library, more }: Graph, constants: Constants): tf.io.ModelArtifacts {
  const consts = Object.entries(constants).map(([name, constant]) =>
    node(name, "Const", [], { dtype: type(types[dtypeOf(constant)]) }),
  );
  const all = Buffer.concat(Object.values(constants).map(bytesOf));
  return {
    modelTopology: {
      node: [...nodes, ...consts],
      versions: { producer: 1, minConsumer: 0 },
      ...(library !== undefined && { library }),
    },
    format: "graph-model",
    weightSpecs: Object.entries(constants).map(([name, constant]) => ({
      name,
      shape: [...constant.shape],
      dtype: dtypeOf(constant),
    })),
    weightData: new Uint8Array(all).buffer,
    // Else whatever no node uses would be an output.
    signature: { outputs: { out: { name: "out" } } },
    ...more,
  };
}

/** A new model of a kind, by default with the constants of the kind. */
export async function loadGraph(
  kind: GraphKind,
  constants: Constants = kind.constants,
): Promise<tf.GraphModel> {
  return tf.loadGraphModel(tf.io.fromMemory(artifacts(kind.graph, constants)));
}

const floats = (shape: readonly number[], seed: number): Constant => ({
  shape,
  values: smallFloats(
    shape.reduce((size, n) => size * n, 1),
    seed,
  ),
});

const scalar = (values: Float32Array | Int32Array): Constant => ({ shape: [], values });

const float = { T: type("DT_FLOAT") };

/**
 * Convolution, fused product, a constant used twice, integers for a shape, bounds that are read on the host, and
 * labels.
 */
export const image: GraphKind = {
  graph: {
    nodes: [
      placeholder("x", [-1, 6, 6, 1]),
      node("conv/Conv2D", "Conv2D", ["x", "conv/filter"], {
        ...float,
        strides: integers(1, 1, 1, 1),
        dilations: integers(1, 1, 1, 1),
        padding: text("VALID"),
        data_format: text("NHWC"),
      }),
      node("conv/BiasAdd", "BiasAdd", ["conv/Conv2D", "conv/bias"], float),
      node("conv/Relu", "Relu", ["conv/BiasAdd"], float),
      node("flat", "Reshape", ["conv/Relu", "flat/shape"], float),
      node("dense/Fused", "_FusedMatMul", ["flat", "dense/kernel", "dense/bias"], {
        ...float,
        num_args: { i: 1 },
        fused_ops: list("BiasAdd", "Relu"),
      }),
      node("mix/First", "MatMul", ["dense/Fused", "mix/kernel"], float),
      node("mix/Second", "MatMul", ["mix/First", "mix/kernel"], float),
      node("sum", "AddV2", ["mix/Second", "head/offset"], float),
      node("out", "ClipByValue", ["sum", "limits/low", "limits/high"], float),
    ],
  },
  constants: {
    "conv/filter": floats([3, 3, 1, 2], 1),
    "conv/bias": floats([2], 2),
    "flat/shape": { shape: [2], values: Int32Array.of(-1, 32) },
    "dense/kernel": floats([32, 3], 3),
    "dense/bias": floats([3], 4),
    "mix/kernel": floats([3, 3], 5),
    "head/offset": floats([3], 6),
    "limits/low": scalar(Float32Array.of(-0.4)),
    "limits/high": scalar(Float32Array.of(0.3)),
    labels: { shape: [2], values: ["cat", "dog"] },
  },
  input: [2, 6, 6, 1],
  isDynamic: false,
};

/** Three rounds of `tanh(v · kernel + bias)`, with a frame as TensorFlow 1 has it. */
export const loop: GraphKind = {
  graph: {
    nodes: [
      placeholder("x", [-1, 4]),
      ...(["first", "limit", "one"] as const).map((name) =>
        node(`${name}/Enter`, "Enter", [name], {
          T: type("DT_INT32"),
          frame_name: text("rounds"),
          is_constant: { b: name !== "first" },
        }),
      ),
      ...(["x", "cell/kernel", "cell/bias"] as const).map((name) =>
        node(`${name}/Enter`, "Enter", [name], {
          ...float,
          frame_name: text("rounds"),
          is_constant: { b: name !== "x" },
        }),
      ),
      node("i", "Merge", ["first/Enter", "i/Next"], { T: type("DT_INT32") }),
      node("v", "Merge", ["x/Enter", "v/Next"], float),
      node("more", "Less", ["i", "limit/Enter"], { T: type("DT_INT32") }),
      node("go", "LoopCond", ["more"]),
      node("i/Switch", "Switch", ["i", "go"], { T: type("DT_INT32") }),
      node("v/Switch", "Switch", ["v", "go"], float),
      node("i/Add", "AddV2", ["i/Switch:1", "one/Enter"], { T: type("DT_INT32") }),
      node("v/MatMul", "MatMul", ["v/Switch:1", "cell/kernel/Enter"], float),
      node("v/Add", "AddV2", ["v/MatMul", "cell/bias/Enter"], float),
      node("v/Tanh", "Tanh", ["v/Add"], float),
      node("i/Next", "NextIteration", ["i/Add"], { T: type("DT_INT32") }),
      node("v/Next", "NextIteration", ["v/Tanh"], float),
      node("v/Exit", "Exit", ["v/Switch"], float),
      node("out", "MatMul", ["v/Exit", "head/kernel"], float),
    ],
  },
  constants: {
    first: scalar(Int32Array.of(0)),
    limit: scalar(Int32Array.of(3)),
    one: scalar(Int32Array.of(1)),
    "cell/kernel": floats([4, 4], 1),
    "cell/bias": floats([4], 2),
    "head/kernel": floats([4, 2], 3),
  },
  input: [2, 4],
  isDynamic: true,
};

const args = [
  { name: "i", type: "DT_INT32" },
  { name: "v", type: "DT_FLOAT" },
  { name: "kernel", type: "DT_FLOAT" },
  { name: "bias", type: "DT_FLOAT" },
];

/** The same with functions for the condition and the body, as TensorFlow 2 has it; the body has a constant too. */
export const functions: GraphKind = {
  graph: {
    nodes: [
      placeholder("x", [-1, 4]),
      node("while", "StatelessWhile", ["first", "x", "cell/kernel", "cell/bias"], {
        cond: { func: { name: "goes_on" } },
        body: { func: { name: "round" } },
        T: { list: { type: args.map((arg) => arg.type) } },
      }),
      node("out", "MatMul", ["while:1", "head/kernel"], float),
    ],
    library: {
      function: [
        {
          signature: { name: "goes_on", inputArg: args, outputArg: [{ name: "more", type: "DT_BOOL" }] },
          nodeDef: [
            node("limit", "Const", [], { dtype: type("DT_INT32") }),
            node("less", "Less", ["i", "limit:output:0"], { T: type("DT_INT32") }),
          ],
          ret: { more: "less:z:0" },
        },
        {
          signature: {
            name: "round",
            inputArg: args,
            outputArg: args.map((arg) => ({ name: `${arg.name}_out`, type: arg.type })),
          },
          nodeDef: [
            node("one", "Const", [], { dtype: type("DT_INT32") }),
            node("round/gain", "Const", [], { dtype: type("DT_FLOAT") }),
            node("next", "AddV2", ["i", "one:output:0"], { T: type("DT_INT32") }),
            node("product", "MatMul", ["v", "kernel"], float),
            node("biased", "AddV2", ["product:product:0", "bias"], float),
            node("gained", "Mul", ["biased:z:0", "round/gain:output:0"], float),
            node("tanh", "Tanh", ["gained:z:0"], float),
          ],
          ret: { i_out: "next:z:0", v_out: "tanh:y:0", kernel_out: "kernel", bias_out: "bias" },
        },
      ],
    },
  },
  constants: {
    first: scalar(Int32Array.of(0)),
    limit: scalar(Int32Array.of(3)),
    one: scalar(Int32Array.of(1)),
    "cell/kernel": floats([4, 4], 1),
    "cell/bias": floats([4], 2),
    "round/gain": floats([4], 4),
    "head/kernel": floats([4, 2], 3),
  },
  input: [2, 4],
  isDynamic: true,
};

/** A fused product named as the converter names what Keras calls a dense layer. */
export const converted: GraphKind = {
  graph: {
    nodes: [
      placeholder("x", [-1, 32]),
      node(
        "out",
        "_FusedMatMul",
        ["x", "net/dense/MatMul/ReadVariableOp", "net/dense/BiasAdd/ReadVariableOp"],
        { ...float, num_args: { i: 1 }, fused_ops: list("BiasAdd") },
      ),
    ],
  },
  constants: {
    "net/dense/MatMul/ReadVariableOp": floats([32, 64], 1),
    "net/dense/BiasAdd/ReadVariableOp": floats([64], 2),
  },
  input: [2, 32],
  isDynamic: false,
};

/** `x · table`, where an initializer, run at the first execution, makes the table of a constant. */
export const initialized: GraphKind = {
  graph: {
    nodes: [placeholder("x", [-1, 3]), placeholder("table", [3]), node("out", "Mul", ["x", "table"], float)],
    more: {
      signature: {
        inputs: { x: { name: "x" }, table: { name: "table", resourceId: 7 } },
        outputs: { out: { name: "out" } },
      },
      modelInitializer: {
        node: [
          node("entries", "Const", [], { dtype: type("DT_FLOAT") }),
          node("made", "Square", ["entries"], float),
        ],
        versions: { producer: 1, minConsumer: 0 },
      },
      initializerSignature: { outputs: { made: { name: "made", resourceId: 7 } } },
    },
  },
  constants: { entries: floats([3], 1) },
  input: [2, 3],
  isDynamic: false,
};

/** Words, and nothing to compute with. */
export const words: GraphKind = {
  graph: { nodes: [node("out", "Identity", ["labels"], { T: type("DT_STRING") })] },
  constants: { labels: { shape: [2], values: ["cat", "dog"] } },
  input: [],
  isDynamic: false,
};

/** A model however it was loaded. */
type Shown = Pick<tf.GraphModel, "weights">;

/** The only tensor of a constant, which the model shows. */
export const constantOf = (model: Shown, name: string): tf.Tensor => model.weights[name]![0]!;

/** Bits of all numeric constants, by name. */
export function constantBits(model: Shown): Record<string, string> {
  return Object.fromEntries(
    Object.entries(model.weights)
      .filter(([, [tensor]]) => tensor!.dtype !== "string")
      .map(([name, [tensor]]) => [name, bits(tensor!.dataSync())]),
  );
}

/** Data ids of all constants: identities of their buffers. */
export const constantIds = (model: Shown): object[] =>
  Object.values(model.weights).map(([tensor]) => tensor!.dataId);
