/** Zeros shared by all parameters that are disabled at the moment. */
import { keep, type Tensor, zeros } from "@tensorflow/tfjs-core";
import type { Parameter } from "../../store.ts";
import { alias, onBackend } from "./engine.ts";

interface Shared {
  readonly tensor: Tensor;
  users: number;
}

const pool = new Map<string, Shared>();

/**
 * Which parameters share a buffer: those of one size. On wasm, those of one shape: the backend caches the packed
 * weights of a matrix product by data alone, and would use them with the wrong dimensions.
 */
export function zerosKey({ shape, dtype }: Pick<Parameter, "shape" | "dtype">, backend: string): string {
  const sharing = backend === "wasm" ? shape.join("×") : shape.reduce((size, n) => size * n, 1);
  return `${backend} ${dtype} zeros ${sharing}`;
}

/** A handle on shared zeros; `free` it once. */
export function takeZeros(
  parameter: Pick<Parameter, "shape" | "dtype">,
  backend: string,
): { readonly tensor: Tensor; free(): void } {
  const key = zerosKey(parameter, backend);
  let shared = pool.get(key);
  if (shared === undefined) {
    const { shape, dtype } = parameter;
    shared = { tensor: keep(onBackend(backend, () => zeros([...shape], dtype as "float32"))), users: 0 };
    pool.set(key, shared);
  }
  const handle = alias(shared.tensor, parameter.shape);
  shared.users++;
  return {
    tensor: handle,
    free() {
      handle.dispose();
      shared.users--;
      if (shared.users > 0) return;
      shared.tensor.dispose();
      pool.delete(key);
    },
  };
}
