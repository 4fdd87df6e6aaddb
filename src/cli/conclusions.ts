/** What a sweep found, in a few lines for a terminal. The report has the rest. */
import { formatBytes } from "../receipt.ts";
import type { Point, Summary } from "../sweep/summary.ts";
import { table } from "./output.ts";
import { visible } from "./report/text.ts";

const digits = (value: number): string => value.toPrecision(4);

/** `0.9611 ± 0.0040`, half of the 95 % interval. */
function shown(point: Point, metric: string): string {
  const statistics = point.metrics[metric];
  if (statistics === undefined) return "–";
  const { mean, interval } = statistics;
  return interval === undefined
    ? digits(mean)
    : `${digits(mean)} ± ${digits((interval[1] - interval[0]) / 2)}`;
}

/** The point of each kind that is furthest from the baseline, for better and for worse. */
function extremes(points: readonly Point[]): readonly Point[] {
  const kinds = new Map<string, Point[]>();
  for (const point of points) kinds.set(point.kind, [...(kinds.get(point.kind) ?? []), point]);
  return [...kinds.values()].flatMap((all) => {
    const known = all.filter(({ change }) => change !== undefined).sort((a, b) => a.change! - b.change!);
    return [...new Set([known[0], known.at(-1)])].filter((point) => point !== undefined);
  });
}

/** The text. */
export function conclusions({ header, baseline, points, best, failures, receipts, held }: Summary): string {
  const { metric, mode } = header.objective;
  const most = Math.max(0, ...held.map(({ heldBytes }) => heldBytes));
  const rows = extremes(points).map((point) => [
    point.kind,
    point.name,
    shown(point, metric),
    `${point.change! > 0 ? "+" : ""}${digits(point.change!)}`,
  ]);
  return [
    `${visible(header.name)}: ${metric} (${mode === "max" ? "more" : "less"} is better) of the model as it is: ` +
      digits(baseline.metrics[metric]!.mean),
    "",
    table([["kind", "lowest and highest", metric, "change"], ...rows]),
    "",
    best?.verdict === "better"
      ? `Best: ${visible(best.name)}, ${shown(best, metric)}`
      : "None is better than the model as it is",
    `${receipts.identical} of ${receipts.trials} trials brought the model back bit for bit` +
      (receipts.atEnd === true ? "; at the end it is identical" : ""),
    `At most ${formatBytes(most)} were held; a copy of the model is ${formatBytes(header.modelBytes)}`,
    ...failures.map(({ name, error }) => `Failed: ${visible(name)}: ${visible(error.message)}`),
  ].join("\n");
}
