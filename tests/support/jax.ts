/**
 * jax-js in tests: the set-up that Node needs, and what it has allocated, measured without the library under test.
 * jax-js has no figures of its memory, so the methods of its backend are hooked (0.1.25).
 */
import { type Device, init, numpy as np, tree } from "@jax-js/jax";
import { bits } from "./bits.ts";

type Operation = (this: Iterator<unknown>, each: (value: unknown, index: number) => unknown) => unknown;

/** What jax-js uses of the iterator helpers, which Node 20 does not have: `einsum` and attention need them. */
function provideIteratorHelpers(): void {
  const iterators = Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]())) as object;
  if ("map" in iterators) return;
  const all = (iterator: Iterator<unknown>): unknown[] => [...(iterator as IterableIterator<unknown>)];
  const helpers: Readonly<Record<string, Operation>> = {
    map(each) {
      return all(this).map(each).values();
    },
    filter(each) {
      return all(this).filter(each).values();
    },
    some(each) {
      return all(this).some(each);
    },
    every(each) {
      return all(this).every(each);
    },
    toArray() {
      return all(this);
    },
  };
  for (const [name, value] of Object.entries(helpers)) {
    Object.defineProperty(iterators, name, { value, configurable: true, writable: true });
  }
}

provideIteratorHelpers();

/** Makes `devices` ready. @throws Error if one cannot run here */
export async function useDevices(...devices: readonly Device[]): Promise<void> {
  const ready = await init(...devices);
  const missing = devices.filter((device) => !ready.includes(device));
  if (missing.length > 0) throw new Error(`jax-js cannot run ${missing.join(", ")} here.`);
}

/** What arrays of jax-js are kept in. */
interface Backend {
  malloc(size: number, initial?: Uint8Array): number;
  incRef(slot: number): void;
  decRef(slot: number): void;
  dispatch(...args: unknown[]): unknown;
}

/** The backend of a device, which jax-js hands to an array that is being put there. */
export function backendOf(device: Device): Backend {
  let found: Backend | undefined;
  const probe = np.zeros([1], { device }) as unknown as { _putSync(backend: Backend): unknown } & {
    add(one: number): np.Array;
  };
  const putSync = "_putSync";
  const put = probe[putSync];
  probe[putSync] = function (backend) {
    found = backend;
    return put.call(this, backend);
  };
  probe.add(1).dispose();
  return found!;
}

/** Bytes and slots more than at the beginning, kernels since then. */
export interface JaxMeter {
  bytes(): number;
  slots(): number;
  /** Most bytes so far, or since `resetPeak`. */
  peak(): number;
  resetPeak(): void;
  kernels(): number;
  stop(): void;
}

/** Follows every slot that the device's backend makes and frees from now on. */
export function startJaxMeter(device: Device = "wasm"): JaxMeter {
  const backend = backendOf(device);
  const { malloc, incRef, decRef, dispatch } = backend;
  const live = new Map<number, { readonly size: number; references: number }>();
  let [bytes, peak, kernels] = [0, 0, 0];
  const hooks: Backend = {
    malloc(size, initial) {
      const slot = malloc.call(backend, size, initial);
      live.set(slot, { size, references: 1 });
      bytes += size;
      peak = Math.max(peak, bytes);
      return slot;
    },
    incRef(slot) {
      incRef.call(backend, slot);
      const entry = live.get(slot);
      if (entry !== undefined) entry.references++;
    },
    decRef(slot) {
      decRef.call(backend, slot);
      const entry = live.get(slot);
      if (entry === undefined || --entry.references > 0) return;
      live.delete(slot);
      bytes -= entry.size;
    },
    dispatch(...args) {
      kernels++;
      return dispatch.apply(backend, args);
    },
  };
  Object.assign(backend, hooks);
  return {
    bytes: () => bytes,
    slots: () => live.size,
    peak: () => peak,
    resetPeak: () => void (peak = bytes),
    kernels: () => kernels,
    stop() {
      for (const name of Object.keys(hooks)) Reflect.deleteProperty(backend, name);
    },
  };
}

/** The arrays of a tree, lent. */
export function leavesOf(params: unknown): readonly np.Array[] {
  return tree.leaves(params as np.Array);
}

/** What must be the same before and after a theater: every bit, and every reference count. */
export interface State {
  readonly bits: readonly string[];
  readonly references: readonly number[];
}

/** The state of a tree whose values can be read without waiting. */
export function stateOf(params: unknown): State {
  const leaves = leavesOf(params);
  return {
    bits: leaves.map((leaf) => bits(leaf.ref.dataSync())),
    references: leaves.map((leaf) => leaf.refCount),
  };
}

/**
 * A float32 array with these bits, in memory of its own. jax-js would make a short one anew in every kernel, from numbers,
 * which have no payload of NaN.
 */
export function arrayOf(values: Float32Array, shape: readonly number[], device: Device = "wasm"): np.Array {
  const padded = new Float32Array(Math.max(values.length, 128));
  padded.set(values);
  const array = np
    .array(padded, { device })
    .slice([0, values.length])
    .reshape([...shape]);
  // It is a view until it is read.
  array.ref.dataSync();
  return array;
}
