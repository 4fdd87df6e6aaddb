/** Validation in the middle of `model.fit` and `model.fitDataset`, in a theater. */
import { CustomCallback, type LayersModel } from "@tensorflow/tfjs-layers";
import type { Tensor } from "@tensorflow/tfjs-core";
import { dispose } from "../dispose.ts";
import { isThenable } from "../drive.ts";
import { describeValue, listed, TheaterStateError } from "../errors.ts";
import type { Modification } from "../modification.ts";
import type { Options } from "../options.ts";
import type { Receipt } from "../receipt.ts";
import { KeptWeights } from "../stores/tfjs/kept.ts";
import { slots } from "../slots.ts";
import { tfjsModel } from "../stores/tfjs/model.ts";
import { entry } from "./entry.ts";
import { checkValidateEvery } from "./validate-options.ts";
import type { BestValidation, ValidateEveryOptions, Validation, ValidationPoint } from "./validation.ts";

/** A callback for `fit` that validates every n batches. Made by {@link validateEvery}. */
export class ValidateEvery<R> extends CustomCallback implements Disposable {
  readonly #every: number;
  readonly #fn: (at: ValidationPoint) => R | PromiseLike<R>;
  readonly #options: ValidateEveryOptions<R>;
  readonly #history: Validation<R>[] = [];
  #model: LayersModel | undefined;
  #step = 0;
  #epoch = 0;
  #waited = 0;
  #best: Omit<BestValidation, "weights"> | undefined;
  #kept: KeptWeights | undefined;

  constructor(
    n: number,
    fn: (at: ValidationPoint) => R | PromiseLike<R>,
    options: ValidateEveryOptions<R> = {},
  ) {
    checkValidateEvery(n, fn, options);
    // It yields to the page as the callbacks do that TensorFlow.js makes of functions, but reads no logs back.
    super({}, "auto");
    this.#every = n;
    this.#fn = fn;
    this.#options = options;
  }

  /** All validations so far, in order. */
  get history(): readonly Validation<R>[] {
    return this.#history;
  }

  /** The best validation so far; undefined without `mode`, before the first score that is a number, after `dispose`. */
  get best(): BestValidation | undefined {
    return this.#best === undefined ? undefined : { ...this.#best, weights: this.#kept?.byName };
  }

  /** Bytes of the kept weights: at most that much is held, as soon as training has moved on. */
  get keptBytes(): number {
    return this.#kept?.bytes ?? 0;
  }

  /**
   * Puts the kept weights of the best validation into the model, bit for bit and without a copy. They stay kept.
   *
   * @throws TheaterStateError `nothing_kept` if no weights are kept; `already_open` inside a theater
   */
  restoreBest(): void {
    if (this.#kept === undefined) {
      throw new TheaterStateError(
        "nothing_kept",
        "restoreBest: no weights are kept. The model is unchanged. Give validateEvery the options mode and keepBest, " +
          "train for at least one validation, and call it before dispose.",
      );
    }
    const open = tfjsModel(this.#model!)
      .sites.filter(({ key }) => slots.has(key))
      .map(({ parameter }) => parameter.name);
    if (open.length > 0) {
      throw new TheaterStateError(
        "already_open",
        `restoreBest: a theater is open on ${listed(open)}, and would put back what was there before. The model is ` +
          "unchanged. Close it first.",
        open,
      );
    }
    this.#kept.restore();
  }

  /** Frees the kept weights, and forgets which validation was the best. */
  dispose(): void {
    this.#kept?.free();
    this.#kept = undefined;
    this.#best = undefined;
  }

  [dispose](): void {
    this.dispose();
  }

  override setModel(model: Parameters<CustomCallback["setModel"]>[0]): void {
    const trained = model as LayersModel;
    const before = this.#model?.weights;
    // Compiling a sequential model makes it anew around the same weights.
    if (before?.every((weight) => trained.weights.includes(weight)) === false) {
      throw new TypeError(
        "validateEvery: this callback has validated another model. Nothing was trained. Make one for each model.",
      );
    }
    this.#model = trained;
  }

  override async onTrainBegin(logs?: Parameters<CustomCallback["onTrainBegin"]>[0]): Promise<void> {
    if (!(#every in this)) {
      throw new TypeError(
        "validateEvery: fit takes all callbacks of a list for functions if the first one is. Nothing was trained. " +
          "Write your own as new tf.CustomCallback({ onEpochEnd }).",
      );
    }
    this.#waited = 0;
    // A wrong selection or budget is told of now, and not after n batches.
    if (typeof this.#options.modification !== "function") {
      entry.planTheater(this.#model!, this.#theaterOptions());
    }
    await super.onTrainBegin(logs);
  }

  override async onEpochBegin(
    epoch: number,
    logs?: Parameters<CustomCallback["onEpochBegin"]>[1],
  ): Promise<void> {
    this.#epoch = epoch;
    await super.onEpochBegin(epoch, logs);
  }

  override async onBatchEnd(
    batch: number,
    logs?: Parameters<CustomCallback["onBatchEnd"]>[1],
  ): Promise<void> {
    this.#step++;
    if (this.#step % this.#every === 0) await this.#validate(this.#model!);
    await super.onBatchEnd(batch, logs);
  }

  /** The options of the theater, without those of ours. */
  #theaterOptions(): Options<Tensor> {
    const { modification, mode: _, score: __, keepBest: ___, patience: ____, ...options } = this.#options;
    if (modification === undefined) return options;
    if (typeof modification !== "function") return { ...options, modification };
    const returned: unknown = modification();
    if (typeof returned !== "object" || returned === null || isThenable(returned)) {
      throw new TypeError(
        `validateEvery: the function modification returned ${describeValue(returned)}. The model is unchanged. ` +
          "It must return a modification, or a list of them.",
      );
    }
    return { ...options, modification: returned as Modification<Tensor> };
  }

  async #validate(model: LayersModel): Promise<void> {
    const { keepBest } = this.#options;
    const at = { step: this.#step, epoch: this.#epoch };
    const options = this.#theaterOptions();
    let receipt: Receipt | undefined;
    const onReceipt = (closed: Receipt): void => {
      receipt = closed;
      options.onReceipt?.(closed);
    };
    const kept = new KeptWeights(model);
    let score = Number.NaN;
    try {
      const result = await entry.withTheaterAsync(model, { ...options, onReceipt }, async () => {
        // Before `fn`, which may write statistics that come back; what is modified only if it is worth it.
        if (keepBest === "shown") kept.take("unmodified");
        const value = await this.#fn({ ...at, model });
        score = this.#scoreOf(value);
        if (keepBest === "shown" && this.#isBetter(score)) kept.take("modified");
        return value;
      });
      if (keepBest === "trained" && this.#isBetter(score)) kept.take("unmodified");
      this.#history.push({ ...at, result, receipt: receipt! });
    } catch (error) {
      kept.free();
      throw error;
    }
    this.#judge({ ...at, score }, kept, model);
  }

  /** Takes a validation for the best one, or lets go of its weights and of the training's patience. */
  #judge(validation: Omit<BestValidation, "weights">, kept: KeptWeights, model: LayersModel): void {
    if (!this.#isBetter(validation.score)) {
      kept.free();
      if (++this.#waited === this.#options.patience) model.stopTraining = true;
      return;
    }
    this.#kept?.free();
    this.#kept = this.#options.keepBest === undefined ? undefined : kept;
    this.#best = validation;
    this.#waited = 0;
  }

  #scoreOf(result: R): number {
    if (this.#options.mode === undefined) return Number.NaN;
    const score: unknown = this.#options.score === undefined ? result : this.#options.score(result);
    if (typeof score === "number") return score;
    throw new TypeError(
      `validateEvery: mode compares numbers, and ${this.#options.score === undefined ? "fn" : "score"} returned ` +
        `${describeValue(score)}. Every parameter is back. Return a number, or give score.`,
    );
  }

  #isBetter(score: number): boolean {
    if (Number.isNaN(score)) return false;
    if (this.#best === undefined) return true;
    return this.#options.mode === "max" ? score > this.#best.score : score < this.#best.score;
  }
}

/**
 * Validates in a theater every `n` batches of `fit` or `fitDataset`. Training waits meanwhile, and goes on from the
 * very same bits: its course does not depend on whether it is validated.
 *
 * Give it to `fit` as a callback, alone or in a list with other `tf.Callback`s; functions of your own go in as
 * `new tf.CustomCallback({ onEpochEnd })`. It lets the page go on as callbacks made of functions do.
 *
 * @param n - how many batches from one validation to the next; at least 1
 * @param fn - what to measure, inside the open theater; awaited. Without `modification` the theater guards a plain
 *   validation
 * @param options - those of a theater, `layers` by name; `mode`, `score`, `keepBest`, `patience`
 * @returns the callback, which also has `history`, `best`, `restoreBest()` and `dispose()`
 * @throws TypeError, RangeError for arguments that make no sense. What a validation throws, `fit` rejects with, after
 *   everything was put back
 * @example
 * import * as tf from "@tensorflow/tfjs";
 * import { noise, validateEvery } from "surgical-theater/tfjs";
 *
 * const model = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [2] })] });
 * model.compile({ optimizer: "adam", loss: "meanSquaredError" });
 * const [x, y] = [tf.randomNormal([64, 2]), tf.ones([64, 1])];
 * const loss = () => tf.tidy(() => tf.losses.meanSquaredError(y, model.predict(x) as tf.Tensor).dataSync()[0]!);
 * const validation = validateEvery(2, loss, {
 *   modification: noise({ std: 0.01, seed: 1 }),
 *   layers: "all",
 *   mode: "min",
 *   keepBest: "trained",
 * });
 * await model.fit(x, y, { batchSize: 16, epochs: 2, callbacks: [validation] });
 * validation.restoreBest();
 * console.log(validation.history.length, validation.best!.score <= validation.history[0]!.result); // 4 true
 */
export function validateEvery<R>(
  n: number,
  fn: (at: ValidationPoint) => R | PromiseLike<R>,
  options: ValidateEveryOptions<R> = {},
): ValidateEvery<R> {
  return new ValidateEvery(n, fn, options);
}
