/** The tables of a report, as texts: pages and Markdown write them each in their way. */
import { formatBytes } from "../../receipt.ts";
import type { FailureRecord, TrialRecord } from "../../sweep/records.ts";
import { type Statistics, statisticsOf } from "../../sweep/statistics.ts";
import type { Point, Summary } from "../../sweep/summary.ts";
import type { Tags } from "../../sweep/trial.ts";
import { changeFormat, commonDecimals, formatDuration, formatStatistics } from "./numbers.ts";
import { tagKeysOf } from "./points.ts";

/** One column: its head, and what it says of a row. */
interface Column<Row> {
  readonly head: string;
  readonly isNumeric?: boolean;
  readonly cell: (row: Row) => string;
}

/** Cells may have several lines, and hold any character. */
export interface Table {
  readonly heads: readonly { readonly text: string; readonly isNumeric: boolean }[];
  readonly rows: readonly (readonly string[])[];
}

function tableOf<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): Table {
  return {
    heads: columns.map(({ head, isNumeric = false }) => ({ text: head, isNumeric })),
    rows: rows.map((row) => columns.map(({ cell }) => cell(row))),
  };
}

/** Statistics of one metric, all with the same decimals. */
function metricColumn<Row>(
  metric: string,
  rows: readonly Row[],
  statistics: (row: Row) => Statistics | undefined,
): Column<Row> {
  const decimals = commonDecimals(rows.map(statistics));
  return { head: metric, isNumeric: true, cell: (row) => formatStatistics(statistics(row), decimals) };
}

const overlapText = (overlaps: boolean | undefined): string =>
  overlaps === undefined ? "–" : overlaps ? "overlap" : "apart";

/** Points of one kind, with every metric. */
export function pointsTable(points: readonly Point[], { metrics, header }: Summary): Table {
  const keys = tagKeysOf(points);
  const format = changeFormat(points.map(({ change }) => change));
  const columns: Column<Point>[] = [
    ...(keys.length === 0 ? [{ head: "trial", cell: ({ name }: Point) => name }] : []),
    ...keys.map((key) => ({
      head: key,
      isNumeric: points.every(({ tags }) => typeof tags[key] !== "string"),
      cell: ({ tags }: Point) => `${tags[key] ?? "–"}`,
    })),
    ...metrics.map((metric) => metricColumn(metric, points, (point) => point.metrics[metric])),
    {
      head: `change of ${header.objective.metric}`,
      isNumeric: true,
      cell: ({ change }) => format(change),
    },
    { head: "intervals of both", cell: ({ overlaps }) => overlapText(overlaps) },
    {
      head: "samples",
      isNumeric: true,
      cell: (point) => `${point.metrics[header.objective.metric]?.count ?? 0}`,
    },
  ];
  return tableOf(points, columns);
}

const tagsText = (tags: Tags): string =>
  Object.entries(tags)
    .map(([key, value]) => `${key}=${value}`)
    .join(", ");

/** Every trial, with every metric. */
export function trialsTable(trials: readonly TrialRecord[], { metrics, totals }: Summary): Table {
  return tableOf<TrialRecord>(trials, [
    { head: "trial", cell: ({ name }) => name },
    { head: "kind", cell: ({ kind }) => kind },
    { head: "tags", cell: ({ tags }) => tagsText(tags) },
    ...metrics.map((metric) =>
      metricColumn(metric, trials, (trial) => trial.metrics[metric] && statisticsOf(trial.metrics[metric])),
    ),
    { head: "modification", cell: ({ modifications }) => modifications.join("\n") },
    { head: "technique", cell: ({ technique }) => technique },
    { head: "held", isNumeric: true, cell: ({ heldBytes }) => formatBytes(heldBytes) },
    { head: "open, close", isNumeric: true, cell: (trial) => formatDuration(trial.openMs + trial.closeMs) },
    { head: "evaluate", isNumeric: true, cell: ({ evaluateMs }) => formatDuration(evaluateMs) },
    ...(totals.ranks > 1
      ? [{ head: "rank", isNumeric: true, cell: ({ rank }: TrialRecord) => `${rank}` }]
      : []),
    { head: "back bit for bit", cell: ({ identical }) => (identical ? "yes" : "no") },
  ]);
}

/** What threw. */
export function failuresTable(failures: readonly FailureRecord[]): Table {
  return tableOf(failures, [
    { head: "trial", cell: ({ name }) => name },
    { head: "kind", cell: ({ kind }) => kind },
    {
      head: "error",
      cell: ({ error }) => (error.code === undefined ? error.name : `${error.name} (${error.code})`),
    },
    { head: "message", cell: ({ error }) => error.message },
  ]);
}

/** Most bytes held, by kind and technique. */
export function heldTable({ held, header }: Summary): Table {
  const share = (bytes: number, whole: number): string =>
    whole === 0 ? "–" : `${((100 * bytes) / whole).toFixed(1)} %`;
  return tableOf(held, [
    { head: "kind", cell: ({ kind }) => kind },
    { head: "technique", cell: ({ technique }) => technique },
    { head: "held", isNumeric: true, cell: ({ heldBytes }) => formatBytes(heldBytes) },
    {
      head: "of the modified parameters",
      isNumeric: true,
      cell: ({ heldBytes, targetBytes }) => share(heldBytes, targetBytes),
    },
    {
      head: "of the model",
      isNumeric: true,
      cell: ({ heldBytes }) => share(heldBytes, header.modelBytes),
    },
  ]);
}
