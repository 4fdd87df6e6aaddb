/** Weights of a model kept for later, without a copy: handles on their data, which training leaves behind. */
import type { Tensor } from "@tensorflow/tfjs-core";
import type { LayersModel } from "@tensorflow/tfjs-layers";
import { LayersError, listed, TheaterStateError } from "../../errors.ts";
import { isFloat } from "../../layers.ts";
import { alias, exchange } from "./engine.ts";
import { readLayersModel } from "./layers-model.ts";
import type { Entry } from "./parameters.ts";
import { handleOn, showing } from "./showing.ts";

/** Kept handles by parameter name. */
export type KeptWeights = Readonly<Record<string, Tensor>>;

const floatsOf = (model: LayersModel): readonly Entry[] =>
  readLayersModel(model).entries.filter(({ parameter }) => isFloat(parameter));

/** Handles on what the floating-point parameters of `model` show now, statistics included. The caller's. */
export function keepWeights(model: LayersModel): KeptWeights {
  const kept: Record<string, Tensor> = {};
  try {
    for (const { parameter, tensor } of floatsOf(model)) kept[parameter.name] = handleOn(tensor);
  } catch (error) {
    freeWeights(kept);
    throw error;
  }
  return kept;
}

/** Disposes of what {@link keepWeights} returned. */
export function freeWeights(kept: KeptWeights): void {
  for (const tensor of Object.values(kept)) tensor.dispose();
}

/**
 * Puts kept weights into a model, bit for bit and without a copy; they stay kept.
 *
 * @throws LayersError `unknown_name` for another model; TheaterStateError `already_open` inside a theater. Nothing
 *   was changed
 */
export function restoreWeights(model: LayersModel, kept: KeptWeights): void {
  const entries = floatsOf(model);
  const missing = entries.filter(({ parameter }) => !Object.hasOwn(kept, parameter.name));
  if (missing.length > 0) {
    const names = listed(missing.map(({ parameter }) => parameter.name));
    throw new LayersError("unknown_name", `No weights were kept for ${names}. Nothing was changed.`);
  }
  const shown = entries.filter(({ tensor }) => showing.has(tensor)).map(({ parameter }) => parameter.name);
  if (shown.length > 0) {
    throw new TheaterStateError(
      "already_open",
      `A theater shows ${listed(shown)}, and would put back what was there before. Nothing was changed. Close it first.`,
      shown,
    );
  }
  // All handles before the first exchange, so that a failure changes nothing.
  const handles = entries.map(({ parameter }) => alias(kept[parameter.name]!));
  for (const [i, { tensor }] of entries.entries()) {
    exchange(tensor, handles[i]!);
    handles[i]!.dispose();
  }
}
