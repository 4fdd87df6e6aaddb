/** Finds the variables of a model: every layer's, nested, wrapped, shared and tied ones once each. */
import { type Tensor, util, Variable } from "@tensorflow/tfjs-core";
import type { layers as tfl, LayersModel, LayerVariable, RNN } from "@tensorflow/tfjs-layers";
import { describeValue, UnsupportedError } from "../../errors.ts";
import { layerPathOf } from "../../layers.ts";
import type { Parameter } from "../../store.ts";

/** Any layer, container or cell. */
type Layer = tfl.Layer;

/** A tensor of a model, most often a variable, as a parameter. */
export interface Entry {
  readonly parameter: Parameter;
  readonly tensor: Tensor;
  /** Class name of its layer; what it is used for depends on it. Empty where there are no layers. */
  readonly layerClass: string;
  /** The outermost layer that runs over time steps with it: each step uses it again. */
  readonly loop: Layer | undefined;
}

/** A `tf.GraphModel`, described by what is used of it: the package it comes from is not needed. */
export interface GraphModel {
  readonly modelVersion: string;
  /** Its constants, by node. */
  readonly weights: Readonly<Record<string, readonly Tensor[]>>;
  // Whatever its arguments are.
  execute(...args: never[]): unknown;
}

/** Everything of a model that a theater touches. */
export interface Inventory {
  readonly kind: string;
  readonly entries: readonly Entry[];
  /** Top-level layer names, or layer paths of bare variables. */
  readonly layers: readonly string[];
  /** All layers, containers and cells included, outer ones before inner ones, and the variables of each itself. */
  readonly allLayers: ReadonlyMap<Layer, readonly LayerVariable[]>;
}

interface Nested {
  /** Of containers, and of stacked cells. */
  readonly layers?: readonly Layer[];
  readonly cells?: readonly Layer[];
  /** Of wrappers and recurrent layers. */
  readonly layer?: Layer;
  readonly forwardLayer?: Layer;
  readonly backwardLayer?: Layer;
  readonly cell?: Layer;
}

function childrenOf(layer: Layer): readonly Layer[] {
  const { layers, cells, layer: wrapped, forwardLayer, backwardLayer, cell } = layer as Layer & Nested;
  const single = [wrapped, forwardLayer, backwardLayer, cell].filter((each) => each !== undefined);
  return [...(Array.isArray(layers) ? layers : []), ...(Array.isArray(cells) ? cells : []), ...single];
}

function collect(layer: Layer, into: Map<Layer, readonly LayerVariable[]>): void {
  if (into.has(layer)) return;
  into.set(layer, []);
  const children = childrenOf(layer);
  for (const child of children) collect(child, into);
  // Containers have none of their own; wrappers list those of their parts as theirs.
  if (Array.isArray((layer as Layer & Nested).layers)) return;
  const inside = new Set(children.flatMap((child) => child.weights));
  into.set(
    layer,
    children.length === 0 ? layer.weights : layer.weights.filter((weight) => !inside.has(weight)),
  );
}

/** For each weight the outermost layer that runs over time steps with it. */
function loopsOf(layers: Iterable<Layer>): ReadonlyMap<LayerVariable, Layer> {
  const loops = new Map<LayerVariable, Layer>();
  for (const layer of layers) {
    const isRecurrent = typeof (layer as RNN).getStates === "function";
    if (!isRecurrent && layer.getClassName() !== "TimeDistributed") continue;
    for (const weight of layer.weights) if (!loops.has(weight)) loops.set(weight, layer);
  }
  return loops;
}

/** Where in a model a tensor was found. */
interface Place {
  readonly layer: string;
  readonly layerIndex: number;
  readonly layerClass?: string;
  readonly loop?: Layer | undefined;
}

/** Makes entries of tensors, tied ones into one. */
class Collector {
  readonly #byTensor = new Map<Tensor, Entry & { readonly aliases: string[] }>();

  add(name: string, tensor: Tensor, { layer, layerIndex, layerClass = "", loop }: Place): void {
    const tied = this.#byTensor.get(tensor);
    if (tied !== undefined) {
      if (tied.parameter.name !== name && !tied.aliases.includes(name)) tied.aliases.push(name);
      return;
    }
    const { dtype, shape } = tensor;
    if (dtype !== "float32" && dtype !== "int32" && dtype !== "bool") {
      throw new UnsupportedError(
        "dtype",
        `parameter ${JSON.stringify(name)}: dtype ${dtype} is not supported. Nothing was changed. ` +
          "Supported: float32, int32, bool.",
      );
    }
    const aliases: string[] = [];
    const index = this.#byTensor.size;
    const bytes = tensor.size * util.bytesPerElement(dtype);
    const trainable = tensor instanceof Variable && tensor.trainable;
    const parameter = { name, aliases, layer, index, layerIndex, shape: [...shape], dtype, bytes, trainable };
    this.#byTensor.set(tensor, { parameter, tensor, layerClass, loop, aliases });
  }

  entries(): readonly Entry[] {
    return [...this.#byTensor.values()];
  }
}

function assertAlive(layer: Layer, weights: readonly LayerVariable[]): void {
  for (const weight of weights) {
    try {
      weight.read();
    } catch (cause) {
      throw new TypeError(
        `layer ${JSON.stringify(layer.name)} is disposed. Nothing was changed. Make the model anew, or load it again.`,
        { cause },
      );
    }
  }
}

/**
 * The parameters of a `tf.LayersModel`, in the order of its layers, each layer's in the order of creation.
 *
 * TensorFlow.js numbers the variables of a model that is made, or loaded, a second time: `dense/kernel_1`. Where it
 * says which one is meant the name without the number is used, so that noise, averages and selections fit each
 * instance of a model; the numbered one is an alias.
 */
export function readLayersModel(model: LayersModel): Inventory {
  const found: { weight: LayerVariable; path: string; layerIndex: number; layerClass: string }[] = [];
  const walk = (layer: Layer, path: string, layerIndex: number): void => {
    const inner = (layer as Layer & Nested).layers;
    if (Array.isArray(inner)) {
      for (const child of inner as readonly Layer[]) walk(child, `${path}/${child.name}`, layerIndex);
      return;
    }
    // `weights` is sorted by trainable flag; the ids give an order that flags do not change.
    const weights = [...layer.weights].sort((a, b) => a.id - b.id);
    assertAlive(layer, weights);
    for (const weight of weights) found.push({ weight, path, layerIndex, layerClass: layer.getClassName() });
  };
  for (const [index, layer] of model.layers.entries()) walk(layer, layer.name, index);
  const bearers = new Map<string, LayerVariable | undefined>();
  for (const { weight } of found) {
    const bearer = bearers.get(weight.originalName);
    const first = !bearers.has(weight.originalName);
    bearers.set(weight.originalName, first || bearer === weight ? weight : undefined);
  }
  const allLayers = new Map<Layer, readonly LayerVariable[]>();
  collect(model, allLayers);
  const loops = loopsOf(allLayers.keys());
  const collector = new Collector();
  for (const { weight, path, layerIndex, layerClass } of found) {
    const tensor = weight.read();
    const place = { layer: path, layerIndex, layerClass, loop: loops.get(weight) };
    if (bearers.get(weight.originalName) === weight) collector.add(weight.originalName, tensor, place);
    collector.add(weight.name, tensor, place);
  }
  return {
    kind: "tf.LayersModel",
    entries: collector.entries(),
    layers: model.layers.map(({ name }) => name),
    allLayers,
  };
}

/** The parameters of a record, by its keys, or of a list, by the variables' own names. */
export function readVariables(variables: Readonly<Record<string, unknown>> | readonly unknown[]): Inventory {
  const named: readonly (readonly [string, unknown])[] = Array.isArray(variables)
    ? variables.map(
        (each, i) => [(each as Variable | undefined)?.name ?? String(i), each as unknown] as const,
      )
    : Object.entries(variables);
  const collector = new Collector();
  const layers: string[] = [];
  for (const [name, value] of named) {
    const at = `parameter ${JSON.stringify(name)}`;
    if (!(value instanceof Variable)) {
      const tensor = typeof value === "object" && value !== null && "dataId" in value;
      throw new TypeError(
        `${at} must be a tf.Variable, got ${tensor ? "a tf.Tensor, an immutable value" : describeValue(value)}. ` +
          `Nothing was changed.${tensor ? " Make it a tf.variable(tensor)." : ""}`,
      );
    }
    if ((value as Tensor).isDisposed) {
      throw new TypeError(`${at} is disposed. Nothing was changed. Leave it out, or make it anew.`);
    }
    const layer = layerPathOf(name);
    if (!layers.includes(layer)) layers.push(layer);
    collector.add(name, value, { layer, layerIndex: layers.indexOf(layer) });
  }
  return {
    kind: "set of tf.Variables",
    entries: collector.entries(),
    layers,
    allLayers: new Map(),
  };
}

/**
 * The weights of a graph model, by the names that its graph gives them; what is made of strings is left out. Its
 * layers are the paths of these names.
 */
export function readGraphModel({ weights }: GraphModel): Inventory {
  const collector = new Collector();
  const layers: string[] = [];
  for (const [node, tensors] of Object.entries(weights)) {
    for (const [i, tensor] of tensors.entries()) {
      if (tensor.dtype === "string") continue;
      if (tensor.isDisposed) {
        throw new TypeError(`the tf.GraphModel is disposed. Nothing was changed. Load it again.`);
      }
      const name = tensors.length > 1 ? `${node}:${i}` : node;
      const layer = layerPathOf(name);
      if (!layers.includes(layer)) layers.push(layer);
      collector.add(name, tensor, { layer, layerIndex: layers.indexOf(layer) });
    }
  }
  return { kind: "tf.GraphModel", entries: collector.entries(), layers, allLayers: new Map() };
}
