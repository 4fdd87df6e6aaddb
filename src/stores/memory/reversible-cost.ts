/** Bytes of showing layers reversibly, before anything is touched. */
import { ValueRangeError } from "../../dtypes/convert.ts";
import type { NumericArray } from "../../dtypes/dtype.ts";
import { shifted } from "../../reversible/codec.ts";
import { estimateParked, mostParked, type Pass } from "../../reversible/estimate.ts";
import { windowCount } from "../../reversible/window.ts";
import type { Step } from "../../step.ts";
import type { Bytes, Layer } from "../../store.ts";
import { codecOf } from "./codecs.ts";
import { transientOf } from "./copy.ts";
import { operandBytes } from "./operands.ts";
import { isLocal } from "./parts.ts";
import type { Entry } from "./record.ts";
import { applyPlain, isPlain } from "./steps.ts";

/** What a step without a codec makes of a sample; user code is not asked, and taken to change nothing. */
function changeOf({ dtype, parameter }: Entry, step: Step<NumericArray>): Pass {
  return (window, first, count) => {
    if (!isPlain(step)) return;
    try {
      applyPlain({ data: window.subarray(0, count), dtype, first }, parameter, step);
    } catch (error) {
      // Opening will say which value is outside the dtype.
      if (!(error instanceof ValueRangeError)) throw error;
    }
  };
}

/** A pass, and whether positions are those in a shard. */
interface Positioned {
  readonly pass: Pass;
  readonly local: boolean;
}

/** Runs of a shard that an estimate looks at, at most. */
const MOST_RUNS = 8;

/** Bytes that passes over a parameter, or over the runs of a shard, will park. */
function estimate(entry: Entry, passes: readonly Positioned[]): number {
  const runs = entry.shard?.runs ?? [{ global: 0, local: 0, length: entry.data.length }];
  const step = Math.ceil(runs.length / MOST_RUNS);
  const sample = runs.filter((_, i) => i % step === 0);
  const parked = sample.map(({ global, local, length }) => {
    const moved = passes.map(({ pass, local: isHere }): Pass => {
      const offset = isHere ? local : global;
      if (typeof pass !== "function") return shifted(pass, offset);
      return (window, first, count) => pass(window, first + offset, count);
    });
    return estimateParked(entry.data.subarray(local, local + length), moved);
  });
  const lengthOf = (some: readonly { readonly length: number }[]): number =>
    some.reduce((sum, { length }) => sum + length, 0);
  const bytes = parked.reduce((sum, each) => sum + each, 0);
  return Math.round((bytes * lengthOf(runs)) / Math.max(1, lengthOf(sample)));
}

/**
 * What `added` adds above whatever is shown. What is parked is an estimate, from a sample of what is visible now.
 *
 * @param isFirst - whether nothing is shown yet
 * @param plane - whether scales park one bit of every element
 */
export function costOfReversible(
  entry: Entry,
  isFirst: boolean,
  { steps }: Layer<NumericArray>,
  plane: boolean,
): Bytes {
  const { data } = entry;
  /** Digests, operands, what is kept whole: known exactly. */
  let kept = isFirst ? 8 * windowCount(data) : 0;
  let mostOfParked = 0;
  const passes: Positioned[] = [];
  for (const step of steps) {
    const known = codecOf(entry, step, { own: false, plane });
    if (known === undefined) {
      kept += data.byteLength + operandBytes(step);
      passes.push({ pass: changeOf(entry, step), local: isLocal(step) });
    } else {
      kept += known.bytes;
      mostOfParked += mostParked(data);
      passes.push({ pass: known.codec, local: isLocal(step) });
    }
  }
  return {
    held: kept + estimate(entry, passes),
    most: kept + mostOfParked,
    shared: new Map(),
    transient: Math.max(0, ...steps.map((step) => transientOf(entry, step))),
  };
}
