/** One theater with evaluations in it, and what is recorded of it. */
import { messageOf } from "../errors.ts";
import type { Options } from "../options.ts";
import type { Receipt } from "../receipt.ts";
import { checkMetrics, type Metrics, samplesOf } from "./metrics.ts";
import type { KnownTrial, Ready } from "./prepare.ts";
import type { FailureRecord, Samples, TrialRecord } from "./records.ts";

/** What evaluating gave. */
export interface Measured {
  readonly metrics: Samples;
  readonly evaluateMs: number;
  readonly receipt: Receipt;
}

/** For records. */
export const now = (): string => new Date().toISOString();

/**
 * Evaluates what a theater shows. It has closed when this returns or throws.
 *
 * @param names - those of the metrics; undefined in the first evaluation
 */
export async function measure(
  { settings, model, verifies, signal }: Ready,
  given: Options<unknown>,
  names: readonly string[] | undefined,
): Promise<Measured> {
  const { store, repeats, objective, evaluate } = settings;
  let receipt: Receipt | undefined;
  let evaluateMs = 0;
  const onReceipt = (closed: Receipt): void => void (receipt = closed);
  const options: Options<unknown> = {
    ...given,
    ...(verifies && { verify: "fingerprint" }),
    signal,
    onReceipt,
  };
  const metrics = await store.withTheaterAsync(model, options, async (visible) => {
    const all: Metrics[] = [];
    for (let repeat = 0; repeat < repeats; repeat++) {
      signal.throwIfAborted();
      const begin = performance.now();
      const returned = await evaluate(visible, { repeat, signal });
      evaluateMs += performance.now() - begin;
      all.push(checkMetrics(returned, objective.metric, names ?? (all[0] && Object.keys(all[0]))));
    }
    return samplesOf(all);
  });
  return { metrics, evaluateMs, receipt: receipt! };
}

/** Evaluates one trial. @param names - those of the metrics */
export async function measureTrial(
  ready: Ready,
  { options, ...trial }: KnownTrial,
  rank: number,
  names: readonly string[],
): Promise<TrialRecord> {
  const { metrics, evaluateMs, receipt } = await measure(ready, options, names);
  const { modifications, technique, heldBytes, targetBytes, identical, openMs, closeMs } = receipt;
  return {
    record: "trial",
    ...trial,
    metrics,
    modifications,
    technique,
    heldBytes,
    targetBytes,
    identical,
    proofs: [...new Set([...receipt.parameters.values()].map(({ by }) => by))],
    openMs,
    closeMs,
    evaluateMs,
    rank,
    finished: now(),
  };
}

/** A text that something thrown has. Anything can be thrown, also what cannot be read. */
export function textOf(thrown: unknown, key: "name" | "code" | "message"): string | undefined {
  try {
    const value = (thrown as Partial<Record<string, unknown>> | null | undefined)?.[key];
    return typeof value === "string" ? value : undefined;
  } catch {
    return undefined;
  }
}

/** The record of a trial that threw. */
export function failureOf(
  { id, name, kind, tags }: Pick<KnownTrial, "id" | "name" | "kind" | "tags">,
  rank: number,
  thrown: unknown,
): FailureRecord {
  const code = textOf(thrown, "code");
  const error = {
    name: textOf(thrown, "name") ?? "Error",
    ...(code !== undefined && { code }),
    message: textOf(thrown, "message") ?? messageOf(thrown),
  };
  return { record: "failure", id, name, kind, tags, error, rank, finished: now() };
}
