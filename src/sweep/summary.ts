/** What a sweep found: its points with their uncertainty, compared with the model as it is. */
import type { FailureRecord, Header, Objective, Results, Samples, TrialRecord } from "./records.ts";
import { type Statistics, statisticsOf } from "./statistics.ts";
import type { Tags } from "./trial.ts";

/** By metric. */
export type MetricStatistics = Readonly<Record<string, Statistics>>;

/** One place in the sweep: a trial, or the trials of one kind whose tags differ in `seed` alone. */
export interface Point {
  /** The trial's name; of several trials their kind and tags. */
  readonly name: string;
  readonly kind: string;
  /** Without `seed`. */
  readonly tags: Tags;
  /** How many trials are merged: seeds. */
  readonly trials: number;
  /** Over the means of its trials; of one trial, over its repeats. */
  readonly metrics: MetricStatistics;
  /** Mean of the objective's metric minus the baseline's; undefined where there is none of either, or it is not finite. */
  readonly change: number | undefined;
  /** What the change means for the objective. */
  readonly verdict: "better" | "worse" | "same" | undefined;
  /** Whether its interval and the baseline's have a value in common: then the change may be chance. */
  readonly overlaps: boolean | undefined;
}

/** Most bytes that a technique held in one kind of trials. */
export interface Held {
  readonly kind: string;
  readonly technique: string;
  readonly heldBytes: number;
  /** Of the parameters that this trial modified. */
  readonly targetBytes: number;
}

/** All numbers of a report. */
export interface Summary {
  readonly header: Header;
  /** ISO 8601; undefined for a sweep that did not come to its end. */
  readonly finished: string | undefined;
  /** Names of all metrics, the objective's first. */
  readonly metrics: readonly string[];
  readonly baseline: {
    readonly evaluations: number;
    /** Over repeats, of each the mean of its evaluations. */
    readonly metrics: MetricStatistics;
  };
  /** In the order in which their first trials finished. */
  readonly points: readonly Point[];
  /** The best mean of the objective; undefined where none is finite. */
  readonly best: Point | undefined;
  readonly failures: readonly FailureRecord[];
  readonly receipts: {
    /** How many trials there are, and after how many of them every parameter was back bit for bit. */
    readonly trials: number;
    readonly identical: number;
    /** By proof: for how many trials it was used. */
    readonly proofs: Readonly<Record<string, number>>;
    /** Whether all parameters had the header's fingerprints at the end; undefined before that. */
    readonly atEnd: boolean | undefined;
  };
  readonly held: readonly Held[];
  readonly totals: {
    readonly ranks: number;
    /** Milliseconds, added up over ranks. */
    readonly baselineMs: number;
    readonly evaluateMs: number;
    /** Opening and closing. */
    readonly theaterMs: number;
  };
}

function tagsWithoutSeed({ tags }: TrialRecord): Tags {
  return Object.fromEntries(Object.entries(tags).filter(([key]) => key !== "seed"));
}

/** `layer=dense, factor=0.5`; the kind where there are no tags. */
function nameOf(kind: string, tags: Tags): string {
  const parts = Object.entries(tags).map(([key, value]) => `${key}=${value}`);
  return parts.length === 0 ? kind : `${kind}: ${parts.join(", ")}`;
}

/** A trial without a seed is a point of its own, whatever its tags. */
function keyOf(trial: TrialRecord): string {
  if (!Object.hasOwn(trial.tags, "seed")) return trial.id;
  const tags = Object.entries(tagsWithoutSeed(trial)).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([trial.kind, tags]);
}

const sumOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);

/** @param valuesOf - the values to count, of lists of one metric */
function metricsOf(
  all: readonly Samples[],
  valuesOf: (lists: readonly (readonly number[])[]) => readonly number[],
): MetricStatistics {
  const names = [...new Set(all.flatMap((samples) => Object.keys(samples)))];
  return Object.fromEntries(
    names.map((name) => {
      const lists = all.flatMap((samples) => (Object.hasOwn(samples, name) ? [samples[name]!] : []));
      return [name, statisticsOf(valuesOf(lists))];
    }),
  );
}

const meanOf = (values: readonly number[]): number => statisticsOf(values).mean;

/** Repeats of one seed resemble each other: counted one by one, they would make the interval too narrow. */
const bySeed = (trials: readonly (readonly number[])[]): readonly number[] =>
  trials.length === 1 ? trials[0]! : trials.map(meanOf);

/** The same repeat evaluated again is no new sample, but a better value. */
const byRepeat = (evaluations: readonly (readonly number[])[]): readonly number[] =>
  evaluations[0]!.map((_, repeat) => meanOf(evaluations.flatMap((values) => values[repeat] ?? [])));

function overlap(a: Statistics | undefined, b: Statistics | undefined): boolean | undefined {
  if (a?.interval === undefined || b?.interval === undefined) return undefined;
  if (![...a.interval, ...b.interval].every(Number.isFinite)) return undefined;
  return a.interval[0] <= b.interval[1] && b.interval[0] <= a.interval[1];
}

function verdictOf(change: number, mode: Objective["mode"]): NonNullable<Point["verdict"]> {
  if (change === 0) return "same";
  return change > 0 === (mode === "max") ? "better" : "worse";
}

function pointOf(
  trials: readonly TrialRecord[],
  baseline: MetricStatistics,
  { metric, mode }: Objective,
): Point {
  const first = trials[0]!;
  const tags = tagsWithoutSeed(first);
  const metrics = metricsOf(
    trials.map((trial) => trial.metrics),
    bySeed,
  );
  const difference = (metrics[metric]?.mean ?? NaN) - (baseline[metric]?.mean ?? NaN);
  const change = Number.isFinite(difference) ? difference : undefined;
  return {
    name: trials.length === 1 ? first.name : nameOf(first.kind, tags),
    kind: first.kind,
    tags,
    trials: trials.length,
    metrics,
    change,
    verdict: change === undefined ? undefined : verdictOf(change, mode),
    overlaps: overlap(metrics[metric], baseline[metric]),
  };
}

/** By key, in the order in which keys are first met. */
export function groupBy<V>(values: readonly V[], key: (value: V) => string): readonly V[][] {
  const groups = new Map<string, V[]>();
  for (const value of values) {
    const group = groups.get(key(value));
    if (group === undefined) groups.set(key(value), [value]);
    else group.push(value);
  }
  return [...groups.values()];
}

function bestOf(points: readonly Point[], { metric, mode }: Objective): Point | undefined {
  const sign = mode === "max" ? 1 : -1;
  const score = (point: Point): number => sign * (point.metrics[metric]?.mean ?? NaN);
  const finite = points.filter((point) => Number.isFinite(score(point)));
  return finite.length === 0 ? undefined : finite.reduce((a, b) => (score(b) > score(a) ? b : a));
}

function heldOf(trials: readonly TrialRecord[]): Held {
  const most = trials.reduce((a, b) => (b.heldBytes > a.heldBytes ? b : a));
  const { kind, technique, heldBytes, targetBytes } = most;
  return { kind, technique, heldBytes, targetBytes };
}

function proofsOf(trials: readonly TrialRecord[]): Readonly<Record<string, number>> {
  const proofs = trials.flatMap((trial) => [...new Set(trial.proofs)]);
  return Object.fromEntries(groupBy(proofs, (proof) => proof).map((each) => [each[0]!, each.length]));
}

/**
 * Merges seeds into points, and compares each with the baseline.
 *
 * Of several seeds the mean of each is one sample, of one trial each repeat. Intervals say how a metric varies between
 * these, not how it would on other data.
 */
export function summarize(results: Results): Summary {
  const { header, baselines, trials, failures, end } = results;
  const { objective } = header;
  const baseline = metricsOf(
    baselines.map(({ metrics }) => metrics),
    byRepeat,
  );
  const points = groupBy(trials, keyOf).map((group) => pointOf(group, baseline, objective));
  const measured = [baseline, ...points.map(({ metrics }) => metrics)].flatMap((each) => Object.keys(each));
  return {
    header,
    finished: end?.finished,
    metrics: [...new Set([objective.metric, ...measured])],
    baseline: { evaluations: baselines.length, metrics: baseline },
    points,
    best: bestOf(points, objective),
    failures,
    receipts: {
      trials: trials.length,
      identical: trials.filter(({ identical }) => identical).length,
      proofs: proofsOf(trials),
      atEnd: end?.identical,
    },
    held: groupBy(trials, ({ kind, technique }) => JSON.stringify([kind, technique])).map(heldOf),
    totals: {
      ranks: new Set([...baselines, ...trials, ...failures].map(({ rank }) => rank)).size,
      baselineMs: sumOf(baselines.map(({ evaluateMs }) => evaluateMs)),
      evaluateMs: sumOf(trials.map(({ evaluateMs }) => evaluateMs)),
      theaterMs: sumOf(trials.map(({ openMs, closeMs }) => openMs + closeMs)),
    },
  };
}
