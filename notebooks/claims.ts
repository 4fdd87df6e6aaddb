/** What the notebook asserts with. A claim that does not hold stops it, so that running the notebook is a test. */
import { createHash } from "node:crypto";
import type * as tf from "@tensorflow/tfjs";
import { SurgicalTheaterError } from "../src/tfjs.ts";

/**
 * Prints a claim.
 *
 * @throws Error if it does not hold
 */
export function claim(sentence: string, holds: boolean): void {
  if (!holds) throw new Error(`This does not hold: ${sentence}.`);
  console.log(`holds: ${sentence}`);
}

/**
 * The error of the library that `fn` throws, whose message it prints.
 *
 * @throws Error if `fn` throws nothing; whatever else it throws
 */
export function refusal(fn: () => void): SurgicalTheaterError {
  try {
    fn();
  } catch (error) {
    if (!(error instanceof SurgicalTheaterError)) throw error;
    console.log(`${error.code}: ${error.message}`);
    return error;
  }
  throw new Error("This went through, and should have been refused.");
}

/** SHA-256 over the bytes of tensors, in their order. Nothing of it comes from the library under test. */
export function digestOf(tensors: Iterable<tf.Tensor>): string {
  const hash = createHash("sha256");
  for (const tensor of tensors) hash.update(tensor.dataSync<"float32">());
  return hash.digest("hex");
}

/** SHA-256 of all weights that `model` shows now, statistics of BatchNorm included. */
export function digestOfModel(model: tf.LayersModel): string {
  return digestOf(model.weights.map((weight) => weight.read()));
}
