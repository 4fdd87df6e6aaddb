/** Evidence that does not come from the library. */
import { createHash } from "node:crypto";
import type * as tf from "@tensorflow/tfjs";

/** SHA-256 over the bytes of all weights that the model shows now, moving averages of BatchNorm included. */
export function digest(model: tf.LayersModel): string {
  const hash = createHash("sha256");
  for (const weight of model.weights) hash.update(weight.read().dataSync<"float32">());
  return hash.digest("hex");
}
