/** State beside the parameters: trainable flags and the states of recurrent layers. */
import type { Tensor } from "@tensorflow/tfjs-core";
import type { RNN } from "@tensorflow/tfjs-layers";
import type { Capsule } from "../../store.ts";
import { alias } from "./engine.ts";
import type { Inventory } from "./parameters.ts";

/** Flags of layers, outer before inner, because setting one sets those below it; then flags of variables. */
function trainableFlags({ allLayers, layerVariables, entries }: Inventory): Capsule {
  const flagged = [...allLayers, ...layerVariables, ...entries.map(({ variable }) => variable)];
  return {
    // One capsule for all flags of a model: a shared layer may be in several, and has to come back once.
    key: allLayers[0] ?? flagged[0]!,
    name: "trainable flags",
    save() {
      const flags = flagged.map((each) => each.trainable);
      return () => {
        if (flagged.every((each, i) => each.trainable === flags[i])) return;
        for (const [i, each] of flagged.entries()) each.trainable = flags[i]!;
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
      const handles = before.map((state) => (state === null ? null : alias(state)));
      return () => {
        const now: readonly (Tensor | null)[] = layer.getStates();
        const same = (state: Tensor | null, i: number): boolean =>
          state === before[i] && state?.isDisposed !== true && state?.dataId === ids[i];
        if (now.length === before.length && now.every(same)) {
          for (const handle of handles) handle?.dispose();
          return;
        }
        for (const state of now) if (state !== null && !before.includes(state)) state.dispose();
        for (const state of before) if (state?.isDisposed === false) state.dispose();
        const none = handles.every((handle) => handle === null);
        layer.setStates((none ? null : handles) as Tensor[]);
      };
    },
  };
}

/** What a model keeps beside its parameters. */
export function capsulesOf(inventory: Inventory): readonly Capsule[] {
  if (inventory.entries.length === 0) return [];
  const recurrent = inventory.allLayers.filter(
    (layer) => typeof (layer as RNN).getStates === "function",
  ) as RNN[];
  return [trainableFlags(inventory), ...recurrent.map(recurrentState)];
}
