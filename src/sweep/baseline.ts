/** The model as it is: what it gives, and whether it is still what it was. */
import { messageOf, RestoreError, SweepError, TheaterStateError } from "../errors.ts";
import { measure, now } from "./evaluate.ts";
import type { Ready } from "./prepare.ts";
import type { BaselineRecord } from "./records.ts";

/** Names who wrote to the model, where a theater without a modification says that somebody did. */
function named(error: unknown): unknown {
  const message = `evaluate writes to the model. ${messageOf(error)}. Let it write to nothing: a sweep evaluates one model again and again.`;
  if (error instanceof RestoreError) {
    return new RestoreError(error.code, error.failures, message, { cause: error });
  }
  return error instanceof TheaterStateError && error.code === "written_inside"
    ? new TheaterStateError(error.code, message, error.parameters, { cause: error })
    : error;
}

/**
 * Measures the model as it is, in a theater without a modification: an evaluation that writes to it is found out.
 *
 * @param names - those of the metrics; undefined in the first evaluation
 */
export async function measureBaseline(
  ready: Ready,
  rank: number,
  names?: readonly string[],
): Promise<BaselineRecord> {
  const { metrics, evaluateMs } = await measure(ready, {}, names).catch((error: unknown) => {
    throw named(error);
  });
  return { record: "baseline", metrics, evaluateMs, rank, finished: now() };
}

/**
 * Makes sure that the model is what it was, and that evaluating it gives what it gave.
 *
 * @returns what it gave now, to be recorded
 * @throws SweepError `baseline_moved`
 */
export async function remeasure(
  ready: Ready,
  rank: number,
  reference: BaselineRecord,
): Promise<BaselineRecord> {
  const { store } = ready.settings;
  const fingerprints = await store.fingerprints(ready.model);
  const { fingerprints: before } = ready.header;
  const moved = Object.keys(before).filter((name) => fingerprints.get(name) !== before[name]);
  if (moved.length > 0) {
    const [first] = moved as [string];
    throw new SweepError(
      "baseline_moved",
      `The model is not what it was when the sweep began: the digest of ${first} was ${before[first]}, and is ` +
        `${fingerprints.get(first) ?? "gone"}${moved.length > 1 ? ` (and ${moved.length - 1} more parameters changed)` : ""}. ` +
        "Something writes to it outside of theaters. The trials since it was last looked at are recorded as failed, all others " +
        "stay valid. Find what writes, load the model again and run the sweep again: it goes on from here.",
      { parameters: moved },
    );
  }
  const again = await measureBaseline(ready, rank, Object.keys(reference.metrics));
  checkAlike(ready, reference, again);
  return again;
}

/** @throws SweepError `baseline_moved` unless two baselines are alike, within the tolerance */
export function checkAlike(
  { settings: { tolerance } }: Ready,
  reference: BaselineRecord,
  again: BaselineRecord,
): void {
  for (const [name, values] of Object.entries(again.metrics)) {
    const before = reference.metrics[name] ?? [];
    const repeat = values.findIndex((value, i) => !(Math.abs(value - before[i]!) <= tolerance));
    if (repeat < 0) continue;
    throw new SweepError(
      "baseline_moved",
      `Evaluating the model as it is gave ${name} = ${before[repeat]} first, and now ${values[repeat]} ` +
        `(repeat ${repeat}, tolerance ${tolerance}), though its parameters are the same bits. What was recorded stays valid. ` +
        "Either it measures something else now, such as other data: then begin another file of results. Or it does not give the " +
        "same for the same model: seed what it draws at random, with `repeat`, and let it keep nothing from call to call; or " +
        "say how far it may be off: tolerance. Then run the sweep again: it goes on from here.",
    );
  }
}
