/** Exponential moving averages of a model's parameters, in the form that a theater shows without a copy. */
import { dispose } from "./dispose.ts";
import { describeValue, LayersError, listed, TheaterStateError } from "./errors.ts";
import { didYouMean } from "./hints.ts";
import { isFloat } from "./layers.ts";
import { layersOf, slots } from "./slots.ts";
import type { Model, Site } from "./store.ts";

/** How to average. */
export interface EmaOptions {
  /** Share of the old average that each update keeps: 0 ≤ decay < 1, typically 0.99 to 0.9999. */
  readonly decay: number;
  /**
   * `true` (default): unbiased from the first update on, as if every update so far had the weight that an
   * infinite history would give it. `false`: the average starts at the parameters of the first update.
   */
  readonly biasCorrection?: boolean;
}

/** The average of a model's floating-point parameters, BatchNorm statistics included. Entry points subclass it. */
export class MovingAverage<T> implements Disposable {
  readonly #sites: readonly Site<T>[];
  readonly #decay: number;
  readonly #biasCorrection: boolean;
  readonly #averages = new Map<Site<T>, T>();
  /** decay^updates: what an average that began at zero would lack. */
  #missing = 1;
  #updates = 0;

  constructor(model: Model<T>, options: EmaOptions) {
    if (typeof options !== "object" || options === null) {
      throw new TypeError(
        `Ema: options must be { decay }, got ${describeValue(options)}. Nothing was averaged.`,
      );
    }
    const { decay, biasCorrection = true, ...others } = options;
    const unknown = Object.keys(others)[0];
    if (unknown !== undefined) {
      const hint = didYouMean(unknown, ["decay", "biasCorrection"]);
      throw new TypeError(`Ema: unknown option ${JSON.stringify(unknown)}.${hint} Nothing was averaged.`);
    }
    if (typeof decay !== "number") {
      throw new TypeError(`Ema: decay must be a number, got ${describeValue(decay)}. Nothing was averaged.`);
    }
    if (!(decay >= 0 && decay < 1)) {
      throw new RangeError(`Ema: decay must be from 0 to below 1, got ${decay}. Nothing was averaged.`);
    }
    if (typeof biasCorrection !== "boolean") {
      throw new TypeError(
        `Ema: biasCorrection must be true or false, got ${describeValue(biasCorrection)}. Nothing was averaged.`,
      );
    }
    this.#decay = decay;
    this.#biasCorrection = biasCorrection;
    this.#sites = model.sites.filter(({ parameter }) => isFloat(parameter));
    if (this.#sites.length === 0) {
      throw new LayersError(
        "no_match",
        `Ema: this ${model.kind} has no floating-point parameters. Nothing was averaged.`,
      );
    }
  }

  /**
   * Takes the parameters as they are now into the average. Call it after each training step.
   *
   * The average is kept bias-corrected: with correction, update t has the weight (1 − decay) / (1 − decay^t)
   * (D. Kingma, J. Ba, "Adam", 2015, §3), so that nothing has to be divided when it is read.
   *
   * @throws TypeError if a parameter is disposed of, or its buffer detached; the average is unchanged
   * @throws TheaterStateError `already_open` inside a theater, which shows other parameters than are trained
   */
  update(): void {
    const isShown = (key: object): boolean => {
      const slot = slots.get(key);
      return slot !== undefined && (slot.busy || layersOf(slot.entries).length > 0);
    };
    const shown = this.#sites.filter((site) => isShown(site.key) || [...site.overlaps()].some(isShown));
    if (shown.length > 0) {
      throw new TheaterStateError(
        "already_open",
        `Ema: update inside a theater would average modified parameters (${listed(shown.map((s) => s.parameter.name))}). ` +
          "The average is unchanged. Close the theater first.",
        shown.map((site) => site.parameter.name),
      );
    }
    // Before anything is averaged: an average of some parameters is none.
    for (const site of this.#sites) site.assertAlive();
    this.#missing *= this.#decay;
    this.#updates++;
    const weight = (1 - this.#decay) / (this.#biasCorrection ? 1 - this.#missing : 1);
    for (const site of this.#sites) this.#averages.set(site, site.average(this.#averages.get(site), weight));
  }

  /**
   * The averages by parameter name, for `interpolate(ema.weights)`. Lent: on typed arrays they change with the
   * next update, on tensors the next update disposes of them; take them anew each time. Empty before the first.
   */
  get weights(): Readonly<Record<string, T>> {
    return Object.fromEntries(
      [...this.#averages].map(([{ parameter }, average]) => [parameter.name, average]),
    );
  }

  /** How many updates the average has seen. */
  get updates(): number {
    return this.#updates;
  }

  /** Bytes that the averages hold. */
  get bytes(): number {
    return [...this.#averages.keys()].reduce((sum, { averageBytes }) => sum + averageBytes, 0);
  }

  /** Frees the averages; the next update begins anew. */
  dispose(): void {
    for (const [site, average] of this.#averages) site.free(average);
    this.#averages.clear();
    this.#missing = 1;
    this.#updates = 0;
  }

  [dispose](): void {
    this.dispose();
  }
}
