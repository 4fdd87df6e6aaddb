/**
 * Results for other programs: RFC 4180, in UTF-8, a row for each trial and metric, and for each failure.
 *
 * Columns are the same for every sweep, followed by one for each tag, `tag:` and its name, in alphabetical order.
 *
 * Texts that spreadsheets would take for formulas get an apostrophe in front, also those that begin with apostrophes
 * before such a character, so that taking one off such a text gives back what it was. Numbers are as they are.
 */
import type { BaselineRecord, FailureRecord, Results, Samples, TrialRecord } from "../../sweep/records.ts";
import { statisticsOf } from "../../sweep/statistics.ts";
import { summarize } from "../../sweep/summary.ts";
import type { Tags } from "../../sweep/trial.ts";

const columns = [
  "record",
  "name",
  "kind",
  "metric",
  "count",
  "mean",
  "deviation",
  "low",
  "high",
  "change",
  "samples",
  "modifications",
  "technique",
  "held_bytes",
  "target_bytes",
  "identical",
  "proofs",
  "open_ms",
  "close_ms",
  "evaluate_ms",
  "rank",
  "error",
] as const;

/** Lists are of numbers, with spaces between. */
type Value = string | number | boolean | readonly number[] | undefined;
type Row = Partial<Record<(typeof columns)[number], Value>> & { readonly tags?: Tags };

function field(value: Value): string {
  if (typeof value === "object") return value.join(" ");
  if (typeof value !== "string") return String(value ?? "");
  const safe = /^'*[=+\-@\t\r\n＝＋－＠]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** `means` are those of the baseline. */
function metricRows(metrics: Samples, means: Readonly<Record<string, number>>, row: Row): readonly Row[] {
  return Object.entries(metrics).map(([metric, samples]) => {
    const { count, mean, deviation, interval } = statisticsOf(samples);
    const baseline = Object.hasOwn(means, metric) ? means[metric]! : undefined;
    const change = baseline === undefined ? undefined : mean - baseline;
    const statistics = { metric, count, mean, deviation, low: interval?.[0], high: interval?.[1], change };
    return { ...row, ...statistics, samples };
  });
}

const baselineRow = ({ evaluateMs, rank }: BaselineRecord): Row => ({
  record: "baseline",
  evaluate_ms: evaluateMs,
  rank,
});

const trialRow = (trial: TrialRecord): Row => ({
  record: "trial",
  name: trial.name,
  kind: trial.kind,
  tags: trial.tags,
  modifications: trial.modifications.join("; "),
  technique: trial.technique,
  held_bytes: trial.heldBytes,
  target_bytes: trial.targetBytes,
  identical: trial.identical,
  proofs: trial.proofs.join(" "),
  open_ms: trial.openMs,
  close_ms: trial.closeMs,
  evaluate_ms: trial.evaluateMs,
  rank: trial.rank,
});

const failureRow = ({ name, kind, tags, rank, error }: FailureRecord): Row => ({
  record: "failure",
  name,
  kind,
  tags,
  rank,
  error: `${error.name}: ${error.message}`,
});

/** All measurements of a sweep, finished or not. */
export function renderCsv(results: Results): string {
  const { baselines, trials, failures } = results;
  const { metrics } = summarize(results).baseline;
  const means = Object.fromEntries(Object.entries(metrics).map(([name, { mean }]) => [name, mean]));
  const rows = [
    ...baselines.flatMap((each) => metricRows(each.metrics, means, baselineRow(each))),
    ...trials.flatMap((each) => metricRows(each.metrics, means, trialRow(each))),
    ...failures.map(failureRow),
  ];
  const tags = [...new Set(rows.flatMap((row) => Object.keys(row.tags ?? {})))].sort();
  const line = (values: readonly Value[]): string => `${values.map(field).join(",")}\r\n`;
  const tagIn = (row: Row, tag: string): Value =>
    row.tags !== undefined && Object.hasOwn(row.tags, tag) ? row.tags[tag] : undefined;
  return [
    line([...columns, ...tags.map((tag) => `tag:${tag}`)]),
    ...rows.map((row) =>
      line([...columns.map((column) => row[column]), ...tags.map((tag) => tagIn(row, tag))]),
    ),
  ].join("");
}
