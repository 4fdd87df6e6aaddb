/** Where tfjs-layers keeps methods that layers inherit, to be hooked for all of them at once. */
import { serialization } from "@tensorflow/tfjs-core";
import { layers as tfl, LayersModel } from "@tensorflow/tfjs-layers";

/** The prototype on which every model finds the method. */
export function ownerOf(method: "getWeights" | "setWeights" | "loadWeights" | "toJSON"): object {
  let owner: object = LayersModel.prototype;
  while (!Object.hasOwn(owner, method)) owner = Object.getPrototypeOf(owner) as object;
  return owner;
}

/** The same, and the prototypes of layers that have one of their own, registered ones of the user's included. */
export function ownersOf(method: "getWeights" | "setWeights"): readonly object[] {
  const own: object[] = [];
  for (const [{ prototype }] of Object.values(serialization.SerializationMap.getMap().classNameMap)) {
    // Optimizers are registered too.
    if (Object.hasOwn(prototype as object, method) && prototype instanceof tfl.Layer) own.push(prototype);
  }
  return [...new Set([ownerOf(method), ...own])];
}
