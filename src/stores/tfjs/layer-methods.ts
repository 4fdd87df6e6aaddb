/** Where tfjs-layers keeps methods that layers inherit, to be hooked for all of them at once. */
import { serialization } from "@tensorflow/tfjs-core";
import { layers as tfl, LayersModel } from "@tensorflow/tfjs-layers";

/** The prototype on which every model finds the method. */
export function ownerOf(method: "getWeights" | "setWeights" | "loadWeights" | "toJSON"): object {
  let owner: object = LayersModel.prototype;
  while (!Object.hasOwn(owner, method)) owner = Object.getPrototypeOf(owner) as object;
  return owner;
}

/** The classes that were registered when `owners` were last looked for. */
let known: readonly unknown[] = [];
const owners = new Map<string, readonly object[]>();

/** The same, and the prototypes of layers that have one of their own, registered ones of the user's included. */
export function ownersOf(method: "getWeights" | "setWeights"): readonly object[] {
  const classes = Object.values(serialization.SerializationMap.getMap().classNameMap);
  if (classes.length !== known.length || classes.some((each, i) => each !== known[i])) owners.clear();
  known = classes;
  const found = owners.get(method);
  if (found !== undefined) return found;
  const own = classes
    .map(([{ prototype }]) => prototype as object)
    // Optimizers are registered too.
    .filter((each) => Object.hasOwn(each, method) && each instanceof tfl.Layer);
  const all = [...new Set([ownerOf(method), ...own])];
  owners.set(method, all);
  return all;
}
