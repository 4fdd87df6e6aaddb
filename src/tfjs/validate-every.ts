/** Validation in the middle of `model.fit` and `model.fitDataset`, in a theater. */
import { CustomCallback, type LayersModel } from "@tensorflow/tfjs-layers";
import { dispose } from "../dispose.ts";
import { describeValue, TheaterStateError } from "../errors.ts";
import type { Receipt } from "../receipt.ts";
import { freeWeights, keepWeights, type KeptWeights, restoreWeights } from "../stores/tfjs/kept.ts";
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
  #best: (Omit<BestValidation, "weights"> & { readonly weights: KeptWeights | undefined }) | undefined;

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

  /** The best validation so far; undefined without `mode`, and before the first score that is a number. */
  get best(): BestValidation | undefined {
    return this.#best;
  }

  /** Bytes of the weights that are kept: that much is held as soon as training has moved on. */
  get keptBytes(): number {
    return Object.values(this.#best?.weights ?? {}).reduce((sum, { size }) => sum + 4 * size, 0);
  }

  /**
   * Puts the kept weights of the best validation into the model, bit for bit and without a copy.
   *
   * @throws TheaterStateError `nothing_kept` if no weights are kept; `already_open` inside a theater
   */
  restoreBest(): void {
    const weights = this.#best?.weights;
    if (weights === undefined) {
      throw new TheaterStateError(
        "nothing_kept",
        "restoreBest: no weights are kept. The model is unchanged. Give validateEvery the options mode and keepBest, " +
          "and train for at least one validation.",
      );
    }
    restoreWeights(this.#model!, weights);
  }

  /** Frees the kept weights. */
  dispose(): void {
    if (this.#best?.weights === undefined) return;
    freeWeights(this.#best.weights);
    this.#best = { ...this.#best, weights: undefined };
  }

  [dispose](): void {
    this.dispose();
  }

  override setModel(model: Parameters<CustomCallback["setModel"]>[0]): void {
    this.#model = model as LayersModel;
  }

  override async onTrainBegin(logs?: Parameters<CustomCallback["onTrainBegin"]>[0]): Promise<void> {
    this.#waited = 0;
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

  async #validate(model: LayersModel): Promise<void> {
    const { modification, mode: _, score: __, keepBest, patience, ...options } = this.#options;
    const at = { step: this.#step, epoch: this.#epoch };
    let receipt: Receipt | undefined;
    let score = Number.NaN;
    let weights: KeptWeights | undefined;
    try {
      const result = await entry.withTheaterAsync(
        model,
        {
          ...options,
          ...(modification !== undefined && {
            modification: typeof modification === "function" ? modification() : modification,
          }),
          onReceipt: (closed) => {
            receipt = closed;
            options.onReceipt?.(closed);
          },
        },
        async () => {
          const value = await this.#fn({ ...at, model });
          score = this.#scoreOf(value);
          if (keepBest === "shown" && this.#isBetter(score)) weights = keepWeights(model);
          return value;
        },
      );
      if (keepBest === "trained" && this.#isBetter(score)) weights = keepWeights(model);
      this.#history.push({ ...at, result, receipt: receipt! });
    } catch (error) {
      if (weights !== undefined) freeWeights(weights);
      throw error;
    }
    if (this.#isBetter(score)) {
      this.dispose();
      this.#best = { ...at, score, weights };
      this.#waited = 0;
    } else if (++this.#waited === patience) model.stopTraining = true;
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
