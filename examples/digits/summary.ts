/** What the demo says at the end, and what it checks. */
import { formatBytes, formatReceipt, type Receipt } from "../../src/tfjs.ts";
import { percent } from "./progress.ts";
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
  return formatTable([header, ...views.map(rowOf)], 2);
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

/** Everything that is not as it should be, in words. */
export function failures(rounds: readonly Round[], leastAccuracy: number): readonly string[] {
  const found: string[] = [];
  for (const view of ["plain", "EMA"] as const) {
    const { accuracy } = rounds.at(-1)!.validations[view];
    if (accuracy < leastAccuracy) {
      found.push(`${view}: ${percent(accuracy)} accurate, less than ${percent(leastAccuracy)}`);
    }
  }
  if (receiptsOf(rounds).some(({ identical }) => !identical)) found.push("a receipt says that bits differ");
  if (rounds.some(({ before, after }) => before !== after))
    found.push("a round changed the digest of the weights");
  if (rounds.some(({ leaked }) => leaked !== 0)) found.push("a round left tensors behind");
  return found;
}

function receiptsOf(rounds: readonly Round[]): readonly Receipt[] {
  return rounds.flatMap(({ validations }) => views.map((view) => validations[view].receipt));
}

/** Columns as wide as their widest cell: text to the left, figures to the right. */
function formatTable(rows: readonly (readonly string[])[], textColumns: number): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const line = (row: readonly string[]): string =>
    row.map((cell, i) => (i < textColumns ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join("  ");
  const [header, ...body] = rows.map(line);
  return [header, widths.map((width) => "─".repeat(width)).join("  "), ...body].join("\n");
}
