/** What the demo says at the end, and what it checks. */
import { formatBytes, formatReceipt, type Receipt } from "../../src/tfjs.ts";
import type { Checks } from "../support/checks.ts";
import { formatTable, percent } from "../support/table.ts";
import type { Round } from "./rounds.ts";
import { type View, views } from "./views.ts";

/** One row for each view: how accurate it is, and what showing it held. */
export function formatViews(rounds: readonly Round[]): string {
  const rowOf = (view: View): readonly string[] => {
    const all = rounds.map(({ validations }) => validations[view]);
    const { accuracy, plan, receipt } = all.at(-1)!;
    return [
      view,
      receipt.modifications.join(", ") || "none, a guard only",
      percent(accuracy),
      percent(Math.max(...all.map((each) => each.accuracy))),
      formatBytes(receipt.heldBytes),
      percent(receipt.heldBytes / receipt.modelBytes),
      formatBytes(plan.peakBytes),
    ];
  };
  const header = ["view", "modification", "final", "best", "held", "of a copy", "peak"];
  return formatTable(2, [header, ...views.map(rowOf)]);
}

/** What the receipts say, and the digests that do not rely on them. */
export function formatProof(rounds: readonly Round[]): string {
  const receipts = receiptsOf(rounds);
  const identical = receipts.filter((receipt) => receipt.identical).length;
  const untouched = rounds.filter(({ before, after }) => before === after).length;
  const { before, after } = rounds.at(-1)!;
  return [
    `Receipts  ${identical} of ${receipts.length} validations gave back identical bits; the last one:`,
    `          ${formatReceipt(receipts.at(-1)!)}`,
    `SHA-256   of all weights, the same before and after ${untouched} of ${rounds.length} rounds; the last one:`,
    `          ${before} before`,
    `          ${after} after`,
  ].join("\n");
}

/** What must hold of all rounds. */
export function checkRounds(checks: Checks, rounds: readonly Round[], leastAccuracy: number): void {
  for (const view of ["plain", "EMA"] as const) {
    const { accuracy } = rounds.at(-1)!.validations[view];
    checks.that(
      accuracy >= leastAccuracy,
      `${view}: ${percent(accuracy)} accurate, less than ${percent(leastAccuracy)}`,
    );
  }
  checks.each(receiptsOf(rounds), ({ identical }) => identical, "a receipt says that bits differ");
  checks.each(rounds, ({ before, after }) => before === after, "a round changed the digest of the weights");
  checks.each(rounds, ({ leaked }) => leaked === 0, "a round left tensors behind");
}

function receiptsOf(rounds: readonly Round[]): readonly Receipt[] {
  return rounds.flatMap(({ validations }) => views.map((view) => validations[view].receipt));
}
