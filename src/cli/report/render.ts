/** Reports of a sweep, in each of their formats. */
import type { Results } from "../../sweep/records.ts";
import { renderCsv } from "./csv.ts";
import type { Format } from "./formats.ts";
import { renderHtml } from "./html.ts";
import { renderJson } from "./json.ts";
import { renderMarkdown } from "./markdown.ts";

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
