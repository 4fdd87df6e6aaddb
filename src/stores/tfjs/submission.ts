/**
 * WebGPU frees what was disposed of when a batch of kernels is submitted, by default every 15: what is made for one
 * parameter would be there 15 times at a time.
 */
import { env } from "@tensorflow/tfjs-core";
import { Hooks } from "./hook.ts";

const BATCH_SIZE = "WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE";

/** In place while somebody needs every kernel to be submitted at once. */
export const submission: Hooks<object> = new Hooks<object>(() => {
  const before = env().getNumber(BATCH_SIZE);
  env().set(BATCH_SIZE, 1);
  return [
    () => {
      // Somebody may have set it meanwhile: that stays.
      if (env().getNumber(BATCH_SIZE) === 1) env().set(BATCH_SIZE, before);
    },
  ];
});

/** Runs `fn`; on WebGPU what it disposes of is free at once. */
export function freeingAtOnce<R>(backend: string, fn: () => R): R {
  if (backend !== "webgpu") return fn();
  const user = {};
  submission.add(user);
  try {
    return fn();
  } finally {
    submission.delete(user);
  }
}
