/** State beside the parameters: trainable flags and the states of recurrent layers. */
import type { Tensor, Variable } from "@tensorflow/tfjs-core";
import type { RNN } from "@tensorflow/tfjs-layers";
import type { Capsule } from "../../store.ts";
import { alias } from "./engine.ts";
import { childrenOf, type Inventory, type Layer } from "./parameters.ts";

interface Flagged {
  trainable: boolean;
}

/** The flags of one layer and of its own variables. Setting a layer's flag sets those of its variables: it goes first. */
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

function flagsOfLayer(layer: Layer): Capsule {
  // Containers and wrappers list the variables of what is in them, which have capsules of their own.
  const own = childrenOf(layer).length > 0 ? [] : layer.weights;
  return trainableFlags(layer, layer.name, [
    layer,
    ...own.flatMap((weight) => [weight, weight.read() as Variable]),
  ]);
}

/** The states of a recurrent layer; `null` until it has run statefully. */
function recurrentState(layer: RNN): Capsule {
  return {
    key: layer,
    name: `states of ${layer.name}`,
    save() {
      const before: readonly (Tensor | null)[] = [...layer.getStates()];
      const ids = before.map((state) => state?.dataId);
      const handles = before.map((state) => (state === null ? null : alias(state)));
      const discard = (): void => handles.forEach((handle) => handle?.dispose());
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
 * flags of what is in it: outer layers come last.
 */
export function capsulesOf({ allLayers, entries }: Inventory): readonly Capsule[] {
  if (allLayers.length === 0) {
    return entries.map(({ variable }) => trainableFlags(variable, variable.name, [variable]));
  }
  const recurrent = allLayers.filter((layer) => typeof (layer as RNN).getStates === "function") as RNN[];
  return [...recurrent.map(recurrentState), ...allLayers.map(flagsOfLayer).reverse()];
}
