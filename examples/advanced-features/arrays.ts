/** The same model as typed arrays: what the entry point without an engine takes. */
import { createHash } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
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

/** SHA-256 over the bytes of some arrays. */
export function digestOf(...arrays: readonly NodeJS.ArrayBufferView[]): string {
  const hash = createHash("sha256");
  for (const array of arrays) hash.update(array);
  return hash.digest("hex");
}

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/**
 * Bytes of typed arrays that `make` leaves alive until `free`, as Node counts them: what stays below 64 bytes is on V8's
 * own heap. The second try counts, since the first one also makes what the library keeps from then on.
 */
export async function bytesOf<T>(make: () => T, free: (made: T) => void): Promise<number> {
  let bytes = 0;
  for (let i = 0; i < 2; i++) {
    const before = await liveBytes();
    const made = make();
    bytes = (await liveBytes()) - before;
    free(made);
  }
  return bytes;
}

/** What was weakly held in a turn of the event loop lives to its end, and buffers are freed after a collection. */
async function liveBytes(): Promise<number> {
  for (let i = 0; i < 2; i++) {
    await setImmediate();
    collect();
  }
  return process.memoryUsage().arrayBuffers;
}
