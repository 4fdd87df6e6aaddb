/** The summary as it is, for other programs. */
import type { Results } from "../../sweep/records.ts";
import { summarize } from "../../sweep/summary.ts";

/** JSON has no NaN and no infinities, and would make null of them. */
const spelt = (_: string, value: unknown): unknown =>
  typeof value === "number" && !Number.isFinite(value) ? String(value) : value;

/** `version` is that of this format. Numbers that are not finite are the strings `"NaN"`, `"Infinity"`, `"-Infinity"`. */
export function renderJson(results: Results): string {
  return `${JSON.stringify({ version: 1, ...summarize(results) }, spelt, 2)}\n`;
}
