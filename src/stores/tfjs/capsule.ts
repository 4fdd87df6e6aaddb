/** State beside the parameters: trainable flags and the states of recurrent layers. */
import type { Tensor, Variable } from "@tensorflow/tfjs-core";
import type { RNN } from "@tensorflow/tfjs-layers";
import type { Capsule } from "../../store.ts";
import { alias } from "./engine.ts";
import type { Inventory } from "./parameters.ts";

interface Flagged {
  trainable: boolean;
}

function trainableFlags(key: object, name: string, flagged: readonly Flagged[]): Capsule {
  return {
    key,
    name,
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
 * the flags of what is in it: outer layers before inner ones, and variables after all layers.
 */
export function capsulesOf({ allLayers, variablesOf, entries }: Inventory): readonly Capsule[] {
  if (allLayers.length === 0) {
    return entries.map(({ variable }) =>
      trainableFlags(variable, `trainable flag of ${variable.name}`, [variable]),
    );
  }
  const recurrent = allLayers.filter((layer) => typeof (layer as RNN).getStates === "function") as RNN[];
  const ofVariables = [...variablesOf].map(([layer, weights]) => {
    const flagged = weights.flatMap((weight) => [weight, weight.read() as Variable]);
    return trainableFlags(layer, `trainable flags of the variables of ${layer.name}`, flagged);
  });
  const ofLayers = allLayers.map((layer) =>
    trainableFlags(layer, `trainable flag of ${layer.name}`, [layer]),
  );
  return [...recurrent.map(recurrentState), ...ofVariables, ...ofLayers.reverse()];
}
