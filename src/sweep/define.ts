/** What a sweep is, and its check. */
import type { Store } from "../entry.ts";
import { describeValue } from "../errors.ts";
import { didYouMean } from "../hints.ts";
import type { Signal } from "../options.ts";
import type { Objective } from "./records.ts";
import type { Trial } from "./trial.ts";

/** What `evaluate` is told beside the model. */
export interface Evaluation {
  /** From 0 to `repeats − 1`: a seed for what is drawn at random. */
  readonly repeat: number;
  /** That of `runSweep`; one that is never aborted where it was given none. */
  readonly signal: Signal;
}

/** What there is to try something on. */
export interface Subject<M> {
  /** The layers with parameters that `layers: "all"` modifies, each once, in the model's order. */
  readonly layers: readonly string[];
  /** Names of these parameters. */
  readonly parameters: readonly string[];
  readonly model: M;
}

/** Which metric decides: which trial is best, what progress and reports show. */
export type Aim<K> =
  | { readonly maximize: K; readonly minimize?: undefined }
  | { readonly minimize: K; readonly maximize?: undefined };

/**
 * A sweep: trials on one model. `S` are the models of a store, `T` their arrays, `M` this model's type, `K` the names of the
 * metrics.
 */
export type Sweep<S, T, M extends S, K extends string> = {
  /** Of results and reports. */
  readonly name: string;
  /** Where the model lives: `store` of `surgical-theater/tfjs`, of `/jax`, or of `surgical-theater`. */
  readonly store: Store<S, T>;
  /** The model, a promise of it, or a function that makes it, which is called once. */
  readonly model: M | PromiseLike<M> | (() => M | PromiseLike<M>);
  /**
   * Measures what it is given, and must not write to it: any number of metrics, each a finite number, the same ones each
   * time. Called `repeats` times for the model as it is and for each trial.
   */
  evaluate(
    model: M,
    evaluation: Evaluation,
  ): Readonly<Record<K, number>> | PromiseLike<Readonly<Record<K, number>>>;
  /** A list, or a function that makes it, which is called once. */
  readonly trials:
    | readonly Trial<NoInfer<T>>[]
    | ((subject: Subject<M>) => readonly Trial<NoInfer<T>>[] | PromiseLike<readonly Trial<NoInfer<T>>[]>);
  /** Evaluations of each trial. Default 1. */
  readonly repeats?: number;
  /** After how many trials the model as it is is measured again. Default 10; it is at the end in any case. */
  readonly recheckEvery?: number;
  /** How far its metrics may then be from those before, in absolute terms. Default 0. */
  readonly tolerance?: number;
} & Aim<NoInfer<K>>;

/** A sweep of which nothing is known but that it was checked. */
export type AnySweep = Sweep<unknown, unknown, unknown, string>;

/** A sweep after the check, defaults filled in. */
export interface Settings {
  readonly name: string;
  readonly store: Store<unknown, unknown>;
  readonly model: unknown;
  readonly evaluate: (model: unknown, evaluation: Evaluation) => unknown;
  readonly trials: unknown;
  readonly objective: Objective;
  readonly repeats: number;
  readonly recheckEvery: number;
  readonly tolerance: number;
}

const optionNames = [
  "name",
  "store",
  "model",
  "evaluate",
  "trials",
  "maximize",
  "minimize",
  "repeats",
  "recheckEvery",
  "tolerance",
] as const satisfies readonly (keyof AnySweep)[];

/** @throws TypeError for a key that is not one of `known` */
export function checkKnown(what: string, value: object, known: readonly string[]): void {
  for (const key of Object.keys(value)) {
    if (known.includes(key)) continue;
    throw new TypeError(
      `${what}: unknown option ${JSON.stringify(key)}.${didYouMean(key, known)} Nothing was evaluated. ` +
        `Options: ${known.join(", ")}.`,
    );
  }
}

function required(ok: boolean, name: string, what: string, value: unknown): void {
  if (ok) return;
  throw new TypeError(`sweep: ${name} must be ${what}, got ${describeValue(value)}. Nothing was evaluated.`);
}

function objectiveOf({ maximize, minimize }: Partial<Record<string, unknown>>): Objective {
  if ((maximize === undefined) === (minimize === undefined)) {
    throw new TypeError(
      `sweep: ${maximize === undefined ? "neither maximize nor minimize is" : "both maximize and minimize are"} given, and ` +
        "exactly one must be: the name of the metric that decides. Nothing was evaluated.",
    );
  }
  const [name, metric, mode] =
    minimize === undefined
      ? (["maximize", maximize, "max"] as const)
      : (["minimize", minimize, "min"] as const);
  required(typeof metric === "string", name, "the name of a metric", metric);
  return { metric: metric as string, mode };
}

function whole(name: string, value: unknown, byDefault: number): number {
  if (value === undefined) return byDefault;
  required(typeof value === "number", name, "a number", value);
  if (Number.isSafeInteger(value) && (value as number) >= 1) return value as number;
  throw new RangeError(`sweep: ${name} must be a whole number of 1 or more, got ${describeValue(value)}.`);
}

/**
 * Checks a sweep and fills in defaults.
 *
 * @throws TypeError, RangeError for an unknown option or a value that makes no sense; nothing was called
 */
export function settingsOf(sweep: unknown): Settings {
  if (typeof sweep !== "object" || sweep === null || Array.isArray(sweep)) {
    throw new TypeError(`sweep must be { name, store, model, … }, got ${describeValue(sweep)}.`);
  }
  checkKnown("sweep", sweep, optionNames);
  const given = sweep as Partial<Record<(typeof optionNames)[number], unknown>>;
  const { name, store, model, evaluate, trials, tolerance = 0 } = given;
  required(typeof name === "string" && name !== "", "name", "a text that is not empty", name);
  required(
    typeof (store as Partial<Store<unknown, unknown>> | undefined)?.identityOf === "function",
    "store",
    'what "surgical-theater/tfjs", "surgical-theater/jax" or "surgical-theater" export under this name',
    store,
  );
  required(model !== undefined && model !== null, "model", "a model, or a function that makes one", model);
  required(typeof evaluate === "function", "evaluate", "a function", evaluate);
  required(
    Array.isArray(trials) || typeof trials === "function",
    "trials",
    "a list of trials, or a function that makes one",
    trials,
  );
  required(typeof tolerance === "number", "tolerance", "a number", tolerance);
  if (!((tolerance as number) >= 0)) {
    throw new RangeError(`sweep: tolerance must be 0 or more, got ${describeValue(tolerance)}.`);
  }
  return {
    name: name as string,
    store: store as Store<unknown, unknown>,
    model,
    // As a method: it may be one of an object that it needs.
    evaluate: (visible, evaluation) => (sweep as AnySweep).evaluate(visible, evaluation),
    trials,
    objective: objectiveOf(given),
    repeats: whole("repeats", given.repeats, 1),
    recheckEvery: whole("recheckEvery", given.recheckEvery, 10),
    tolerance: tolerance as number,
  };
}

/**
 * Makes sure that `value`, such as what a file exports, is a sweep that makes sense.
 *
 * @returns the same object
 * @throws TypeError, RangeError as {@link defineSweep}
 */
export function checkSweep(value: unknown): AnySweep {
  settingsOf(value);
  return value as AnySweep;
}

/**
 * Describes a sweep. Nothing is called or evaluated yet.
 *
 * @returns the same object
 * @throws TypeError, RangeError for an unknown option, or a value that makes no sense
 * @example
 * import { noise, store } from "surgical-theater";
 * import { ablation, defineSweep, noiseLevels, runSweep } from "surgical-theater/sweep";
 *
 * const sweep = defineSweep({
 *   name: "sums",
 *   store,
 *   model: { first: Float32Array.of(1, 2), second: Float32Array.of(3, 4) },
 *   evaluate: ({ first, second }) => ({ sum: first[0]! + second[0]! }),
 *   maximize: "sum",
 *   trials: ({ layers }) => [...ablation(layers), ...noiseLevels({ std: [0.1], seeds: [1, 2, 3] })],
 * });
 * const { trials } = await runSweep(sweep);
 * console.log(trials.length, trials[0]!.name, trials[0]!.metrics); // 5 without first { sum: [ 3 ] }
 */
export function defineSweep<S, T, M extends S, K extends string>(
  sweep: Sweep<S, T, M, K>,
): Sweep<S, T, M, K> {
  settingsOf(sweep);
  return sweep;
}
