/** The objective along one number. */
import { areaY, dot, gridX, gridY, line, rect, ruleX, ruleY, text } from "@observablehq/plot";
import type { Point } from "../../sweep/summary.ts";
import { colours, type Figure } from "./figure.ts";
import { html } from "./markup.ts";
import { finiteInterval, type Group, isDrawable, statisticsIn, tellingKeysOf, titleOf } from "./points.ts";
import { visible } from "./text.ts";

/** The tag along which each point has a number of its own, if that is what tells them apart. */
export function curveTag(points: readonly Point[]): string | undefined {
  const [key, ...others] = tellingKeysOf(points);
  if (key === undefined || others.length > 0) return undefined;
  const values = points.map(({ tags }) => tags[key]);
  const isNumeric = values.every((value) => typeof value === "number" && Number.isFinite(value));
  return isNumeric && values.length > 1 && new Set(values).size === values.length ? key : undefined;
}

/** Values over more than a decade, all positive, are read on a logarithmic scale. */
function isLogarithmic(values: readonly number[]): boolean {
  return Math.min(...values) > 0 && Math.max(...values) / Math.min(...values) >= 20;
}

export function curveFigure(group: Group, key: string): Figure {
  const { baseline, objective } = group;
  const data = group.points
    .filter((point) => isDrawable(point, group))
    .map((point) => {
      const statistics = statisticsIn(point, group)!;
      const [low, high] = finiteInterval(statistics) ?? [statistics.mean, statistics.mean];
      return { x: Number(point.tags[key]), y: statistics.mean, low, high, title: titleOf(point, group) };
    })
    .sort((a, b) => a.x - b.x);
  const values = data.map(({ x }) => x);
  const logarithmic = isLogarithmic(values);
  const band = finiteInterval(baseline);
  const fewValues = values.length <= 12;
  return {
    options: {
      height: 340,
      marginLeft: 64,
      marginRight: 72,
      marginTop: 28,
      marginBottom: 46,
      x: {
        type: logarithmic ? "log" : "linear",
        label: `${visible(key)}${logarithmic ? " (logarithmic)" : ""}`,
        labelAnchor: "center",
        labelArrow: "none",
        labelOffset: 40,
        inset: 10,
        ...(fewValues ? { ticks: values, tickFormat: String } : {}),
      },
      y: { label: visible(objective.metric), labelArrow: "none", nice: true, insetBottom: 6 },
      marks: [
        gridY({ stroke: colours.line, strokeOpacity: 1 }),
        fewValues ? gridX(values, { stroke: colours.line, strokeOpacity: 1 }) : undefined,
        band === undefined ? undefined : rect([band], { y1: band[0], y2: band[1], fill: colours.band }),
        baseline === undefined
          ? undefined
          : [
              ruleY([baseline.mean], { stroke: colours.ink, strokeDasharray: "4,3" }),
              text([baseline.mean], {
                y: (mean: number) => mean,
                text: () => "baseline",
                frameAnchor: "right",
                textAnchor: "start",
                dx: 6,
              }),
            ],
        areaY(data, { x: "x", y1: "low", y2: "high", fill: colours.accent, fillOpacity: 0.18 }),
        ruleX(data, { x: "x", y1: "low", y2: "high", stroke: colours.accent, strokeOpacity: 0.5 }),
        line(data, { x: "x", y: "y", stroke: colours.accent, strokeWidth: 2 }),
        dot(data, { x: "x", y: "y", r: 4, fill: colours.accent, title: "title" }),
      ],
    },
    note: html`Line: the mean; band around it: its 95 % interval. Dashed: the baseline, with its interval.`,
  };
}
