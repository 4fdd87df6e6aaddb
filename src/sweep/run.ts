/** Runs a sweep, from its beginning or from where it was interrupted. */
import { agreeOnAsync } from "../distributed/agree.ts";
import type { Communicator } from "../distributed/communicator.ts";
import { solo } from "../distributed/solo.ts";
import { checkAlike, measureBaseline } from "./baseline.ts";
import type { Sweep } from "./define.ts";
import { now } from "./evaluate.ts";
import { Journal } from "./journal.ts";
import { factsOf, type KnownTrial, pendingOf, prepare, type Ready } from "./prepare.ts";
import { Teller } from "./progress.ts";
import { ofAll, ofFirst, together } from "./ranks.ts";
import { checkSame, readKnown } from "./read.ts";
import {
  type BaselineRecord,
  type Entry,
  type FailureRecord,
  type Header,
  inOneOrder,
  type Results,
  resultsOf,
  type TrialRecord,
} from "./records.ts";
import { checkRunOptions, neverAborted, type RunOptions } from "./run-options.ts";
import { runTrials } from "./run-trials.ts";

interface Known {
  readonly header: Header;
  readonly entries: readonly Entry[];
}

/** What is recorded at the beginning, on all ranks. */
async function knownTo(comm: Communicator, path: string | undefined, { header }: Ready): Promise<Known> {
  const known = await together(comm, async () => {
    if (comm.rank !== 0 || path === undefined) return { header, entries: [] };
    const { header: recorded = header, entries } = await readKnown(path);
    checkSame(path, recorded, "this sweep", header);
    return { header: recorded, entries };
  });
  return ofFirst(comm, known);
}

/** Measures the model as it is for the first time in this run. */
async function begin(
  comm: Communicator,
  ready: Ready,
  journal: Journal,
  known: BaselineRecord | undefined,
): Promise<BaselineRecord> {
  const { rank } = comm;
  const first = await together(comm, () => measureBaseline(ready, rank, known && Object.keys(known.metrics)));
  const reference = known ?? (await ofFirst(comm, first));
  await together(comm, async () => {
    checkAlike(ready, reference, first);
    await journal.add(first);
  });
  return reference;
}

/**
 * Runs a sweep: the model as it is, and then each trial in a theater of its own. What fails is recorded, and the rest goes
 * on. With `results` it can be killed at any time and run again: what was finished is not evaluated again.
 *
 * The model is borrowed until the promise settles, and then it has the bits that it had.
 *
 * @param sweep - see {@link defineSweep}
 * @returns what is known about the trials of this sweep, those found in the results included; with a communicator the same
 *   on all ranks
 * @throws TypeError, RangeError for options that make no sense, before anything is called
 * @throws what making the model, the trials or the first evaluation throws
 * @throws SweepError `bad_metrics`, `baseline_moved`, `duplicate_trial`; about the file, which is then left as it is:
 *   `bad_results`, `results_in_use`, `other_sweep`, `other_model`
 * @throws RestoreError if the model may not be what it was; the reason of `signal`
 * @throws CommunicatorError `peer_failed` where another rank failed, `ranks_disagree`, `timed_out`
 * @example
 * import { quantize, store } from "surgical-theater";
 * import { defineSweep, runSweep } from "surgical-theater/sweep";
 *
 * const model = { w: Float32Array.from({ length: 64 }, (_, i) => i / 64) };
 * const sweep = defineSweep({
 *   name: "formats",
 *   store,
 *   model,
 *   evaluate: ({ w }) => ({ error: w.reduce((sum, each, i) => sum + (each - i / 64) ** 2, 0) }),
 *   minimize: "error",
 *   trials: [{ name: "NF4", modification: quantize({ format: "bnb-nf4" }), layers: "all" }],
 * });
 * const { baselines, trials } = await runSweep(sweep);
 * console.log(baselines[0]!.metrics, trials[0]!.metrics["error"]![0]! > 0); // { error: [ 0 ] } true
 */
export async function runSweep<S, T, M extends S, K extends string>(
  sweep: Sweep<S, T, M, K>,
  options: RunOptions = {},
): Promise<Results> {
  checkRunOptions(options);
  const { results: path, signal = neverAborted, onProgress, communicator: comm = solo() } = options;
  const { rank, size } = comm;
  const ready = await together(comm, () => prepare(sweep, signal));
  await agreeOnAsync(comm, { ...factsOf(ready), results: path === undefined ? "none" : "a file" });
  const journal = await together(comm, () => Journal.open(path, rank, ready.header));
  try {
    const { header, entries } = await knownTo(comm, path, ready);
    const found = resultsOf(header, entries);
    const pending = pendingOf(ready.trials, entries);
    const ours = ofSweep(ready.trials);
    const mine = pending.filter((_, i) => i % size === rank);
    const teller = new Teller(onProgress, { ...found, trials: ours(found.trials) }, mine.length);
    teller.tell(undefined, journal.notice);
    // Also where nothing is left to do: what is recorded is of no use if evaluate has come to measure something else.
    const reference = await begin(comm, ready, journal, found.baselines[0]);
    teller.measured(reference.metrics);
    await together(comm, () => runTrials({ ready, rank, journal, teller, reference }, mine));
    await together(comm, () => journal.add({ record: "end", identical: true, rank, finished: now() }));
    teller.tell();
    const added = await ofAll(comm, journal.entries);
    const { trials, failures, ...results } = resultsOf(header, [...entries, ...inOneOrder(added)]);
    return { ...results, trials: ours(trials), failures: ours(failures) };
  } finally {
    await journal.close();
  }
}

/** Of records those of a sweep's trials, with the kinds and tags that these have now. */
function ofSweep(
  trials: readonly KnownTrial[],
): <R extends TrialRecord | FailureRecord>(records: readonly R[]) => readonly R[] {
  const byId = new Map(trials.map((trial) => [trial.id, trial]));
  return (records) =>
    records.flatMap((record) => {
      const trial = byId.get(record.id);
      return trial === undefined ? [] : [{ ...record, kind: trial.kind, tags: trial.tags }];
    });
}
