/**
 * Arrays of jax-js. A value never changes, and belongs to whoever holds references to it: passing an array to a function
 * gives one away, `.ref` takes one more, and at none its memory is free.
 */
import { type Array as JaxArray, numpy as np } from "@jax-js/jax";
import { UnsupportedError } from "../../errors.ts";
import type { Await } from "../../store.ts";

export type { JaxArray };

/** Bytes of an element. */
const elementBytes: Readonly<Record<string, number>> = {
  float32: 4,
  int32: 4,
  uint32: 4,
  bool: 4,
  float16: 2,
  float64: 8,
};

/**
 * Whether `value` is an array, alive or not, or what stands for one while a function is traced, which has no values yet.
 * By what it has, since an application may have loaded jax-js twice.
 */
export function isArray(value: unknown): value is JaxArray {
  // Looking at `ref` would take a reference.
  return (
    typeof value === "object" &&
    value !== null &&
    "ref" in value &&
    Array.isArray((value as Partial<JaxArray>).shape)
  );
}

/** Whether all references to an array have been given away. */
export function isFreed({ refCount }: JaxArray): boolean {
  return refCount === 0;
}

export function bytesOf({ size, dtype }: JaxArray): number {
  return size * elementBytes[dtype]!;
}

/** Another array of the same memory, with references of its own: no bytes, no kernel. */
export function alias(array: JaxArray): JaxArray {
  return array.ref.reshape(array.shape);
}

/** Frees an array however many references to it are left: one that was given to a function that threw, say. */
export function free(array: JaxArray): void {
  while (array.refCount > 0) array.dispose();
}

/** Whether kernels run when they are called for; on other devices they wait until something is awaited. */
export function isSynchronous(device: string): boolean {
  return device !== "webgpu" && device !== "webgl";
}

/**
 * Makes the kernels run that `array` waits for, so that what they needed is freed. Reading one element is enough: all of
 * the array is computed before.
 */
export function settle(array: JaxArray): void {
  if (!isSynchronous(array.device) || array.size === 0) return;
  array.ref.reshape([array.size]).slice([0, 1]).dataSync();
}

/** Values on the host: a typed array, of the kind that the dtype has. */
type HostValues = ArrayLike<number> & ArrayBufferView;

/** Whether it stands for an array while a function is traced, and has no values yet. */
export function isTraced(array: JaxArray): boolean {
  return !("dataSync" in array);
}

/** Host values. Reading some devices synchronously returns wrong values (jax-js 0.1.25): there it is awaited. */
export function readValues(array: JaxArray): Await<HostValues> {
  if (isTraced(array)) {
    throw new UnsupportedError(
      "engine",
      "The values of parameters are needed (relativeTo, a magnitude), and there are none while a function is traced. " +
        "Nothing was changed. Call it outside of jit, grad and vmap, or give an absolute std.",
    );
  }
  // Typed as `any` where the language has no Float16Array yet.
  if (isSynchronous(array.device)) return array.ref.dataSync() as HostValues;
  return array.ref.data() as Promise<HostValues>;
}

/** A float32 array on the device of `like`. */
export function upload(
  values: Float32Array<ArrayBuffer>,
  shape: readonly number[],
  like: JaxArray,
): JaxArray {
  const { device } = like;
  // Of nothing jax-js cannot make an array.
  if (values.length === 0) return np.zeros([...shape], { device });
  return np.array(values, { shape: [...shape], device });
}

/** Zeros of the shape, dtype and device of `like`, which it consumes; they take no memory until a kernel reads them. */
export function zerosLike(like: JaxArray): JaxArray {
  const { shape, dtype, device } = like;
  like.dispose();
  return np.zeros(shape, { dtype, device });
}
