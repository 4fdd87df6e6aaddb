/** Whether the runs of all ranks are a parameter: every element, each as often as any other. */
import { LayoutError } from "../errors.ts";
import type { Run, ShardLayout } from "./layouts.ts";
import { elementsOf, runsOf } from "./runs.ts";

/**
 * Checks a layout without traffic, so that every rank comes to the same result: that it fits the shape and the number
 * of ranks, and that the ranks together hold every element, each as often as any other.
 *
 * @param shape - of the whole parameter
 * @param size - number of ranks
 * @throws RangeError for a layout that does not fit
 * @throws LayoutError with the first offending element, and who holds it
 * @example
 * import { checkLayout, shard } from "surgical-theater/distributed";
 *
 * checkLayout(shard(0), [10, 4], 3);
 * checkLayout(shard(0, [4, 4, 2]), [10, 4], 3);
 */
export function checkLayout(layout: ShardLayout, shape: readonly number[], size: number): void {
  runsOf(layout, shape, { rank: 0, size });
  // The others are complete by the way they cut.
  if (layout.kind === "given") checkCoverage(layout.runs, shape);
}

/**
 * @param runs - of all ranks, by rank
 * @throws LayoutError with the first element that is held less or more often than the others
 */
export function checkCoverage(runs: readonly (readonly Run[])[], shape: readonly number[]): void {
  const elements = elementsOf(shape);
  const all = runs.flatMap((own, rank) => own.map((run) => ({ ...run, rank, end: run.global + run.length })));
  const name = `[${shape.join(", ")}]`;
  const outside = all.filter(({ end }) => end > elements);
  if (outside.length > 0) {
    const { rank, global, end } = outside[0]!;
    throw new LayoutError(
      `Rank ${rank} holds elements ${global} to ${end - 1} of ${name}, which has ${elements}. Nothing was changed. ` +
        "Give the layout that the trainer has.",
      Math.max(global, elements),
      [rank],
    );
  }
  const held = all.reduce((sum, { length }) => sum + length, 0);
  // Of something replicated each element is held as often: the nearest whole number is what was meant.
  const copies = Math.max(1, Math.round(held / Math.max(1, elements)));
  const borders = [...new Set([0, ...all.flatMap(({ global, end }) => [global, end])])].sort((a, b) => a - b);
  const change = new Map<number, number>();
  for (const { global, end } of all) {
    change.set(global, (change.get(global) ?? 0) + 1);
    change.set(end, (change.get(end) ?? 0) - 1);
  }
  let count = 0;
  for (const at of borders) {
    count += change.get(at) ?? 0;
    if (at >= elements || count === copies) continue;
    const ranks = all.filter(({ global, end }) => global <= at && at < end).map(({ rank }) => rank);
    throw offence(name, at, ranks, copies);
  }
}

function offence(name: string, element: number, ranks: readonly number[], copies: number): LayoutError {
  const who =
    ranks.length === 0
      ? "on no rank"
      : `on ${ranks.length === 1 ? "rank" : "ranks"} ${ranks.join(", ")}, and must be on ${copies}`;
  return new LayoutError(
    `Element ${element} of ${name} is ${who}. Nothing was changed. Give the layout that the trainer has.`,
    element,
    ranks,
  );
}
