/** A parameter in memory as the parts that steps are taken on: all of it, or the runs of a shard. */
import type { DType, NumericArray } from "../../dtypes/dtype.ts";
import { operandOf, type Step } from "../../step.ts";
import type { Entry } from "./record.ts";

/** Some elements of a parameter that lie together. */
export interface Part {
  readonly data: NumericArray;
  readonly dtype: DType;
  /** Position of `data[0]` in the parameter, or where it counts in the shard. */
  readonly first: number;
}

/** Whether positions are those in the shard: values that a step is given are as long as it is. */
export function isLocal(step: Step<NumericArray>): boolean {
  return operandOf(step) !== undefined;
}

/** The parts of a parameter; padding is in none. */
export function partsOf({ data, dtype, shard }: Entry, local: boolean): readonly Part[] {
  if (shard === undefined) return [{ data, dtype, first: 0 }];
  return shard.runs.map((run) => ({
    data: data.subarray(run.local, run.local + run.length),
    dtype,
    first: local ? run.local : run.global,
  }));
}
