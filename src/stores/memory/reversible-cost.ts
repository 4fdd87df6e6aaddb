/** Bytes of showing layers reversibly, before anything is touched. */
import { ValueRangeError } from "../../dtypes/convert.ts";
import type { NumericArray } from "../../dtypes/dtype.ts";
import { estimateParked, mostParked, type Pass } from "../../reversible/estimate.ts";
import { windowCount } from "../../reversible/window.ts";
import { type Bytes, type Layer, type Step } from "../../store.ts";
import { codecOf } from "./codecs.ts";
import { transientOf } from "./copy.ts";
import { operandBytes } from "./operands.ts";
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
  const passes: Pass[] = [];
  for (const step of steps) {
    const known = codecOf(entry, step, { own: false, plane });
    if (known === undefined) {
      kept += data.byteLength + operandBytes(step);
      passes.push(changeOf(entry, step));
    } else {
      kept += known.bytes;
      mostOfParked += mostParked(data);
      passes.push(known.codec);
    }
  }
  return {
    held: kept + estimateParked(data, passes),
    most: kept + mostOfParked,
    shared: new Map(),
    transient: Math.max(0, ...steps.map((step) => transientOf(entry, step))),
  };
}
