/** Norms of the outputs of a parameter with a low-rank delta, from whatever parts of the parameter are here. */
/* oxlint-disable typescript/no-non-null-assertion -- indices are in range by construction; a check would cost the loop */
import { ExactSum, PARTS, quotient, sumOfParts } from "./exact-sum.ts";
import { matrixOf } from "./matrix.ts";
import type { Run } from "./shard.ts";
import type { LowRank } from "./step.ts";

/** Host values, and which elements of the parameter they are. */
export interface Parts {
  /** Of the unmerged base. */
  readonly original: ArrayLike<number>;
  readonly runs: readonly Run[];
  readonly a: ArrayLike<number>;
  readonly b: ArrayLike<number>;
}

/**
 * `Σ (original + scaling · b · a)²` of each output over those of its elements that are here: each element and its square
 * in float64, the sum without rounding, so that it does not matter where elements are.
 *
 * @returns {@link PARTS} numbers for each output, which can be added to those of other parts
 */
export function squaresOfOutputs(
  shape: readonly number[],
  { scaling, loraRank, layout }: Pick<LowRank<unknown>, "scaling" | "loraRank" | "layout">,
  { original, runs, a, b }: Parts,
): Float64Array {
  const { outputs, inputs } = matrixOf(shape, layout);
  const [perOutput, perInput] = layout === "outIn" ? [inputs, 1] : [1, outputs];
  const parts = new Float64Array(outputs * PARTS);
  const sum = new ExactSum();
  for (let output = 0; output < outputs; output++) {
    sum.reset();
    for (const run of runs) {
      const [first, end] = inputsIn(run, output, perOutput, perInput, inputs);
      for (let input = first; input < end; input++) {
        let delta = 0;
        for (let k = 0; k < loraRank; k++)
          delta += scaling * b[output * loraRank + k]! * a[k * inputs + input]!;
        const local = output * perOutput + input * perInput - run.global + run.local;
        sum.add((original[local]! + delta) ** 2);
      }
    }
    sum.toParts(parts.subarray(output * PARTS, (output + 1) * PARTS));
  }
  return parts;
}

/** The inputs of an output whose elements lie in a run. */
function inputsIn(
  { global, length }: Run,
  output: number,
  perOutput: number,
  perInput: number,
  inputs: number,
): readonly [first: number, end: number] {
  const begin = output * perOutput;
  const first = Math.ceil((global - begin) / perInput);
  const end = Math.ceil((global + length - begin) / perInput);
  return [Math.max(0, first), Math.min(inputs, end)];
}

/** Square roots of what {@link squaresOfOutputs} gives, added up; NaN for an output with a number that is not finite. */
export function rootsOfOutputs(parts: Float64Array): Float64Array {
  return Float64Array.from({ length: parts.length / PARTS }, (_, output) => {
    const sum = sumOfParts(parts.subarray(output * PARTS, (output + 1) * PARTS));
    return sum === undefined ? NaN : Math.sqrt(quotient(sum, 1n, -1074));
  });
}
