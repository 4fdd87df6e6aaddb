/** What a sweep tries: plain values. */
import { describeValue, SweepError } from "../errors.ts";
import { didYouMean } from "../hints.ts";
import type { Layers } from "../layers.ts";
import { checkModification, type Modification } from "../modification.ts";
import { isRecord } from "../plain.ts";
import type { Technique } from "../store.ts";

/**
 * Where a trial lies in the question it belongs to: `{ layer: "block_conv", factor: 0.5 }`, `{ std: 0.1, seed: 3 }`.
 * Trials of one kind whose tags differ in `seed` alone are samples of one point.
 */
export type Tags = Readonly<Record<string, string | number>>;

/** One set of weights to be evaluated. */
export interface Trial<T> {
  /** What people read; another one for each trial of a sweep. */
  readonly name: string;
  /** The question it belongs to: reports show one section for each. Default `"trial"`. */
  readonly kind?: string;
  /** Default: none. */
  readonly tags?: Tags;
  readonly modification: Modification<T> | readonly Modification<T>[];
  /** Default: that of the modification. */
  readonly layers?: Layers;
  readonly technique?: Technique | "auto";
  readonly budget?: number;
  /** Of a noise that has none of its own. */
  readonly seed?: number;
}

/** Names of all properties. */
const properties = [
  "name",
  "kind",
  "tags",
  "modification",
  "layers",
  "technique",
  "budget",
  "seed",
] as const satisfies readonly (keyof Trial<unknown>)[];

function checkTags(what: string, tags: unknown): void {
  if (tags === undefined) return;
  if (!isRecord(tags)) {
    throw new TypeError(`${what}: tags must be a record of strings and numbers, got ${describeValue(tags)}.`);
  }
  for (const [key, value] of Object.entries(tags)) {
    if (typeof value === "string" || Number.isFinite(value)) continue;
    throw new TypeError(
      `${what}: tags.${key} must be a string or a finite number, got ${describeValue(value)}.`,
    );
  }
}

/** What can be said about a trial without its model. */
function checkTrial(value: unknown, index: number): asserts value is Trial<unknown> {
  if (!isRecord(value)) {
    throw new TypeError(`trial ${index} must be { name, modification }, got ${describeValue(value)}.`);
  }
  const { name, kind, seed, modification } = value;
  if (typeof name !== "string" || name === "") {
    throw new TypeError(`trial ${index}: name must be a text that is not empty, got ${describeValue(name)}.`);
  }
  const what = `trial ${JSON.stringify(name)}`;
  for (const key of Object.keys(value)) {
    if ((properties as readonly string[]).includes(key)) continue;
    throw new TypeError(
      `${what}: unknown property ${JSON.stringify(key)}.${didYouMean(key, properties)} ` +
        `Properties: ${properties.join(", ")}.`,
    );
  }
  if (kind !== undefined && (typeof kind !== "string" || kind === "")) {
    throw new TypeError(`${what}: kind must be a text that is not empty, got ${describeValue(kind)}.`);
  }
  checkTags(what, value["tags"]);
  if (modification === undefined) {
    throw new TypeError(`${what}: it has no modification. The baseline is evaluated in any case.`);
  }
  for (const each of Array.isArray(modification) ? modification : [modification]) {
    checkModification(each, seed as number | undefined);
  }
}

/**
 * Trials that can be told apart, and of which there is one or more. What only a model can tell is found when they run.
 *
 * @throws TypeError, RangeError for what is no trial, or an empty list
 * @throws SweepError `duplicate_trial`
 */
export function checkTrials(value: unknown): readonly Trial<unknown>[] {
  if (!Array.isArray(value)) {
    throw new TypeError(`trials must be a list of trials, got ${describeValue(value)}.`);
  }
  const trials: readonly unknown[] = value;
  if (trials.length === 0) {
    throw new RangeError("trials: the list is empty. Nothing was evaluated. Give one trial or more.");
  }
  const names = new Map<string, number>();
  for (const [index, trial] of trials.entries()) {
    checkTrial(trial, index);
    const { name } = trial;
    const before = names.get(name);
    if (before !== undefined) {
      throw new SweepError(
        "duplicate_trial",
        `Trials ${before} and ${index} are both named ${JSON.stringify(name)}. Nothing was evaluated. Results go by names: ` +
          "give each trial another one.",
      );
    }
    names.set(name, index);
  }
  return trials as readonly Trial<unknown>[];
}
