/** A sweep whose model and trials are there. */
import { fingerprint } from "../fingerprint.ts";
import { scale } from "../modifications/scale.ts";
import type { Options, Signal } from "../options.ts";
import { type Settings, settingsOf, type Subject } from "./define.ts";
import type { Entry, Header } from "./records.ts";
import { checkTrials, type Tags, type Trial } from "./trial.ts";

/** A trial that can be recognised. */
export interface KnownTrial {
  readonly id: string;
  readonly name: string;
  readonly kind: string;
  readonly tags: Tags;
  /** Those of its theater. */
  readonly options: Options<unknown>;
}

/** All that running needs to know. */
export interface Ready {
  readonly settings: Settings;
  readonly model: unknown;
  /** Whether each trial must compare fingerprints: where the store does not watch what a trial does not modify. */
  readonly verifies: boolean;
  readonly trials: readonly KnownTrial[];
  /** As the results of this sweep begin. */
  readonly header: Header;
  readonly signal: Signal;
}

const digestOf = (...parts: readonly string[]): string =>
  fingerprint(new TextEncoder().encode(JSON.stringify(parts)));

async function known(trial: Trial<unknown>, { store }: Settings, model: unknown): Promise<KnownTrial> {
  const { name, kind = "trial", tags = {}, ...options } = trial;
  let id: string;
  try {
    id = digestOf(name, await store.identityOf(model, options));
  } catch {
    // It will fail, with the same error, when it is tried: what it would show has no digest.
    id = digestOf(name);
  }
  return { id, name, kind, tags, options };
}

/** What there is to try something on. */
function subjectOf({ store }: Settings, model: unknown): Subject<unknown> {
  const { parameters } = store.planTheater(model, { modification: scale(1), layers: "all" });
  return {
    layers: [...new Set(parameters.map(({ layer }) => layer))],
    parameters: parameters.map(({ name }) => name),
    model,
  };
}

/** Makes the model and the trials, and takes the model's fingerprints. */
export async function prepare(sweep: unknown, signal: Signal): Promise<Ready> {
  signal.throwIfAborted();
  const settings = settingsOf(sweep);
  const { name, store, objective, repeats } = settings;
  const model: unknown = await (typeof settings.model === "function" ? settings.model() : settings.model);
  const { modelBytes, survivesWrites } = store.planTheater(model, {});
  const trials = checkTrials(
    typeof settings.trials === "function"
      ? await settings.trials(subjectOf(settings, model))
      : settings.trials,
  );
  const fingerprints = Object.fromEntries(await store.fingerprints(model));
  const all: KnownTrial[] = [];
  for (const trial of trials) all.push(await known(trial, settings, model));
  const started = new Date().toISOString();
  const header: Header = {
    record: "sweep",
    version: 1,
    name,
    objective,
    repeats,
    fingerprints,
    modelBytes,
    started,
  };
  return { settings, model, verifies: !survivesWrites, trials: all, header, signal };
}

/** What no rank may have differently. */
export function factsOf({ settings, trials, header }: Ready): Readonly<Record<string, string>> {
  const { name, objective, repeats, recheckEvery, tolerance } = settings;
  const parameters = Object.entries(header.fingerprints);
  return {
    "the sweep": JSON.stringify({ name, objective, repeats, recheckEvery, tolerance }),
    "the names of trials": JSON.stringify(trials.map((trial) => trial.name)),
    "what the trials show": JSON.stringify(trials.map(({ name, id }) => [name, id])),
    ...Object.fromEntries(parameters.map(([name, digest]) => [`the values of ${name}`, digest])),
  };
}

/** The trials that have still to be evaluated: those whose latest record is not that they were, as they are now. */
export function pendingOf(trials: readonly KnownTrial[], entries: readonly Entry[]): readonly KnownTrial[] {
  const latest = new Map<string, string>();
  for (const entry of entries) {
    if (entry.record === "trial") latest.set(entry.name, entry.id);
    if (entry.record === "failure") latest.delete(entry.name);
  }
  return trials.filter(({ name, id }) => latest.get(name) !== id);
}
