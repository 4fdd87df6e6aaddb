/** The entry points for parameters in typed arrays. */
import type { NumericArray } from "./dtypes/dtype.ts";
import { type EmaOptions, MovingAverage } from "./ema.ts";
import { entryPoints, type Store, type Synchronous } from "./entry.ts";
import type { Options } from "./options.ts";
import type { Plan } from "./plan.ts";
import { memoryModel } from "./stores/memory/model.ts";
import type { MemoryModel } from "./stores/memory/record.ts";
import type { AsyncSurgicalTheater, SurgicalTheater } from "./surgical-theater.ts";

const entry = entryPoints<MemoryModel, NumericArray>(memoryModel);

/**
 * Runs `fn` while `model` shows modified parameters, and puts the same bits back, whatever happens inside.
 *
 * Synchronous: no other code can run in between. The arrays are modified in place; nothing else may write to
 * them until it returns (see `onWrite`).
 *
 * @param model - typed arrays by name, or `{ data, shape, dtype }`; borrowed until it returns
 * @param fn - what to measure; must not return a promise
 * @returns what `fn` returns
 * @throws what `fn` throws, after restoring
 * @throws TypeError, RangeError, ModificationError, LayersError, UnsupportedError before anything is changed
 * @throws TheaterStateError `written_inside`, after restoring; `promise_returned`, after restoring
 * @throws RestoreError naming what could not be put back, with what `fn` threw as its cause
 * @example
 * import { noise, withTheater } from "surgical-theater";
 *
 * const weights = { "layer.kernel": new Float32Array(64).fill(1) };
 * const loss = () => weights["layer.kernel"].reduce((sum, w) => sum + (w - 1) ** 2, 0);
 * const noisy = withTheater(weights, { modification: noise({ std: 0.1, seed: 1 }), layers: "all" }, loss);
 * console.log(noisy > 0, loss() === 0); // true true
 */
export function withTheater<R>(
  model: MemoryModel,
  options: Options<NumericArray>,
  fn: () => Synchronous<R>,
): R {
  return entry.withTheater(model, options, fn);
}

/**
 * As {@link withTheater}, for a function that must be awaited. Whatever else runs meanwhile sees modified
 * parameters; a write by it is detected.
 *
 * @example
 * import { scale, withTheaterAsync } from "surgical-theater";
 *
 * const weights = { kernel: Float32Array.of(2) };
 * const value = await withTheaterAsync(weights, { modification: scale(0.5), layers: "all" }, async () => weights.kernel[0]);
 * console.log(value, weights.kernel[0]); // 1 2
 */
export function withTheaterAsync<R>(
  model: MemoryModel,
  options: Options<NumericArray>,
  fn: () => R | PromiseLike<R>,
): Promise<R> {
  return entry.withTheaterAsync(model, options, fn);
}

/**
 * Opens a theater: from now until it is closed, `model` shows modified parameters.
 *
 * @param model - borrowed until the theater is closed
 * @throws as {@link withTheater}, before anything is changed
 * @example
 * import { disable, surgicalTheater } from "surgical-theater";
 *
 * const weights = { kernel: Float32Array.of(2) };
 * const theater = surgicalTheater(weights, { modification: disable(), layers: "kernel" });
 * console.log(weights.kernel[0], theater.report().heldBytes); // 0 4
 * console.log(theater.close().identical, weights.kernel[0]); // true 2
 */
export function surgicalTheater(model: MemoryModel, options: Options<NumericArray>): SurgicalTheater {
  return entry.surgicalTheater(model, options);
}

/**
 * As {@link surgicalTheater}, with a `close` that must be awaited.
 *
 * @example
 * import { scale, surgicalTheaterAsync } from "surgical-theater";
 *
 * const weights = { kernel: Float32Array.of(2) };
 * const theater = await surgicalTheaterAsync(weights, { modification: scale(3), layers: "all" });
 * console.log(weights.kernel[0]); // 6
 * console.log((await theater.close()).identical); // true
 */
export function surgicalTheaterAsync(
  model: MemoryModel,
  options: Options<NumericArray>,
): Promise<AsyncSurgicalTheater> {
  return entry.surgicalTheaterAsync(model, options);
}

/**
 * What a theater would modify and hold, without opening it.
 *
 * @throws as {@link withTheater} for options that make no sense, or a budget that nothing fits
 * @example
 * import { planTheater, scale } from "surgical-theater";
 *
 * const plan = planTheater({ kernel: new Float32Array(100) }, { modification: scale(0.9), layers: "all" });
 * console.log(plan.technique, plan.heldBytes); // copy 400
 */
export function planTheater(model: MemoryModel, options: Options<NumericArray>): Plan {
  return entry.planTheater(model, options);
}

/** Typed arrays, for `surgical-theater/sweep`. */
export const store: Store<MemoryModel, NumericArray> = entry.store;

/**
 * An exponential moving average of parameters in typed arrays.
 *
 * @example
 * import { Ema, interpolate, withTheater } from "surgical-theater";
 *
 * const weights = { kernel: Float32Array.of(0) };
 * const ema = new Ema(weights, { decay: 0.5 });
 * for (const value of [1, 2, 3]) {
 *   weights.kernel[0] = value; // a training step
 *   ema.update();
 * }
 * const averaged = withTheater(weights, { modification: interpolate(ema.weights) }, () => weights.kernel[0]);
 * console.log(averaged! < 3, weights.kernel[0]); // true 3
 */
export class Ema extends MovingAverage<NumericArray> {
  /**
   * @param model - borrowed: read at each update
   * @throws TypeError, RangeError for options that make no sense
   */
  constructor(model: MemoryModel, options: EmaOptions) {
    super(memoryModel(model), options);
  }
}
