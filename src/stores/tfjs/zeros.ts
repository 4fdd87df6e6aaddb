/** Zeros shared by all parameters that are disabled at the moment. */
import { engine, keep, type Tensor, zeros } from "@tensorflow/tfjs-core";
import type { Parameter } from "../../store.ts";
import type { Bin } from "./bin.ts";
import { alias, onBackend } from "./engine.ts";

interface Shared {
  readonly key: string;
  readonly tensor: Tensor;
  users: number;
}

const pool = new Map<string, Shared>();

/** Which zeros a handle is on: backends may come and go while it is held. */
const sharedOf = new WeakMap<Tensor, Shared>();

/**
 * Which parameters share a buffer: those of one size. Where the wasm backend is loaded, those of one shape: it
 * caches the packed weights of a matrix product by data alone, and would use them with the wrong dimensions. It
 * may become the current backend, and be given the zeros, at any time.
 */
export function zerosKey({ shape, dtype }: Pick<Parameter, "shape" | "dtype">, backend: string): string {
  const byShape = engine().findBackendFactory("wasm") !== null;
  const sharing = byShape ? shape.join("×") : shape.reduce((size, n) => size * n, 1);
  return `${backend} ${dtype} zeros ${sharing}`;
}

/** Whether some parameter is shown as these zeros already. */
export function hasZeros(parameter: Pick<Parameter, "shape" | "dtype">, backend: string): boolean {
  return pool.has(zerosKey(parameter, backend));
}

/** A handle on shared zeros. Give it back with {@link returnZeros}. */
export function takeZeros(parameter: Pick<Parameter, "shape" | "dtype">, backend: string): Tensor {
  const key = zerosKey(parameter, backend);
  const { shape, dtype } = parameter;
  const shared = pool.get(key) ?? {
    key,
    tensor: keep(onBackend(backend, () => zeros([...shape], dtype as "float32"))),
    users: 0,
  };
  try {
    const handle = alias(shared.tensor, shape);
    shared.users++;
    pool.set(key, shared);
    sharedOf.set(handle, shared);
    return handle;
  } finally {
    if (shared.users === 0) shared.tensor.dispose();
  }
}

/** Gives back a handle, which is put into `bin`; so are the zeros themselves after the last one. */
export function returnZeros(handle: Tensor, bin: Bin): void {
  const shared = sharedOf.get(handle)!;
  bin.put(handle);
  shared.users--;
  if (shared.users > 0) return;
  pool.delete(shared.key);
  bin.put(shared.tensor);
}

/** Names the zeros that a handle is on. */
export function keyOfZeros(handle: Tensor): string {
  return sharedOf.get(handle)!.key;
}
