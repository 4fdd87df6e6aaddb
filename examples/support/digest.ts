/** SHA-256 of weights: evidence that does not come from the library. */
import { createHash } from "node:crypto";
import type * as tf from "@tensorflow/tfjs";

/** Over the bytes of some arrays, one behind the other. */
export function digestOf(...arrays: readonly ArrayBufferView[]): string {
  const hash = createHash("sha256");
  for (const { buffer, byteOffset, byteLength } of arrays) {
    hash.update(new Uint8Array(buffer, byteOffset, byteLength));
  }
  return hash.digest("hex");
}

/** Over the bytes of all weights that the model shows now, moving averages of BatchNorm included. */
export function digestOfModel(model: tf.LayersModel): string {
  return digestOf(...model.weights.map((weight) => weight.read().dataSync<"float32">()));
}
