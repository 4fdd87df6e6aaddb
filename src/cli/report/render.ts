/** Reports of a sweep, in each of their formats. */
import type { Results } from "../../sweep/records.ts";
import { renderCsv } from "./csv.ts";
import { renderHtml } from "./html.ts";
import { renderJson } from "./json.ts";
import { renderMarkdown } from "./markdown.ts";

/** Names of the formats, which are also how files of them end. */
export const formats = ["html", "md", "csv", "json"] as const;

export type Format = (typeof formats)[number];

const renderers: Readonly<Record<Format, (results: Results) => string>> = {
  html: renderHtml,
  md: renderMarkdown,
  csv: renderCsv,
  json: renderJson,
};

/** The whole text of a report: the same for the same results, byte for byte. */
export function render(format: Format, results: Results): string {
  return renderers[format](results);
}
