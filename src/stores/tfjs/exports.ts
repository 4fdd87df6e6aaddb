/**
 * A model that is exported while a theater shows other weights: `getWeights`, which `save` reads too, and `toJSON`
 * fail or give the originals.
 */
import type { Tensor } from "@tensorflow/tfjs-core";
import type { LayersModel } from "@tensorflow/tfjs-layers";
import { listed, TheaterStateError } from "../../errors.ts";
import { hook, Hooks } from "./hook.ts";
import { ownerOf, ownersOf } from "./layer-methods.ts";
import { showing, type Showing } from "./showing.ts";

/** What is shown of the tensors that an export would read. */
function shownAmong(tensors: readonly Tensor[]): readonly Showing[] {
  return tensors.flatMap((tensor) => showing.get(tensor) ?? []);
}

/** @throws TheaterStateError `saved_inside` if a theater does not allow exports */
function refuse(shown: readonly Showing[], what: string): void {
  const names = shown.filter(({ rules }) => rules.refuseSaves).map(({ name }) => name);
  if (names.length === 0) return;
  throw new TheaterStateError(
    "saved_inside",
    `${what} inside a theater would export modified weights: ${listed(names)}. Nothing was exported, and what is ` +
      'shown did not change. Export outside the theater, or choose onSave: "original".',
    names,
  );
}

/** The variables of a model that exist: one that is disposed of still has a topology. */
function tensorsOf({ weights }: LayersModel): readonly Tensor[] {
  return weights.flatMap((weight) => {
    try {
      return [weight.read()];
    } catch {
      return [];
    }
  });
}

/** In place while any tensor shows layers. */
export const exportHooks: Hooks<Showing> = new Hooks<Showing>(() => [
  ...ownersOf("getWeights").map((owner) =>
    hook(owner, "getWeights", (getWeights, _, args) => {
      const weights = getWeights(...args) as Tensor[];
      refuse(shownAmong(weights), "getWeights or save");
      return weights.map((tensor) => showing.get(tensor)?.original() ?? tensor);
    }),
  ),
  hook(ownerOf("toJSON"), "toJSON", (toJSON, self, args) => {
    refuse(shownAmong(tensorsOf(self as LayersModel)), "toJSON");
    return toJSON(...args);
  }),
]);
