/** What figures and tables need to know about the points of one kind. */
import type { Objective } from "../../sweep/records.ts";
import type { Statistics } from "../../sweep/statistics.ts";
import { groupBy, type Point, type Summary } from "../../sweep/summary.ts";
import { changeFormat, formatStatistics } from "./numbers.ts";
import { visible } from "./text.ts";

/** Points of one kind, and what they are compared with. */
export interface Group {
  readonly kind: string;
  readonly points: readonly Point[];
  readonly objective: Objective;
  /** Of the objective's metric. */
  readonly baseline: Statistics | undefined;
  /** How its changes are written, all alike. */
  readonly formatChange: (change: number | undefined) => string;
}

/** One for each kind, in the order in which kinds are first met. */
export function groupsOf({ points, header, baseline }: Summary): readonly Group[] {
  const { objective } = header;
  return groupBy(points, ({ kind }) => kind).map((group) => ({
    kind: group[0]!.kind,
    points: group,
    objective,
    baseline: baseline.metrics[objective.metric],
    formatChange: changeFormat(group.map(({ change }) => change)),
  }));
}

/** Tags that any of the points has, in the order in which they are first met. */
export function tagKeysOf(points: readonly Point[]): readonly string[] {
  return [...new Set(points.flatMap(({ tags }) => Object.keys(tags)))];
}

/** Those of them in which points differ. */
export function tellingKeysOf(points: readonly Point[]): readonly string[] {
  return tagKeysOf(points).filter(
    (key) => new Set(points.map(({ tags }) => (Object.hasOwn(tags, key) ? tags[key] : undefined))).size > 1,
  );
}

/** What tells a point from the others of its kind: its name if its tags do not. */
export function labelsOf(points: readonly Point[]): readonly string[] {
  const keys = tellingKeysOf(points);
  const label = ({ tags }: Point): string =>
    keys
      .filter((key) => Object.hasOwn(tags, key))
      .map((key) => (keys.length === 1 ? `${tags[key]}` : `${key} ${tags[key]}`))
      .join(", ");
  const labels = points.map(label);
  const tell = new Set(labels).size === points.length && !labels.includes("");
  return tell ? labels : points.map(({ name }) => name);
}

/** Of the objective's metric. */
export function statisticsIn(point: Point, { objective }: Group): Statistics | undefined {
  return point.metrics[objective.metric];
}

/** Whether a figure can show it. */
export function isDrawable(point: Point, group: Group): boolean {
  return Number.isFinite(statisticsIn(point, group)?.mean);
}

/** The interval, where it is one that a figure can show. */
export function finiteInterval(
  statistics: Statistics | undefined,
): readonly [low: number, high: number] | undefined {
  return statistics?.interval?.every(Number.isFinite) ? statistics.interval : undefined;
}

/** What a pointer that rests on the mark of a point is told. */
export function titleOf(point: Point, group: Group): string {
  const value = formatStatistics(statisticsIn(point, group));
  const change = group.formatChange(point.change);
  return visible(`${point.name}: ${group.objective.metric} ${value}, change ${change}`);
}
