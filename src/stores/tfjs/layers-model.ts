/** Finds the variables of a layers model: every layer's, nested, wrapped, shared and tied ones once each. */
import type { layers as tfl, LayersModel, LayerVariable, RNN } from "@tensorflow/tfjs-layers";
import { learnMethods } from "./layer-methods.ts";
import { Collector, type Inventory } from "./parameters.ts";

/** Any layer, container or cell. */
type Layer = tfl.Layer;

/** Layers that use their weights in one kernel and let go of them. One of the user's may keep what it makes of them. */
const ofTensorFlow: ReadonlySet<string> = new Set(
  (
    "Dense Embedding BatchNormalization LayerNormalization PReLU Conv1D Conv2D Conv3D Conv2DTranspose " +
    "Conv3DTranspose DepthwiseConv2D SeparableConv2D"
  ).split(" "),
);

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
  const found: { weight: LayerVariable; path: string; layerIndex: number; layer: Layer }[] = [];
  const walk = (layer: Layer, path: string, layerIndex: number): void => {
    const inner = (layer as Layer & Nested).layers;
    if (Array.isArray(inner)) {
      for (const child of inner as readonly Layer[]) walk(child, `${path}/${child.name}`, layerIndex);
      return;
    }
    // `weights` is sorted by trainable flag; the ids give an order that flags do not change.
    const weights = [...layer.weights].sort((a, b) => a.id - b.id);
    assertAlive(layer, weights);
    for (const weight of weights) found.push({ weight, path, layerIndex, layer });
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
  learnMethods(allLayers.keys());
  const loops = loopsOf(allLayers.keys());
  const collector = new Collector();
  for (const { weight, path, layerIndex, layer } of found) {
    const tensor = weight.read();
    const layerClass = layer.getClassName();
    const loop = loops.get(weight);
    const usedBy = loop !== undefined ? [loop] : ofTensorFlow.has(layerClass) ? [path] : undefined;
    const place = { layer: path, layerIndex, layerClass, user: layer, loop, usedBy };
    if (bearers.get(weight.originalName) === weight) collector.add(weight.originalName, tensor, place);
    collector.add(weight.name, tensor, place);
  }
  return {
    kind: "tf.LayersModel",
    entries: collector.entries(),
    layers: model.layers.map(({ name }) => name),
    allLayers,
    emptyHint:
      "Build the model first: give its first layer an inputShape, or call it once. Await it if it is a promise.",
    exports: true,
  };
}
