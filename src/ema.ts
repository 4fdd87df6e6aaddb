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

/** The parameters that are averaged. */
function averaged<T>({ sites, kind }: Model<T>): readonly Site<T>[] {
  const chosen = sites.filter(({ parameter }) => isFloat(parameter));
  if (chosen.length > 0) return chosen;
  const message = `Ema: this ${kind} has no floating-point parameters. Nothing was averaged.`;
  throw new LayersError("no_match", message);
}

/**
 * The average of a model's floating-point parameters, BatchNorm statistics included. Entry points subclass it.
 * `A` is what an update needs: nothing, or the parameters themselves where each step makes new ones.
 */
export class MovingAverage<T, A extends readonly unknown[] = []> implements Disposable {
  readonly #sitesNow: (...args: A) => readonly Site<T>[];
  readonly #decay: number;
  readonly #biasCorrection: boolean;
  readonly #averages = new Map<string, { readonly site: Site<T>; readonly average: T }>();
  /** decay^updates: what an average that began at zero would lack. */
  #missing = 1;
  #updates = 0;

  /** @param modelOf - the model at an update; default: always `model` */
  constructor(model: Model<T>, options: EmaOptions, modelOf?: (...args: A) => Model<T>) {
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
    const sites = averaged(model);
    this.#sitesNow = (...args) => (modelOf === undefined ? sites : averaged(modelOf(...args)));
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
  update(...args: A): void {
    const sites = this.#sitesNow(...args);
    const isShown = (key: object): boolean => {
      const slot = slots.get(key);
      return slot !== undefined && (slot.busy || layersOf(slot.entries).length > 0);
    };
    const shown = sites.filter((site) => isShown(site.key) || [...site.overlaps()].some(isShown));
    if (shown.length > 0) {
      throw new TheaterStateError(
        "already_open",
        `Ema: update inside a theater would average modified parameters (${listed(shown.map((s) => s.parameter.name))}). ` +
          "The average is unchanged. Close the theater first.",
        shown.map((site) => site.parameter.name),
      );
    }
    // Before anything is averaged: an average of some parameters is none.
    for (const site of sites) site.assertAlive();
    this.#assertSame(sites);
    this.#missing *= this.#decay;
    this.#updates++;
    const weight = (1 - this.#decay) / (this.#biasCorrection ? 1 - this.#missing : 1);
    for (const site of sites) {
      const { name } = site.parameter;
      this.#averages.set(name, { site, average: site.average(this.#averages.get(name)?.average, weight) });
    }
  }

  /** @throws LayersError `unknown_name` where the parameters are not those of the first update */
  #assertSame(sites: readonly Site<T>[]): void {
    if (this.#updates === 0) return;
    const names = sites.map(({ parameter }) => parameter.name);
    if (names.length === this.#averages.size && names.every((name) => this.#averages.has(name))) return;
    throw new LayersError(
      "unknown_name",
      `Ema: update was given ${listed(names)}, and averages ${listed([...this.#averages.keys()])}. ` +
        "The average is unchanged. Give the same parameters each time.",
    );
  }

  /**
   * The averages by parameter name, for `interpolate(ema.weights)`. Lent: on typed arrays they change with the
   * next update, on tensors the next update disposes of them; take them anew each time. Empty before the first.
   */
  get weights(): Readonly<Record<string, T>> {
    return Object.fromEntries([...this.#averages].map(([name, { average }]) => [name, average]));
  }

  /** How many updates the average has seen. */
  get updates(): number {
    return this.#updates;
  }

  /** Bytes that the averages hold. */
  get bytes(): number {
    return [...this.#averages.values()].reduce((sum, { site }) => sum + site.averageBytes, 0);
  }

  /** Frees the averages; the next update begins anew. */
  dispose(): void {
    for (const { site, average } of this.#averages.values()) site.free(average);
    this.#averages.clear();
    this.#missing = 1;
    this.#updates = 0;
  }

  [dispose](): void {
    this.dispose();
  }
}
