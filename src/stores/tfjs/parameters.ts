/** The tensors of a model as parameters: what every kind of model is read into. */
import { type Tensor, util, Variable } from "@tensorflow/tfjs-core";
import type { layers as tfl, LayerVariable } from "@tensorflow/tfjs-layers";
import { describeValue, UnsupportedError } from "../../errors.ts";
import { layerPathOf } from "../../layers.ts";
import type { Parameter } from "../../store.ts";

/** A tensor of a model, most often a variable, as a parameter. */
export interface Entry {
  readonly parameter: Parameter;
  readonly tensor: Tensor;
  /** Class name of its layer; what it is used for depends on it. Empty where there are no layers. */
  readonly layerClass: string;
  /** The outermost layer that runs over time steps with it: each step uses it again. */
  readonly loop: tfl.Layer | undefined;
  /** The layers that have it as a weight, where there are layers. */
  readonly users: ReadonlySet<tfl.Layer>;
  /**
   * What uses it, one key each: tensors with a common key are used at once. Undefined where that is not known, or where
   * what uses it keeps it until the model has run.
   */
  readonly usedBy: readonly unknown[] | undefined;
}

/** Everything of a model that a theater touches. */
export interface Inventory {
  readonly kind: string;
  readonly entries: readonly Entry[];
  /** Top-level layer names, or layer paths where there are no layers. */
  readonly layers: readonly string[];
  /** All layers, containers and cells included, outer ones before inner ones, and the variables of each itself. */
  readonly allLayers: ReadonlyMap<tfl.Layer, readonly LayerVariable[]>;
  /** What to do about a model of this kind without parameters. */
  readonly emptyHint: string;
  /** Whether models of this kind export themselves. */
  readonly exports: boolean;
}

/** Where in a model a tensor was found. */
interface Place {
  readonly layer: string;
  readonly layerIndex: number;
  readonly layerClass?: string;
  readonly user?: tfl.Layer;
  readonly loop?: tfl.Layer | undefined;
  readonly usedBy: readonly unknown[] | undefined;
}

/** Makes entries of tensors, tied ones into one. */
export class Collector {
  readonly #byTensor = new Map<
    Tensor,
    Entry & { readonly aliases: string[]; readonly users: Set<tfl.Layer> }
  >();

  add(name: string, tensor: Tensor, { layer, layerIndex, layerClass = "", user, loop, usedBy }: Place): void {
    const tied = this.#byTensor.get(tensor);
    if (tied !== undefined) {
      if (user !== undefined) tied.users.add(user);
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
    const users = new Set(user === undefined ? [] : [user]);
    this.#byTensor.set(tensor, { parameter, tensor, layerClass, users, loop, usedBy, aliases });
  }

  entries(): readonly Entry[] {
    return [...this.#byTensor.values()];
  }
}

/**
 * The parameters of a record, by its keys, or of a list, by the variables' own names. It is taken that what uses one
 * uses those with the same path along.
 */
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
    collector.add(name, value, { layer, layerIndex: layers.indexOf(layer), usedBy: [layer] });
  }
  return {
    kind: "set of tf.Variables",
    entries: collector.entries(),
    layers,
    allLayers: new Map(),
    emptyHint: "Give the variables that your code uses.",
    exports: false,
  };
}
