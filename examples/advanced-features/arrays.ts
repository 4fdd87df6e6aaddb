/** The same model as typed arrays: what the entry point without an engine takes. */
import type * as tf from "@tensorflow/tfjs";

export interface FloatArray {
  readonly data: Float32Array;
  readonly shape: readonly number[];
  readonly dtype: "float32";
}

export type Arrays = Readonly<Record<string, FloatArray>>;

/** All weights of a model by name, in arrays of their own. */
export function arraysOf(model: tf.LayersModel): Arrays {
  return Object.fromEntries(
    model.weights.map((weight): [string, FloatArray] => {
      const data = weight.read().dataSync<"float32">().slice();
      return [weight.name, { data, shape: weight.shape as number[], dtype: "float32" }];
    }),
  );
}
