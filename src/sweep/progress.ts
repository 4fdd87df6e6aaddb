/** Where a run is: plain values for `onProgress`. */
import type { Header, Results, Samples, TrialRecord } from "./records.ts";
import { statisticsOf } from "./statistics.ts";

/** Given to `onProgress` when the baseline is measured, when a trial begins, and when all is over. */
export interface Progress {
  /** Trials that need nothing any more: found in the results, evaluated, or failed. */
  readonly done: number;
  /** Under MPI without those that other ranks have to do. */
  readonly total: number;
  /** Of `done`: those that were found in the results, and took no time now. */
  readonly resumed: number;
  /** Of `done`: those that failed now. */
  readonly failed: number;
  /** The trial that begins; undefined while the model as it is is measured, and at the end. */
  readonly current: string | undefined;
  /** By the mean of the metric that decides. */
  readonly best: { readonly name: string; readonly value: number } | undefined;
  /** Of the model as it is, the mean of the metric that decides. */
  readonly baseline: number | undefined;
  /** Something to be told. */
  readonly notice?: string;
}

/** Counts, and tells. */
export class Teller {
  readonly #tell: ((progress: Progress) => void) | undefined;
  readonly #objective: Header["objective"];
  readonly #resumed: number;
  readonly #total: number;
  #done: number;
  #failed = 0;
  #best: Progress["best"];
  #baseline: number | undefined;

  /** @param found - results of the trials that need not be evaluated again; @param pending - how many do */
  constructor(
    tell: ((progress: Progress) => void) | undefined,
    found: Pick<Results, "header" | "trials">,
    pending: number,
  ) {
    this.#tell = tell;
    this.#objective = found.header.objective;
    this.#resumed = found.trials.length;
    this.#done = this.#resumed;
    this.#total = this.#resumed + pending;
    for (const trial of found.trials) this.#compare(trial);
  }

  #meanOf(samples: Samples): number {
    return statisticsOf(samples[this.#objective.metric]!).mean;
  }

  #compare({ name, metrics }: Pick<TrialRecord, "name" | "metrics">): void {
    const value = this.#meanOf(metrics);
    const sign = this.#objective.mode === "max" ? 1 : -1;
    if (this.#best === undefined || sign * value > sign * this.#best.value) this.#best = { name, value };
  }

  measured(baseline: Samples): void {
    this.#baseline = this.#meanOf(baseline);
  }

  /** @param record - that of the trial, or undefined if it failed */
  finished(record: Pick<TrialRecord, "name" | "metrics"> | undefined): void {
    this.#done++;
    if (record === undefined) this.#failed++;
    else this.#compare(record);
  }

  tell(current?: string, notice?: string): void {
    this.#tell?.({
      done: this.#done,
      total: this.#total,
      resumed: this.#resumed,
      failed: this.#failed,
      current,
      best: this.#best,
      baseline: this.#baseline,
      ...(notice !== undefined && { notice }),
    });
  }
}
