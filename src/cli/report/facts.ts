/** The sentences of a report that its formats share. */
import { fingerprint } from "../../fingerprint.ts";
import { formatBytes } from "../../receipt.ts";
import type { Statistics } from "../../sweep/statistics.ts";
import type { Summary } from "../../sweep/summary.ts";
import { changeFormat, count, formatDuration, formatInstant } from "./numbers.ts";

/** What intervals are, and are not. */
export const aboutIntervals =
  "Intervals are 95 % confidence intervals of the mean, by Student's t. Samples are seeds where a point has several, " +
  "each the mean of its repeats; else they are repeats. Of a single sample there is no interval, and no mark for chance. Intervals say how much a metric varies between these, not how " +
  "it would on other data. The best of many trials is partly luck.";

/** What was swept, when, and what decides. */
export function describeSweep({ header, finished }: Summary): string {
  const { fingerprints, modelBytes, objective, repeats, started } = header;
  const aim = `${objective.mode === "max" ? "highest" : "lowest"} ${objective.metric}`;
  const time =
    finished === undefined ? "" : `, took ${formatDuration(Date.parse(finished) - Date.parse(started))}`;
  return [
    `${count(Object.keys(fingerprints).length, "parameter")}, ${formatBytes(modelBytes)}`,
    `started ${formatInstant(started)}${time}`,
    `objective: ${aim}`,
    `each trial evaluated ${count(repeats, "time")}`,
  ].join(" · ");
}

/** Which proof the receipts give, all together. */
export function evidence({ receipts }: Summary): string {
  const { trials, identical } = receipts;
  if (trials === 0) return "No trial was completed, so there is no receipt.";
  return `${identical} of ${count(trials, "trial")} brought the model back bit for bit.`;
}

/** How the sweep ended. */
export function ending({ receipts, header }: Summary): string {
  const parameters = Object.keys(header.fingerprints).length;
  switch (receipts.atEnd) {
    case undefined:
      return "The sweep is not finished: its parameters have not been compared with those of the beginning yet.";
    case true:
      return `At the end all ${count(parameters, "parameter")} had the fingerprints of the beginning.`;
    case false:
      return "At the end not all parameters had the fingerprints of the beginning: the model has changed.";
  }
}

/** Why a reader should not take the numbers as they are; empty where all is well. */
export function warnings(summary: Summary): readonly string[] {
  const { receipts, failures, finished } = summary;
  const { trials, identical, atEnd } = receipts;
  return [
    ...(finished === undefined ? [`Not finished: ${count(trials, "trial")} so far.`] : []),
    ...(failures.length > 0
      ? [
          `${count(failures.length, "trial")} failed, and ${failures.length === 1 ? "is" : "are"} listed below.`,
        ]
      : []),
    ...(identical < trials
      ? [`After ${count(trials - identical, "trial")} the model was not back bit for bit.`]
      : []),
    ...(atEnd === false ? [ending(summary)] : []),
  ];
}

/** One digest of all parameters' digests, in the order of their names. */
export function fingerprintOf({ header }: Summary): string {
  const entries = Object.entries(header.fingerprints).sort(([a], [b]) => (a < b ? -1 : 1));
  return fingerprint(new TextEncoder().encode(JSON.stringify(entries)));
}

/** `identity (73 trials), fingerprint (2 trials)`. */
export function proofs({ receipts }: Summary): string {
  const all = Object.entries(receipts.proofs).map(
    ([proof, trials]) => `${proof} (${count(trials, "trial")})`,
  );
  return all.join(", ") || "none";
}

/** Where the time went. */
export function times({ totals }: Summary): string {
  const { baselineMs, evaluateMs, theaterMs, ranks } = totals;
  return [
    `evaluating trials ${formatDuration(evaluateMs)}`,
    `evaluating the baseline ${formatDuration(baselineMs)}`,
    `opening and closing theaters ${formatDuration(theaterMs)}`,
    ...(ranks > 1 ? [`added up over ${count(ranks, "rank")}`] : []),
  ].join(", ");
}

/** Of the objective's metric. */
export function baselineOf({ baseline, header }: Summary): Statistics | undefined {
  return baseline.metrics[header.objective.metric];
}

/** Of the best point. */
export function bestChange({ best }: Summary): string {
  return changeFormat([best?.change])(best?.change);
}
