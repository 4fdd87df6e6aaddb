/** Where tfjs-layers keeps methods that layers inherit, to be hooked for all of them at once. */
import { type layers as tfl, LayersModel } from "@tensorflow/tfjs-layers";

type Method = "getWeights" | "setWeights" | "loadWeights" | "toJSON";

/** The prototype on which every model finds the method. */
export function ownerOf(method: Method): object {
  let owner: object = LayersModel.prototype;
  while (!Object.hasOwn(owner, method)) owner = Object.getPrototypeOf(owner) as object;
  return owner;
}

const seen = new Set<object>();
const owners = {
  getWeights: new Set([ownerOf("getWeights")]),
  setWeights: new Set([ownerOf("setWeights")]),
};

/** Takes note of the classes of `layers` that have a method of their own: stacked cells do, and a user's may. */
export function learnMethods(layers: Iterable<tfl.Layer>): void {
  for (const layer of layers) {
    let prototype = Object.getPrototypeOf(layer) as object;
    while (prototype !== Object.prototype && !seen.has(prototype)) {
      seen.add(prototype);
      for (const method of ["getWeights", "setWeights"] as const) {
        if (Object.hasOwn(prototype, method)) owners[method].add(prototype);
      }
      prototype = Object.getPrototypeOf(prototype) as object;
    }
  }
}

/** The prototypes on which models and layers seen so far find the method. */
export function ownersOf(method: "getWeights" | "setWeights"): readonly object[] {
  return [...owners[method]];
}
