/** A row for each point: its mean and interval, beside the baseline's. */
import { barX, dot, gridX, rect, ruleX, ruleY, text } from "@observablehq/plot";
import type { Point } from "../../sweep/summary.ts";
import { colours, type Figure, marginFor, rowLabels } from "./figure.ts";
import { html } from "./markup.ts";
import { commonDecimals, formatMean } from "./numbers.ts";
import { finiteInterval, type Group, isDrawable, labelsOf, statisticsIn, titleOf } from "./points.ts";
import { visible } from "./text.ts";

interface Row {
  readonly point: Point;
  readonly y: number;
  readonly x: number;
  readonly low: number;
  readonly high: number;
  readonly colour: string;
  /** Paper where the interval and the baseline's overlap. */
  readonly fill: string;
  readonly title: string;
}

function colourOf({ verdict }: Point): string {
  return verdict === "better" || verdict === "worse" ? colours[verdict] : colours.quiet;
}

/** Positions relative to `origin`. */
function rowOf(point: Point, y: number, group: Group, origin: number): Row {
  const statistics = statisticsIn(point, group)!;
  const [low, high] = finiteInterval(statistics) ?? [statistics.mean, statistics.mean];
  const colour = colourOf(point);
  return {
    point,
    y,
    x: statistics.mean - origin,
    low: low - origin,
    high: high - origin,
    colour,
    fill: point.overlaps === true ? colours.paper : colour,
    title: titleOf(point, group),
  };
}

/** What the colours of points mean. */
const legend = html`<span class="better">better</span>, <span class="worse">worse</span> than the baseline,
  hollow where the intervals overlap, so that it may be chance.`;

/** @param as - `bars` show changes against the baseline, `dots` the metric itself */
export function rowsFigure(group: Group, as: "bars" | "dots"): Figure {
  const { baseline, objective } = group;
  const asBars = as === "bars" && baseline !== undefined && Number.isFinite(baseline.mean);
  const origin = asBars ? baseline.mean : 0;
  const labels = rowLabels(labelsOf(group.points));
  const rows = group.points.flatMap((point, y) =>
    isDrawable(point, group) ? [rowOf(point, y, group, origin)] : [],
  );
  const decimals = commonDecimals(group.points.map((point) => statisticsIn(point, group)));
  const value = ({ point }: Row): string =>
    asBars ? group.formatChange(point.change) : formatMean(statisticsIn(point, group)!, decimals);
  const metric = visible(objective.metric);
  const isTall = labels.length > 30;
  const band = finiteInterval(baseline);
  const at = { y: "y", title: "title" } as const;
  return {
    options: {
      height: (isTall ? 92 : 50) + 24 * labels.length,
      marginLeft: marginFor(labels),
      marginRight: 76,
      marginTop: isTall ? 42 : 8,
      marginBottom: 42,
      y: {
        type: "band",
        domain: labels.keys(),
        tickFormat: (y: number) => labels[y]!,
        tickSize: 0,
        label: null,
        padding: 0.35,
      },
      x: {
        axis: isTall ? "both" : "bottom",
        label: asBars ? `change of ${metric}` : metric,
        labelAnchor: "center",
        labelArrow: "none",
        labelOffset: 38,
        nice: true,
      },
      marks: [
        gridX({ stroke: colours.line, strokeOpacity: 1 }),
        band === undefined
          ? undefined
          : rect([band], { x1: band[0] - origin, x2: band[1] - origin, fill: colours.band }),
        asBars
          ? barX(rows, { ...at, x1: 0, x2: "x", fill: "fill", stroke: "colour", insetTop: 1, insetBottom: 1 })
          : undefined,
        baseline === undefined
          ? undefined
          : ruleX([baseline.mean - origin], {
              stroke: colours.ink,
              strokeDasharray: asBars ? "none" : "4,3",
            }),
        ruleY(rows, {
          y: "y",
          x1: "low",
          x2: "high",
          stroke: asBars ? colours.ink : "colour",
          strokeWidth: asBars ? 1.25 : 2,
        }),
        asBars
          ? undefined
          : dot(rows, { ...at, x: "x", r: 4.5, fill: "fill", stroke: "colour", strokeWidth: 2 }),
        text(rows, { y: "y", text: value, frameAnchor: "right", textAnchor: "end", dx: 70 }),
      ],
    },
    note: asBars
      ? html`Bars: change of the mean. Lines: 95 % intervals. Grey: the baseline's. ${legend}`
      : html`Dots: means. Lines: 95 % intervals. Dashed: the baseline, with its interval. ${legend}`,
  };
}
