/// <reference lib="esnext.disposable" preserve="true" />
/** The entry points for TensorFlow.js: layers models, graph models, and variables of your own. */
import type { Tensor } from "@tensorflow/tfjs-core";
import { type EmaOptions, MovingAverage } from "./ema.ts";
import type { Store, Synchronous } from "./entry.ts";
import type { Options } from "./options.ts";
import type { Plan } from "./plan.ts";
import { type TfjsModel, tfjsModel } from "./stores/tfjs/model.ts";
import type { AsyncSurgicalTheater, SurgicalTheater } from "./surgical-theater.ts";
import { entry } from "./tfjs/entry.ts";

export type { GraphModel } from "./stores/tfjs/graph-model.ts";
export type { TfjsModel } from "./stores/tfjs/model.ts";
export * from "./shared.ts";
export { ValidateEvery, validateEvery } from "./tfjs/validate-every.ts";
export type { BestValidation, ValidateEveryOptions, Validation, ValidationPoint } from "./tfjs/validation.ts";

/**
 * Runs `fn` while `model` shows modified parameters, and puts the same buffers back, whatever happens inside.
 *
 * Synchronous: a `fit` that is under way elsewhere cannot run in between. `predict` and `evaluate` are
 * synchronous; read their results inside with `dataSync`, or return the tensor and read it outside.
 *
 * @param model - a built tf.LayersModel, a tf.GraphModel, or a record or list of tf.Variables; borrowed until it returns
 * @param fn - what to measure; must not return a promise
 * @returns what `fn` returns
 * @throws what `fn` throws, after restoring
 * @throws TypeError, RangeError, ModificationError, LayersError, UnsupportedError before anything is changed
 * @throws TheaterStateError `written_inside`, after restoring; `promise_returned`, after restoring;
 *   `needs_async` where values must be read from a device first
 * @throws RestoreError naming what could not be put back, with what `fn` threw as its cause
 * @example
 * import * as tf from "@tensorflow/tfjs";
 * import { scale, withTheater } from "surgical-theater/tfjs";
 *
 * const model = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [4] })] });
 * const x = tf.ones([1, 4]);
 * const predict = () => (model.predict(x) as tf.Tensor).dataSync()[0];
 * const before = predict();
 * const halved = withTheater(model, { modification: scale(0.5), layers: "all" }, predict);
 * console.log(Math.abs(halved! - before! / 2) < 1e-6, predict() === before); // true true
 */
export function withTheater<R>(model: TfjsModel, options: Options<Tensor>, fn: () => Synchronous<R>): R {
  return entry.withTheater(model, options, fn);
}

/**
 * As {@link withTheater}, for a function that must be awaited. Use it where nothing else trains the model
 * meanwhile, such as in an awaited callback of `fit`; a write by something else is detected.
 *
 * @example
 * import * as tf from "@tensorflow/tfjs";
 * import { noise, withTheaterAsync } from "surgical-theater/tfjs";
 *
 * const w = tf.variable(tf.zeros([4]), true, "w");
 * const noisy = await withTheaterAsync([w], { modification: noise({ std: 1, seed: 1 }), layers: "all" }, () => w.data());
 * console.log(noisy.some((value) => value !== 0), (await w.data()).every((value) => value === 0)); // true true
 */
export function withTheaterAsync<R>(
  model: TfjsModel,
  options: Options<Tensor>,
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
 * import * as tf from "@tensorflow/tfjs";
 * import { disable, surgicalTheater } from "surgical-theater/tfjs";
 *
 * const kernel = tf.variable(tf.ones([2, 2]), true, "kernel");
 * const theater = surgicalTheater([kernel], { modification: disable(), layers: "kernel" });
 * console.log(kernel.dataSync()[0], theater.report().heldBytes); // 0 16
 * console.log(theater.close().identical, kernel.dataSync()[0]); // true 1
 */
export function surgicalTheater(model: TfjsModel, options: Options<Tensor>): SurgicalTheater {
  return entry.surgicalTheater(model, options);
}

/**
 * As {@link surgicalTheater}, where opening or closing has to wait for a device: facts and fingerprints on webgpu.
 *
 * @example
 * import * as tf from "@tensorflow/tfjs";
 * import { scale, surgicalTheaterAsync } from "surgical-theater/tfjs";
 *
 * const kernel = tf.variable(tf.ones([2, 2]), true, "gain");
 * const theater = await surgicalTheaterAsync([kernel], { modification: scale(3), layers: "all", verify: "fingerprint" });
 * console.log((await kernel.data())[0]); // 3
 * console.log((await theater.close()).identical); // true
 */
export function surgicalTheaterAsync(
  model: TfjsModel,
  options: Options<Tensor>,
): Promise<AsyncSurgicalTheater> {
  return entry.surgicalTheaterAsync(model, options);
}

/**
 * What a theater would modify and hold, without opening it.
 *
 * @throws as {@link withTheater} for options that make no sense, or a budget that nothing fits
 * @example
 * import * as tf from "@tensorflow/tfjs";
 * import { planTheater, scale } from "surgical-theater/tfjs";
 *
 * const model = tf.sequential({ layers: [tf.layers.dense({ units: 10, inputShape: [10] })] });
 * const plan = planTheater(model, { modification: scale(0.9), layers: "all" });
 * console.log(plan.technique, plan.heldBytes, plan.modelBytes); // swap 440 440
 */
export function planTheater(model: TfjsModel, options: Options<Tensor>): Plan {
  return entry.planTheater(model, options);
}

/** Models of TensorFlow.js, for `surgical-theater/sweep`. */
export const store: Store<TfjsModel, Tensor> = entry.store;

/**
 * An exponential moving average of a TensorFlow.js model. Its averages are tensors that a theater shows
 * without a copy.
 *
 * @example
 * import * as tf from "@tensorflow/tfjs";
 * import { Ema, interpolate, withTheater } from "surgical-theater/tfjs";
 *
 * const w = tf.variable(tf.scalar(0), true, "weight");
 * const ema = new Ema([w], { decay: 0.5 });
 * for (const value of [1, 2, 3]) {
 *   w.assign(tf.scalar(value)); // a training step
 *   ema.update();
 * }
 * const averaged = withTheater([w], { modification: interpolate(ema.weights) }, () => w.dataSync()[0]);
 * console.log(averaged! < 3, w.dataSync()[0]); // true 3
 */
export class Ema extends MovingAverage<Tensor> {
  /**
   * @param model - borrowed: read at each update
   * @throws TypeError, RangeError for options that make no sense
   */
  constructor(model: TfjsModel, options: EmaOptions) {
    super(tfjsModel(model), options);
  }
}
