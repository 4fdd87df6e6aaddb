/** What `evaluate` returns, checked. */
import { describeValue, SweepError } from "../errors.ts";
import { didYouMean } from "../hints.ts";
import { isRecord } from "../plain.ts";
import type { Samples } from "./records.ts";

/** The metrics of one evaluation. */
export type Metrics = Readonly<Record<string, number>>;

function refuse(problem: string): SweepError {
  return new SweepError(
    "bad_metrics",
    `${problem}. Every parameter is back. evaluate must return an object of finite numbers, the same ones each time.`,
  );
}

/**
 * @param returned - what `evaluate` returned; it stays its own
 * @param objective - the metric that decides
 * @param names - those of the first evaluation; undefined in the first one
 * @throws SweepError `bad_metrics`
 */
export function checkMetrics(
  returned: unknown,
  objective: string,
  names: readonly string[] | undefined,
): Metrics {
  if (!isRecord(returned)) throw refuse(`evaluate returned ${describeValue(returned)}`);
  // Read once: it may be one object that is written to each time, or compute its properties.
  const entries = Object.entries(returned);
  const given = entries.map(([name]) => name);
  if (!given.includes(objective)) {
    throw refuse(
      `evaluate returned no metric ${JSON.stringify(objective)}, which is to decide.${didYouMean(objective, given)} ` +
        `It returned ${given.join(", ") || "nothing"}`,
    );
  }
  for (const [name, value] of entries) {
    if (typeof value !== "number") throw refuse(`metric ${name} is ${describeValue(value)}, and no number`);
    if (!Number.isFinite(value)) throw refuse(`metric ${name} is ${value}`);
  }
  const missing = names?.find((name) => !given.includes(name));
  if (missing !== undefined) throw refuse(`metric ${missing} is missing`);
  const added = names && given.find((name) => !names.includes(name));
  if (added !== undefined)
    throw refuse(`metric ${added} was not there in the first evaluation, that of the results`);
  return Object.fromEntries(entries) as Metrics;
}

/** By metric, the values of all repeats. */
export function samplesOf(repeats: readonly Metrics[]): Samples {
  const names = Object.keys(repeats[0]!);
  return Object.fromEntries(names.map((name) => [name, repeats.map((metrics) => metrics[name]!)]));
}
