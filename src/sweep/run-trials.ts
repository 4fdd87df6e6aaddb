/** The trials of one rank. */
import { SweepError } from "../errors.ts";
import { remeasure } from "./baseline.ts";
import { failureOf, measureTrial, textOf } from "./evaluate.ts";
import type { Journal } from "./journal.ts";
import type { KnownTrial, Ready } from "./prepare.ts";
import type { Teller } from "./progress.ts";
import type { BaselineRecord, TrialRecord } from "./records.ts";

/** What one rank runs with. */
export interface Run {
  readonly ready: Ready;
  readonly rank: number;
  readonly journal: Journal;
  readonly teller: Teller;
  /** What the model as it is gave first. */
  readonly reference: BaselineRecord;
}

/** Whether the model may not be what it was. By name: the store may be that of another copy of this package. */
function isRestoreError(error: unknown): boolean {
  return textOf(error, "name") === "RestoreError";
}

/** Evaluates one trial, and records what came of it. Returns undefined if it failed. */
async function attempt(
  { ready, rank, journal, reference }: Run,
  trial: KnownTrial,
): Promise<TrialRecord | undefined> {
  let record: TrialRecord;
  try {
    record = await measureTrial(ready, trial, rank, Object.keys(reference.metrics));
  } catch (error) {
    // Who aborts must still hear that the model may not be what it was.
    if (!isRestoreError(error)) ready.signal.throwIfAborted();
    await journal.add(failureOf(trial, rank, error));
    if (isRestoreError(error) || textOf(error, "name") === "AbortError") throw error;
    return undefined;
  }
  await journal.add(record);
  return record;
}

/** Measures the model as it is again. What was evaluated since the last time cannot be relied on if it has changed. */
async function recheck(
  { ready, rank, journal, reference }: Run,
  since: readonly TrialRecord[],
): Promise<void> {
  try {
    await journal.add(await remeasure(ready, rank, reference));
  } catch (error) {
    if (error instanceof SweepError && error.parameters.length > 0) {
      for (const trial of since) await journal.add(failureOf(trial, rank, error));
    }
    throw error;
  }
}

/** Evaluates trials one after the other, and the model as it is in between and at the end. */
export async function runTrials(run: Run, trials: readonly KnownTrial[]): Promise<void> {
  const { ready, teller } = run;
  let since: TrialRecord[] = [];
  let count = 0;
  for (const trial of trials) {
    ready.signal.throwIfAborted();
    teller.tell(trial.name);
    const record = await attempt(run, trial);
    teller.finished(record);
    if (record !== undefined) since.push(record);
    if (++count % ready.settings.recheckEvery !== 0 && count < trials.length) continue;
    await recheck(run, since);
    since = [];
  }
}
