/** A report for a pull request or a lab book: GitHub's Markdown, tables without figures. */
import type { Results } from "../../sweep/records.ts";
import { summarize, type Summary } from "../../sweep/summary.ts";
import {
  aboutIntervals,
  baselineOf,
  bestChange,
  describeSweep,
  ending,
  evidence,
  fingerprintOf,
  proofs,
  times,
  warnings,
} from "./facts.ts";
import { count, formatStatistics } from "./numbers.ts";
import { groupsOf } from "./points.ts";
import { arranged, headingOf } from "./sections.ts";
import { failuresTable, heldTable, pointsTable, type Table, trialsTable } from "./tables.ts";
import { visible } from "./text.ts";

/**
 * Text that stays text, on one line. Entities, because they can neither begin emphasis, code, links nor HTML, nor end a
 * cell; underscores inside of words mean nothing and stay as they are.
 */
function plain(text: string): string {
  return visible(text).replaceAll(
    /[&<>\\`*[\]|~#$@]|(?<![\p{L}\p{N}])_|_(?![\p{L}\p{N}])|:(?=\/\/)/gu,
    (character) => `&#${character.codePointAt(0)!};`,
  );
}

const inCell = (text: string): string => text.split(/\r?\n/).map(plain).join("<br>");

function tableMarkdown({ heads, rows }: Table): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [
    line(heads.map(({ text }) => inCell(text))),
    line(heads.map(({ isNumeric }) => (isNumeric ? "---:" : "---"))),
    // Numbers are ours.
    ...rows.map((row) => line(row.map((cell, at) => (heads[at]!.isNumeric ? cell : inCell(cell))))),
  ].join("\n");
}

function bestLine(summary: Summary): string {
  const { best, header } = summary;
  if (best === undefined) return "- Best: no trial";
  const value = formatStatistics(best.metrics[header.objective.metric]);
  return `- ${best.verdict === "better" ? "Best" : "Best of the trials"}: ${value} (${bestChange(summary)}), ${plain(best.name)}`;
}

/** The report of a sweep, finished or not. */
export function renderMarkdown(results: Results): string {
  const summary = summarize(results);
  const { header, baseline, receipts, failures, held } = summary;
  const groups = groupsOf(summary).map(arranged);
  const blocks = [
    `# ${plain(header.name)}`,
    plain(describeSweep(summary)),
    ...warnings(summary).map((warning) => `**${plain(warning)}**`),
    [
      `- Baseline: ${formatStatistics(baselineOf(summary))} ${plain(header.objective.metric)}, evaluated ${count(baseline.evaluations, "time")}`,
      bestLine(summary),
      `- ${count(receipts.trials, "trial")}, ${count(failures.length, "failure")}`,
      `- ${evidence(summary)} ${ending(summary)}`,
    ].join("\n"),
    ...groups.flatMap(({ kind, points }) => [
      `## ${plain(headingOf(kind).title)}`,
      tableMarkdown(pointsTable(points, summary)),
    ]),
    ...(held.length === 0 ? [] : ["## Memory held", tableMarkdown(heldTable(summary))]),
    ...(failures.length === 0 ? [] : ["## Failures", tableMarkdown(failuresTable(failures))]),
    "## Receipt",
    [
      `- Proofs: ${plain(proofs(summary))}`,
      `- Model: ${fingerprintOf(summary)} (digest of its parameters' fingerprints)`,
      `- Time: ${times(summary)}`,
    ].join("\n"),
    ...(results.trials.length === 0
      ? []
      : ["## All trials", tableMarkdown(trialsTable(results.trials, summary))]),
    aboutIntervals,
  ];
  return `${blocks.join("\n\n")}\n`;
}
