/** What a reader wants to know first. */
import type { Statistics } from "../../sweep/statistics.ts";
import type { Summary } from "../../sweep/summary.ts";
import { baselineOf, bestChange, proofs } from "./facts.ts";
import { type Content, html, type Markup, named } from "./markup.ts";
import { count, formatInterval, formatMean } from "./numbers.ts";

interface Tile {
  readonly label: string;
  readonly value: Content;
  readonly details: readonly Content[];
}

/** A mean, and below it the interval, where one is known. */
function measured(label: string, statistics: Statistics | undefined, ...details: readonly Content[]): Tile {
  if (statistics === undefined) return { label, value: "–", details };
  const interval = formatInterval(statistics);
  return {
    label,
    value: formatMean(statistics),
    details: interval === "" ? details : [interval, ...details],
  };
}

/** Four of them, side by side where there is room. */
export function tiles(summary: Summary): Markup {
  const { header, baseline, best, receipts, failures, points } = summary;
  const { metric } = header.objective;
  const { identical, trials } = receipts;
  const evaluated = `, evaluated ${count(baseline.evaluations, "time")}`;
  const all: readonly Tile[] = [
    measured("Baseline", baselineOf(summary), [named(metric), evaluated]),
    best === undefined
      ? { label: "Best", value: "–", details: ["no trial"] }
      : measured(
          best.verdict === "better" ? "Best" : "Best of the trials",
          best.metrics[metric],
          `${bestChange(summary)} against the baseline`,
          named(best.name),
        ),
    {
      label: "Trials",
      value: trials,
      details: [count(points.length, "point"), count(failures.length, "failure")],
    },
    {
      label: "Back bit for bit",
      value: `${identical} of ${trials}`,
      details: trials === 0 ? [] : [`by ${proofs(summary)}`],
    },
  ];
  return html`<dl class="tiles">
    ${all.map(
      ({ label, value, details }) =>
        html`<div>
          <dt>${label}</dt>
          <dd>${value}</dd>
          ${details.map((detail) => html`<dd>${detail}</dd>`)}
        </div> `,
    )}
  </dl>`;
}
