/** What the example prints. */
// In a project of your own: from "surgical-theater/jax".
import { formatBytes } from "../../src/jax.ts";
import { formatTable, yes } from "../support/table.ts";
import type { Way } from "./compare.ts";
import type { Trial } from "./sweep.ts";
import type { Round } from "./validate.ts";

/** To the last digit: two losses that are printed alike are the same number. */
const exact = (loss: number): string => String(loss);

export function formatRounds(rounds: readonly Round[]): string {
  return formatTable(1, [
    [
      "step",
      "training loss",
      "merged in theater",
      "merged in graph",
      "equal",
      "base bits identical",
      "live bytes",
    ],
    ...rounds.map(({ step, trainingLoss, inTheater, inGraph, digests, live }) => [
      String(step),
      trainingLoss.toFixed(4),
      exact(inTheater),
      exact(inGraph),
      yes(inTheater === inGraph),
      `${yes(digests[0] === digests[1])}, ${digests[1].slice(0, 8)}`,
      String(live[1]),
    ]),
  ]);
}

export function formatWays(ways: Readonly<Record<string, Way>>): string {
  return formatTable(1, [
    ["", "held", "peak, evaluation included", "merging and freeing", "whole validation"],
    ...Object.entries(ways).map(([name, { heldBytes, peakBytes, mergeMs, ms }]) => [
      name,
      formatBytes(heldBytes),
      formatBytes(peakBytes),
      `${mergeMs.toFixed(2)} ms`,
      `${ms.toFixed(0)} ms`,
    ]),
  ]);
}

export function formatTrials(trials: readonly Trial[]): string {
  return formatTable(1, [
    ["strength", "in a theater", "in an overlay", "equal", "theater took", "overlay took"],
    ...trials.map(({ strength, inTheater, inOverlay, theaterMs, overlayMs }) => [
      String(strength),
      exact(inTheater),
      exact(inOverlay),
      yes(inTheater === inOverlay),
      `${theaterMs.toFixed(0)} ms`,
      `${overlayMs.toFixed(0)} ms`,
    ]),
  ]);
}
