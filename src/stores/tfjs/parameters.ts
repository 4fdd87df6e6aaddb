/** Finds the variables of a model: every layer's, nested, wrapped, shared and tied ones once each. */
import { type Tensor, util, Variable } from "@tensorflow/tfjs-core";
import type { layers as tfl, LayersModel, LayerVariable } from "@tensorflow/tfjs-layers";
import { describeValue, UnsupportedError } from "../../errors.ts";
import { layerPathOf } from "../../layers.ts";
import type { Parameter } from "../../store.ts";

/** Any layer, container or cell. */
type Layer = tfl.Layer;

/** A variable as a parameter, with the layers it belongs to from the outermost in. */
export interface Entry {
  readonly parameter: Parameter;
  readonly variable: Variable;
  /** Class name of its layer; what a variable is used for depends on it. Empty for bare variables. */
  readonly layerClass: string;
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

class Collector {
  readonly #byVariable = new Map<Variable, Entry & { readonly aliases: string[] }>();

  add(name: string, variable: Variable, layer: string, layerIndex: number, layerClass: string): void {
    const tied = this.#byVariable.get(variable);
    if (tied !== undefined) {
      if (tied.parameter.name !== name && !tied.aliases.includes(name)) tied.aliases.push(name);
      return;
    }
    const { dtype, shape, trainable } = variable;
    if (dtype !== "float32" && dtype !== "int32" && dtype !== "bool") {
      throw new UnsupportedError(
        "dtype",
        `parameter ${JSON.stringify(name)}: dtype ${dtype} is not supported. Nothing was changed. ` +
          "Supported: float32, int32, bool.",
      );
    }
    const aliases: string[] = [];
    const index = this.#byVariable.size;
    const bytes = variable.size * util.bytesPerElement(dtype);
    const parameter = { name, aliases, layer, index, layerIndex, shape: [...shape], dtype, bytes, trainable };
    this.#byVariable.set(variable, { parameter, variable, layerClass, aliases });
  }

  entries(): readonly Entry[] {
    return [...this.#byVariable.values()];
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
  const collector = new Collector();
  for (const { weight, path, layerIndex, layerClass } of found) {
    const variable = weight.read() as Variable;
    if (bearers.get(weight.originalName) === weight) {
      collector.add(weight.originalName, variable, path, layerIndex, layerClass);
    }
    collector.add(weight.name, variable, path, layerIndex, layerClass);
  }
  const allLayers = new Map<Layer, readonly LayerVariable[]>();
  collect(model, allLayers);
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
    collector.add(name, value, layer, layers.indexOf(layer), "");
  }
  return {
    kind: "set of tf.Variables",
    entries: collector.entries(),
    layers,
    allLayers: new Map(),
  };
}
