/** Changes of the objective over two tags. */
import { cell, text } from "@observablehq/plot";
import type { Point } from "../../sweep/summary.ts";
import { colours, type Figure, marginFor, rowLabels } from "./figure.ts";
import { html, named } from "./markup.ts";
import { type Group, tellingKeysOf, titleOf } from "./points.ts";
import { unitsIn, visible } from "./text.ts";

/** Which tag goes down, and which across. */
export interface Axes {
  readonly rows: string;
  readonly columns: string;
}

const valuesOf = (points: readonly Point[], key: string): readonly (string | number)[] => [
  ...new Set(points.map(({ tags }) => tags[key]!)),
];

/** The two tags that tell points apart, if there are two, of several values each. Numbers go across. */
export function heatMapAxes(points: readonly Point[]): Axes | undefined {
  const keys = tellingKeysOf(points);
  const [a, b] = keys;
  if (a === undefined || b === undefined || keys.length > 2) return undefined;
  if (!points.every(({ tags }) => Object.hasOwn(tags, a) && Object.hasOwn(tags, b))) return undefined;
  const places = new Set(points.map(({ tags }) => JSON.stringify([tags[a], tags[b]])));
  if (places.size < points.length) return undefined;
  const isNumeric = (key: string): boolean => points.every(({ tags }) => typeof tags[key] === "number");
  return isNumeric(a) && !isNumeric(b) ? { rows: b, columns: a } : { rows: a, columns: b };
}

/** Numbers in their order, everything else as it came. */
function ordered(values: readonly (string | number)[]): readonly (string | number)[] {
  return values.every((value) => typeof value === "number") ? [...values].sort((a, b) => a - b) : values;
}

/** At most 60 %, so that text is readable on every cell. */
function fillOf({ change, verdict }: Point, largest: number): string {
  if (change === undefined || verdict === undefined || verdict === "same") return colours.paper;
  const share = Math.round((60 * Math.abs(change)) / largest);
  return `color-mix(in oklab, ${colours[verdict]} ${share}%, ${colours.paper})`;
}

export function heatMapFigure(group: Group, axes: Axes): Figure {
  const { points } = group;
  const rows = ordered(valuesOf(points, axes.rows));
  const columns = ordered(valuesOf(points, axes.columns));
  const largest = Math.max(...points.map(({ change }) => Math.abs(change ?? 0)));
  const data = points.map((point) => ({
    x: columns.indexOf(point.tags[axes.columns]!),
    y: rows.indexOf(point.tags[axes.rows]!),
    fill: fillOf(point, largest),
    change: group.formatChange(point.change),
    title: titleOf(point, group),
  }));
  const [down, across] = [rows, columns].map((values) => rowLabels(values.map(String)));
  // Names beside each other would run into one another.
  const upright = Math.max(...across!.map(unitsIn)) * columns.length > 60;
  const top = upright ? marginFor(across!) + 22 : 48;
  return {
    options: {
      height: top + 10 + 28 * rows.length,
      marginLeft: marginFor(down!),
      marginRight: 12,
      marginTop: top,
      marginBottom: 10,
      padding: 0.04,
      x: {
        domain: columns.keys(),
        tickFormat: (x: number) => across![x]!,
        axis: "top",
        tickSize: 0,
        tickRotate: upright ? -90 : 0,
        label: visible(axes.columns),
        labelAnchor: "center",
        labelArrow: "none",
        labelOffset: top - 8,
      },
      y: {
        type: "band",
        domain: rows.keys(),
        tickFormat: (y: number) => down![y]!,
        tickSize: 0,
        label: null,
      },
      marks: [
        cell(data, {
          x: "x",
          y: "y",
          fill: { value: "fill", scale: null },
          stroke: colours.line,
          title: "title",
        }),
        columns.length > 10
          ? undefined
          : text(data, { x: "x", y: "y", text: "change", fill: colours.ink, pointerEvents: "none" }),
      ],
    },
    note: html`Change of the mean of ${named(group.objective.metric)} against the baseline, the stronger the
      larger: <span class="better">better</span>, <span class="worse">worse</span>.`,
  };
}
