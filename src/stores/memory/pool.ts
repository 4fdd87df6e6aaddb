/**
 * Buffers of closed theaters, to be used again by the next one: writing to memory that is fresh from the system costs
 * several times the copy. They are held weakly: whenever the engine collects garbage, they may go.
 */
import type { NumericArray } from "../../dtypes/dtype.ts";

const spares: WeakRef<ArrayBuffer>[] = [];

/** More than a model has parameters of different sizes. */
const MOST = 256;

/** A spare buffer of exactly this size, or a new one. */
function take(bytes: number): ArrayBuffer {
  for (let i = spares.length - 1; i >= 0; i--) {
    const buffer = spares[i]!.deref();
    if (buffer !== undefined && buffer.byteLength !== bytes) continue;
    spares.splice(i, 1);
    if (buffer !== undefined) return buffer;
  }
  return new ArrayBuffer(bytes);
}

type Constructor = new (buffer: ArrayBuffer, byteOffset: number, length: number) => NumericArray;

/** A copy of the same bytes, to be given to {@link giveBack} when it is no longer needed. */
export function pooledCopy<T extends NumericArray>(data: T): T {
  const buffer = take(data.byteLength);
  const copy = new (data.constructor as Constructor)(buffer, 0, data.length);
  copy.set(data);
  return copy as T;
}

/** Lets the next copy of this size have the memory of `copy`, which nobody may use from now on. */
export function giveBack(copy: NumericArray): void {
  if (spares.length === MOST) spares.shift();
  spares.push(new WeakRef(copy.buffer as ArrayBuffer));
}
