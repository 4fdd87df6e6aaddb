/** Where tfjs-layers keeps methods that layers inherit, to be hooked for all of them at once. */
import { serialization } from "@tensorflow/tfjs-core";
import { layers as tfl, LayersModel } from "@tensorflow/tfjs-layers";

const found = new Map<string, { readonly classes: number; readonly owners: readonly object[] }>();

/**
 * The prototypes on which a method of layers or models is found: that of all, and those of classes with one of their
 * own, a user's registered ones included.
 */
export function ownersOf(method: "getWeights" | "setWeights" | "loadWeights" | "toJSON"): readonly object[] {
  const { classNameMap } = serialization.SerializationMap.getMap();
  const classes = Object.keys(classNameMap).length;
  const before = found.get(method);
  if (before?.classes === classes) return before.owners;
  const own = Object.values(classNameMap)
    .map(([{ prototype }]) => prototype as object)
    // Optimizers are registered too.
    .filter((each) => each instanceof tfl.Layer && Object.hasOwn(each, method));
  let base: object = LayersModel.prototype;
  while (!Object.hasOwn(base, method)) base = Object.getPrototypeOf(base) as object;
  const owners = [...new Set([base, ...own])];
  found.set(method, { classes, owners });
  return owners;
}
