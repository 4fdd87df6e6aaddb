/** Rounds of validations, and the evidence that they leave a model alone. */
import * as tf from "@tensorflow/tfjs";
import type { Plan, Receipt } from "../../src/tfjs.ts";
import { digestOfModel } from "../support/digest.ts";
import { type View, views } from "./views.ts";

/** What one validation found, what the library planned for it, and its receipt. */
export interface Validation {
  readonly accuracy: number;
  readonly plan: Plan;
  readonly receipt: Receipt;
}

/** One validation for each view, one after the other. */
export interface Round {
  readonly validations: Readonly<Record<View, Validation>>;
  /** SHA-256 of all weights before and after: evidence that does not come from the library. */
  readonly before: string;
  readonly after: string;
  /** Tensors that the round left behind. */
  readonly leaked: number;
  readonly ms: number;
}

/** Validates every view with `validateAs`, and looks at the weights of `model` before and after. */
export function validateAll(model: tf.LayersModel, validateAs: (view: View) => Validation): Round {
  const tensors = tf.memory().numTensors;
  const before = digestOfModel(model);
  const begin = performance.now();
  const validations = Object.fromEntries(
    views.map((view) => [view, validateAs(view)]),
  ) as Round["validations"];
  const ms = performance.now() - begin;
  return { validations, before, after: digestOfModel(model), leaked: tf.memory().numTensors - tensors, ms };
}
