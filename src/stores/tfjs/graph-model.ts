/** Finds the constants of a graph model, and the kernels that use them. */
import type { Tensor } from "@tensorflow/tfjs-core";
import { layerPathOf } from "../../layers.ts";
import { Collector, type Inventory } from "./parameters.ts";

/** A `tf.GraphModel`, described by what is used of it: the package it comes from is not needed. */
export interface GraphModel {
  readonly modelVersion: string;
  /** Its constants, by node. */
  readonly weights: Readonly<Record<string, readonly Tensor[]>>;
  // Whatever its arguments are.
  execute(...args: never[]): unknown;
}

interface Node {
  readonly name: string;
  readonly op: string;
  readonly children: readonly Node[];
}

/** What a graph model keeps to itself. */
interface Inside {
  readonly executor?: { readonly graph?: { readonly nodes?: Readonly<Record<string, Node>> } };
  readonly initializer?: unknown;
  /** What the initializer made. */
  readonly resourceIdToCapturedInput?: unknown;
}

const isSet = (value: unknown): boolean => value !== undefined && value !== null;

/** Operations that take a weight into one kernel and let go of it. Others may pass it on, or keep it. */
const kernels: ReadonlySet<string> = new Set(
  (
    "MatMul BatchMatMul BatchMatMulV2 _FusedMatMul Conv1D Conv2D _FusedConv2d _FusedConv2D Conv2DBackpropInput Conv3D " +
    "DepthwiseConv2d DepthwiseConv2dNative FusedDepthwiseConv2dNative Add AddV2 BiasAdd Sub Mul Div RealDiv " +
    "Maximum Minimum SquaredDifference FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 Prelu Gather GatherV2"
  ).split(" "),
);

/** The nodes that use a constant, if each of them is one kernel. */
function usersOf(node: Node | undefined): readonly Node[] | undefined {
  return node?.children.every(({ op }) => kernels.has(op)) === true ? node.children : undefined;
}

/** @throws TypeError if a theater on the model would not come to a good end */
function assertReady(model: GraphModel): void {
  if (model.modelVersion === "n/a") {
    throw new TypeError(
      "the tf.GraphModel is not loaded yet. Nothing was changed. Await its load(), or use tf.loadGraphModel.",
    );
  }
  const { initializer, resourceIdToCapturedInput } = model as unknown as Inside;
  if (isSet(initializer) && !isSet(resourceIdToCapturedInput)) {
    throw new TypeError(
      "the tf.GraphModel has an initializer, which runs at its first execution: it would make its tables of modified " +
        "constants, and keep them. Nothing was changed. Execute the model once before.",
    );
  }
}

/**
 * The weights of a graph model, by the names of its nodes; what is made of strings is left out. Its layers are the
 * paths of these names.
 */
export function readGraphModel(model: GraphModel): Inventory {
  assertReady(model);
  const nodes = (model as unknown as Inside).executor?.graph?.nodes;
  const collector = new Collector();
  const layers: string[] = [];
  for (const [node, tensors] of Object.entries(model.weights)) {
    for (const [i, tensor] of tensors.entries()) {
      if (tensor.dtype === "string") continue;
      if (tensor.isDisposed) {
        throw new TypeError("the tf.GraphModel is disposed. Nothing was changed. Load it again.");
      }
      const name = tensors.length > 1 ? `${node}:${i}` : node;
      const layer = layerPathOf(name);
      if (!layers.includes(layer)) layers.push(layer);
      const usedBy = usersOf(nodes?.[node]);
      collector.add(name, tensor, { layer, layerIndex: layers.indexOf(layer), usedBy });
    }
  }
  return {
    kind: "tf.GraphModel",
    entries: collector.entries(),
    layers,
    allLayers: new Map(),
    emptyHint: "It computes with nothing but its inputs.",
    exports: true,
  };
}
