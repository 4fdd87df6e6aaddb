/** What a sweep found, in a few lines for a terminal. The report has the rest. */
import { formatBytes } from "../receipt.ts";
import type { Point, Summary } from "../sweep/summary.ts";
import { table } from "./output.ts";
import { changeFormat, formatStatistics } from "./report/numbers.ts";
import { visible } from "./report/text.ts";

/** The point of each kind that is furthest from the baseline, for better and for worse. */
function extremes(points: readonly Point[]): readonly Point[] {
  const kinds = new Map<string, Point[]>();
  for (const point of points) kinds.set(point.kind, [...(kinds.get(point.kind) ?? []), point]);
  return [...kinds.values()].flatMap((all) => {
    const known = all.filter(({ change }) => change !== undefined).sort((a, b) => a.change! - b.change!);
    return [...new Set([known[0], known.at(-1)])].filter((point) => point !== undefined);
  });
}

/** What deciding points gave, or why there are none. */
function findings({ header, points, best }: Summary): readonly string[] {
  const { metric } = header.objective;
  if (points.length === 0) return ["No trial was completed."];
  const all = extremes(points);
  const change = changeFormat(all.map((point) => point.change));
  const value = (point: Point): string => formatStatistics(point.metrics[metric]);
  return [
    table([
      ["kind", "lowest and highest", metric, "change"],
      ...all.map((point) => [point.kind, point.name, value(point), change(point.change)]),
    ]),
    "",
    best?.verdict === "better"
      ? `Best: ${visible(best.name)}, ${value(best)}`
      : "None is better than the model as it is",
  ];
}

/** The text. */
export function conclusions(summary: Summary): string {
  const { header, baseline, failures, receipts, held } = summary;
  const { metric, mode } = header.objective;
  const most = Math.max(0, ...held.map(({ heldBytes }) => heldBytes));
  return [
    ...failures.map(({ name, error }) => `Failed: ${visible(name)}: ${visible(error.message)}`),
    `${visible(header.name)}: ${visible(metric)} (${mode === "max" ? "more" : "less"} is better) of the model as it is: ` +
      formatStatistics(baseline.metrics[metric]),
    "",
    ...findings(summary),
    `${receipts.identical} of ${receipts.trials} trials brought the model back bit for bit` +
      (receipts.atEnd === true ? "; at the end it is identical" : ""),
    `At most ${formatBytes(most)} were held; a copy of the model is ${formatBytes(header.modelBytes)}`,
  ].join("\n");
}
