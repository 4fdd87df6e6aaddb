/** What the example prints. */
// In a project of your own: from "surgical-theater/tfjs".
import { formatBytes, formatReceipt } from "../../src/tfjs.ts";
import { deviation, mean } from "../support/statistics.ts";
import { formatTable, yes } from "../support/table.ts";
import { alarm, watched } from "./hacking.ts";
import { type Round, type Validation, validationsOf } from "./validate.ts";

const steps = (value: number): string => value.toFixed(0);
const metres = (value: number): string => value.toFixed(2);

export function formatRounds(rounds: readonly Round[]): string {
  return formatTable(0, [
    ["update", "proxy in training", "true, held out", "under noise", "averaged", "bits identical"],
    ...rounds.map((round) => {
      const { update, travelled, plain, averaged, noisy } = round;
      const isUntouched = validationsOf(round).every(
        ({ receipt, digests: [before, after] }) => receipt.identical && before === after,
      );
      return [
        String(update),
        `${metres(travelled)} m`,
        steps(plain.balanced),
        meanAndDeviation(noisy.map(({ balanced }) => balanced)),
        steps(averaged.balanced),
        `${yes(isUntouched)}, ${plain.digests[1].slice(0, 8)}`,
      ];
    }),
  ]);
}

/** `412 ± 31`: the mean, and the standard deviation of a sample. */
function meanAndDeviation(values: readonly number[]): string {
  return `${steps(mean(values))} ± ${steps(deviation(values)).padStart(3)}`;
}

/** A line of blocks for each return, from 0 to the most that it reached, and when it gave the alarm. */
export function formatChart(rounds: readonly Round[]): string {
  const lines = Object.entries(watched).map(([name, returnOf]) => {
    const values = rounds.map(returnOf);
    const most = Math.max(...values);
    const bars = values.map((value) => "▁▂▃▄▅▆▇█"[Math.min(7, Math.floor((8 * value) / most))]).join("");
    const noticed = alarm(rounds, returnOf)?.at;
    return `${name.padEnd(27)}${bars}  ${noticed === undefined ? "nothing noticed" : `noticed at ${noticed.update}`}`;
  });
  return lines.join("\n");
}

/** When validation told and when the training reward did, and what has become of both returns. */
export function formatConclusion(rounds: readonly Round[]): string {
  const plain = alarm(rounds, watched["plain validation"]);
  if (plain === undefined) return "Hacking was not noticed.";
  const [last, training] = [rounds.at(-1)!, alarm(rounds, watched["training reward"])];
  const until = training === undefined ? `the end (update ${last.update})` : `update ${training.at.update}`;
  const { best, at } = plain;
  return (
    `hacking noticed at update ${at.update} by validation; the training reward alone noticed nothing until ${until}\n` +
    `          from update ${best.update} to the end the proxy rose from ${metres(best.travelled)} m to ${metres(last.travelled)} m, ` +
    `and the true return fell from ${steps(best.plain.balanced)} steps to ${steps(last.plain.balanced)}`
  );
}

/** What the receipts of all validations say, and the digests that do not rely on them. */
export function formatProof(rounds: readonly Round[]): string {
  const all = rounds.flatMap(validationsOf);
  const identical = all.filter(({ receipt }) => receipt.identical).length;
  const untouched = all.filter(({ digests: [before, after] }) => before === after).length;
  const { plain, averaged, noisy } = rounds.at(-1)!;
  const held = ({ receipt }: Validation): string => formatBytes(receipt.heldBytes);
  return [
    `Receipts  ${identical} of ${all.length} validations gave back identical bits; the last one:`,
    `          ${formatReceipt(noisy.at(-1)!.receipt)}`,
    `Held      ${held(plain)} by a plain validation, ${held(averaged)} to show the average, ${held(noisy[0]!)} under noise; ` +
      `a copy of the policy is ${formatBytes(plain.receipt.modelBytes)}`,
    `SHA-256   of the weights, the same before and after ${untouched} of ${all.length} validations; the last one:`,
    `          ${noisy.at(-1)!.digests[0]} before`,
    `          ${noisy.at(-1)!.digests[1]} after`,
  ].join("\n");
}
