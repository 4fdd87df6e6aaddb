/// <reference lib="esnext.disposable" preserve="true" />
/** The entry points for jax-js: trees of immutable arrays. A theater derives a modified tree and hands it to you. */
import { type EmaOptions, MovingAverage } from "./ema.ts";
import { drive, driveAsync, isThenable } from "./drive.ts";
import { checkBody, entryPoints, type Store, type Synchronous } from "./entry.ts";
import { nextStep } from "./jax/next-step.ts";
import { ModifiedTree } from "./jax/modified-tree.ts";
import { AsyncJaxTheater, JaxTheater } from "./jax/theater.ts";
import { checkOptions, type Options } from "./options.ts";
import type { Plan } from "./plan.ts";
import type { JaxArray } from "./stores/jax/arrays.ts";
import { type JaxModel, jaxModel } from "./stores/jax/model.ts";
import { open } from "./theater.ts";

export * from "./shared.ts";
export { overlay, type Overlaid, type OverlayOptions } from "./jax/overlay.ts";
export { AsyncJaxTheater, JaxTheater } from "./jax/theater.ts";

const entry = entryPoints<JaxModel, JaxArray>((model) => model);

/**
 * Runs `fn` with a modified tree, in which targets are exchanged and everything else is an alias without a copy, and
 * frees the modified arrays, whatever happens inside. The original arrays are never written.
 *
 * @param params - a tree of jax.Arrays: plain objects and lists. Lent: no reference to it is consumed
 * @param fn - what to measure; must not return a promise. It is given the modified tree, with one reference to each
 *   array: a function that consumes its arguments can be called with it once, and with `tree.ref(modified)` any number of
 *   times. What is left is freed when `fn` returns, and so is what it takes out of the tree
 * @returns what `fn` returns
 * @throws what `fn` throws, after restoring
 * @throws TypeError, RangeError, ModificationError, LayersError, UnsupportedError before anything is changed
 * @throws TheaterStateError `unused` if `fn` did not look at the modified tree; `promise_returned`; `needs_async` where
 *   values must be read from a device first; all after restoring
 * @example
 * import { numpy as np } from "@jax-js/jax";
 * import { scale, withTheater } from "surgical-theater/jax";
 *
 * const params = { w: np.array([1, 2, 3]), b: np.array([1]) };
 * const sum = withTheater(params, { modification: scale(0.5), layers: "w" }, ({ w, b }) => np.sum(w).add(b).js());
 * console.log(sum, params.w.ref.js()); // [4] [1, 2, 3]
 */
export function withTheater<P, R>(
  params: P,
  options: Options<JaxArray>,
  fn: (modified: P) => Synchronous<R>,
): R {
  checkBody("withTheater", fn);
  const tree = new ModifiedTree(params);
  return entry.withTheater(tree.model, options, () => {
    const result = fn(tree.params);
    if (!isThenable(result)) assertUsed(tree, options);
    return result;
  });
}

/**
 * As {@link withTheater}, for a function that must be awaited: one that reads its results with `data()`, as WebGPU needs.
 *
 * @example
 * import { numpy as np } from "@jax-js/jax";
 * import { noise, withTheaterAsync } from "surgical-theater/jax";
 *
 * const params = { w: np.zeros([4]) };
 * const options = { modification: noise({ std: 1, seed: 1 }), layers: "all" } as const;
 * const noisy = await withTheaterAsync(params, options, ({ w }) => w.data());
 * console.log(noisy.some((value) => value !== 0)); // true
 */
export async function withTheaterAsync<P, R>(
  params: P,
  options: Options<JaxArray>,
  fn: (modified: P) => R | PromiseLike<R>,
): Promise<R> {
  checkBody("withTheaterAsync", fn);
  const tree = new ModifiedTree(params);
  return entry.withTheaterAsync(tree.model, options, async () => {
    const result = await fn(tree.params);
    assertUsed(tree, options);
    return result;
  });
}

function assertUsed(tree: ModifiedTree<unknown>, { modification }: Options<JaxArray>): void {
  if (modification !== undefined) tree.assertUsed();
}

/**
 * Opens a theater: from now until it is closed there is a modified tree, `theater.params`, beside the original one.
 *
 * @param params - lent until the theater is closed; it may be freed meanwhile
 * @throws as {@link withTheater}, before anything is changed
 * @example
 * import { numpy as np } from "@jax-js/jax";
 * import { disable, surgicalTheater } from "surgical-theater/jax";
 *
 * const params = { w: np.ones([256]) };
 * const theater = surgicalTheater(params, { modification: disable(), layers: "all" });
 * console.log(np.sum(theater.take().w).js(), theater.report().heldBytes); // 0 1024
 * console.log(theater.close().identical, np.sum(params.w.ref).js()); // true 256
 */
export function surgicalTheater<P>(params: P, options: Options<JaxArray>): JaxTheater<P> {
  const request = checkOptions(options);
  const tree = new ModifiedTree(params);
  return new JaxTheater(drive(open(tree.model, request)), tree);
}

/**
 * As {@link surgicalTheater}, where opening or closing has to wait for a device: facts and fingerprints on WebGPU.
 *
 * @example
 * import { numpy as np } from "@jax-js/jax";
 * import { scale, surgicalTheaterAsync } from "surgical-theater/jax";
 *
 * const params = { w: np.array([1, 2]) };
 * const theater = await surgicalTheaterAsync(params, { modification: scale(3), layers: "all", verify: "fingerprint" });
 * await theater.ready();
 * console.log(await theater.take().w.jsAsync()); // [3, 6]
 * console.log((await theater.close()).identical); // true
 */
export async function surgicalTheaterAsync<P>(
  params: P,
  options: Options<JaxArray>,
): Promise<AsyncJaxTheater<P>> {
  const request = checkOptions(options);
  const tree = new ModifiedTree(params);
  return new AsyncJaxTheater(await driveAsync(open(tree.model, request)), tree);
}

/**
 * What a theater would modify and hold, without opening it.
 *
 * @throws as {@link withTheater} for options that make no sense, or a budget that nothing fits
 * @example
 * import { numpy as np } from "@jax-js/jax";
 * import { planTheater, scale } from "surgical-theater/jax";
 *
 * const plan = planTheater({ w: np.ones([10, 10]) }, { modification: scale(0.9), layers: "all" });
 * console.log(plan.technique, plan.heldBytes); // swap 400
 */
export function planTheater(params: unknown, options: Options<JaxArray>): Plan {
  return entry.planTheater(new ModifiedTree(params).model, options);
}

/** Trees of arrays, for `surgical-theater/sweep`. */
export const store: Store<unknown, JaxArray> = {
  planTheater,
  withTheaterAsync,
  fingerprints: async (params) => entry.store.fingerprints(new ModifiedTree(params).model),
  identityOf: async (params, options) => entry.store.identityOf(new ModifiedTree(params).model, options),
};

/**
 * An exponential moving average of a tree of parameters, which a theater shows without a copy. Training makes new arrays
 * in each step, so each update is given them.
 *
 * @example
 * import { numpy as np } from "@jax-js/jax";
 * import { Ema, interpolate, withTheater } from "surgical-theater/jax";
 *
 * let params = { w: np.array([0]) };
 * const ema = new Ema(params, { decay: 0.5 });
 * for (const value of [1, 2, 3]) {
 *   params = { w: np.array([value]) }; // a training step
 *   ema.update(params);
 * }
 * const averaged = withTheater(params, { modification: interpolate(ema.weights) }, ({ w }) => w.js());
 * console.log(averaged[0] < 3, params.w.ref.js()); // true [3]
 */
export class Ema<P> extends MovingAverage<JaxArray, [params: P]> {
  /**
   * @param params - lent: their names, shapes and devices are those that each update must have
   * @throws TypeError, RangeError for options that make no sense
   */
  constructor(params: P, options: EmaOptions) {
    const first = jaxModel(params);
    super(first, options, (now) => nextStep(first, jaxModel(now)));
  }
}
