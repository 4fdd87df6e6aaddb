/** The weights that each validation looks at. */
import type * as tf from "@tensorflow/tfjs";
// In a project of your own: from "surgical-theater/tfjs".
import { disable, type Ema, interpolate, noise, type Options, scale } from "../../src/tfjs.ts";

/** What each round validates. */
export const views = ["plain", "EMA", "noisy", "scaled", "block disabled"] as const;

export type View = (typeof views)[number];

/** The options of a theater that shows `view`. Ask anew each time: an update of the average makes new tensors. */
export function optionsFor(view: View, ema: Ema): Options<tf.Tensor> {
  switch (view) {
    case "plain":
      // No modification, only a guard: it would put back, and report, what the validation itself wrote.
      return {};
    case "EMA":
      return { modification: interpolate(ema.weights) };
    case "noisy":
      return { modification: noise({ std: 0.1, relativeTo: "parameterStd", seed: 1 }), layers: "all" };
    case "scaled":
      return { modification: scale(0.9), layers: "all" };
    case "block disabled":
      // Its convolution and its normalisation: nothing is added to what the stem found.
      return { modification: disable(), layers: "block_*" };
  }
}
