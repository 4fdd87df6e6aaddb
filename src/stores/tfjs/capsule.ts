/** State beside the parameters: trainable flags and the states of recurrent layers. */
import { type Tensor, Variable } from "@tensorflow/tfjs-core";
import type { RNN } from "@tensorflow/tfjs-layers";
import type { Capsule } from "../../store.ts";
import { alias } from "./engine.ts";
import type { Inventory } from "./parameters.ts";

interface Flagged {
  trainable: boolean;
}

/** The flags of one layer, or of one variable in all its guises: setting the first sets the others. */
function trainableFlags(key: object, name: string, flagged: readonly Flagged[]): Capsule {
  return {
    key,
    name: `trainable flags of ${name}`,
    save() {
      const flags = flagged.map((each) => each.trainable);
      return {
        restore() {
          for (const [i, each] of flagged.entries()) {
            if (each.trainable !== flags[i]) each.trainable = flags[i]!;
          }
        },
        discard() {},
      };
    },
  };
}

/** The states of a recurrent layer; `null` until it has run statefully. */
function recurrentState(layer: RNN): Capsule {
  return {
    key: layer,
    name: `states of ${layer.name}`,
    save() {
      const before: readonly (Tensor | null)[] = [...layer.getStates()];
      const ids = before.map((state) => state?.dataId);
      const handles: (Tensor | null)[] = [];
      const discard = (): void => handles.forEach((handle) => handle?.dispose());
      try {
        for (const state of before) handles.push(state === null ? null : alias(state));
      } catch (error) {
        discard();
        throw error;
      }
      const isSame = (state: Tensor | null, i: number): boolean =>
        state === before[i] && state?.isDisposed !== true && state?.dataId === ids[i];
      return {
        restore() {
          const now: readonly (Tensor | null)[] = layer.getStates();
          if (now.length === before.length && now.every(isSame)) return discard();
          for (const state of new Set([...now, ...before])) state?.dispose();
          // `null`, not a list of it, is how a layer says that it has no states yet.
          const none = handles.every((handle) => handle === null);
          layer.setStates((none ? null : handles) as Tensor[]);
        },
        discard,
      };
    },
  };
}

/**
 * What a model keeps beside its parameters. Capsules are put back last first, and setting the flag of a layer sets
 * flags of what is in it: variables come before layers, and inner layers before outer ones.
 */
export function capsulesOf({ allLayers, entries }: Inventory): readonly Capsule[] {
  const ofLayers: Capsule[] = [];
  const ofVariables: Capsule[] = [];
  for (const [layer, own] of allLayers) {
    ofLayers.push(trainableFlags(layer, layer.name, [layer]));
    if (typeof (layer as RNN).getStates === "function") ofLayers.push(recurrentState(layer as RNN));
    for (const weight of own) {
      const variable = weight.read() as Variable;
      ofVariables.push(trainableFlags(variable, variable.name, [weight, variable]));
    }
  }
  if (allLayers.size === 0) {
    for (const { tensor } of entries) {
      if (tensor instanceof Variable) ofVariables.push(trainableFlags(tensor, tensor.name, [tensor]));
    }
  }
  return [...ofVariables, ...ofLayers.reverse()];
}
