/**
 * Identity of storages: which typed arrays are the same bytes, and which share only some of them. Known to all
 * loaded copies of this package, because slots are keyed by the objects made here.
 */
import type { NumericArray } from "../../dtypes/dtype.ts";

/** One interval of a buffer, read as one dtype. The same interval always gives the same object. */
export interface Storage {
  readonly start: number;
  readonly end: number;
  /** What it is a part of: parameters of several arrays, each by one object that stands for all of them. */
  readonly wholes?: Whole[];
}

/** Several intervals that are one parameter. As a storage, that of the first one. */
export interface Whole extends Storage {
  readonly parts: readonly Storage[];
}

const symbol = Symbol.for("surgical-theater/storages@1");
const holder = globalThis as { [symbol]?: WeakMap<ArrayBufferLike, Map<string, Storage>> };
const storages: WeakMap<ArrayBufferLike, Map<string, Storage>> = (holder[symbol] ??= new WeakMap());

/** The storage of an array's bytes. */
export function storageOf({ buffer, byteOffset, byteLength }: NumericArray, dtype: string): Storage {
  const known = storages.get(buffer) ?? new Map<string, Storage>();
  storages.set(buffer, known);
  const name = `${byteOffset}+${byteLength} ${dtype}`;
  const storage = known.get(name) ?? { start: byteOffset, end: byteOffset + byteLength };
  known.set(name, storage);
  return storage;
}

/** Whether two intervals of one buffer have bytes in common; an empty one has none. */
export function intersect(a: Storage, b: Storage): boolean {
  return Math.max(a.start, b.start) < Math.min(a.end, b.end);
}

/** The storage of several arrays together. The same arrays always give the same object. */
export function storageOfAll(arrays: readonly NumericArray[], dtype: string): Whole {
  const parts = arrays.map((array) => storageOf(array, `part of ${dtype}`) as Storage & { wholes?: Whole[] });
  const known = parts[0]!.wholes?.find((whole) => whole.parts.every((part, i) => part === parts[i]));
  if (known !== undefined) return known;
  const { start, end } = parts[0]!;
  const whole = { start, end, parts };
  for (const part of parts) (part.wholes ??= []).push(whole);
  return whole;
}

/** Other known storages, or what they are parts of, that share bytes with `storage`, which lies in `buffer`. */
export function* overlapping(buffer: ArrayBufferLike, storage: Storage): Iterable<Storage> {
  for (const other of storages.get(buffer)?.values() ?? []) {
    if (!intersect(other, storage)) continue;
    if (other.wholes !== undefined) yield* other.wholes;
    else if (other !== storage) yield other;
  }
}
