/** What the page says at the end, to people. */
import { type BackendResults, endAlike, isReproducible, type Round } from "./results.ts";

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

function formatRounds(rounds: readonly Round[]): string {
  const row = (cells: readonly string[]): string => cells.map((cell) => cell.padStart(8)).join("");
  return [
    row(["step", "plain", "noisy", "scaled"]),
    ...rounds.map(({ step, ...losses }) =>
      row([`${step}`, ...[losses.plain, losses.noisy, losses.scaled].map((loss) => loss.toFixed(3))]),
    ),
  ].join("\n");
}

function formatEnds(results: BackendResults): string {
  if (endAlike(results)) return `SHA-256 of all weights at the end, of every training: ${results.validated}`;
  if (isReproducible(results)) {
    const { plain, validated, examined } = results;
    return `SHA-256 of all weights at the end: ${plain[0]} without, ${validated} and ${examined} with validations`;
  }
  return "No two trainings end with the same bits on this backend, with or without validations.";
}

/** The results of one backend. */
export function formatResults(results: BackendResults): string {
  const { backend, rounds, receipts, compared, ticks, ms } = results;
  return `
${backend}: ${seconds(ms.plain)} without validations, ${seconds(ms.validated)} with them, ${seconds(ms.examined)} with a close look before and after each

Loss on held-out digits
${formatRounds(rounds)}

swap    ${receipts.swap.last}
stream  ${receipts.stream.last}
${receipts.swap.identical + receipts.stream.identical} of ${receipts.swap.count + receipts.stream.count} theaters gave back identical bits
${compared.tensors} weights and optimizer slots (${compared.buffers} in a buffer of the device) compared before and after ${compared.times} validations: ${compared.changes.length} differences
While fit ran with validations a timer ticked ${ticks.count} times, at most ${ticks.longestGapMs.toFixed(0)} ms apart
${formatEnds(results)}`;
}
