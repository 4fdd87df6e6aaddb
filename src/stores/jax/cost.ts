/** Bytes of showing steps on an array, known before anything is touched. */
import type { Delta, Step } from "../../step.ts";
import type { Bytes } from "../../store.ts";
import { productShape } from "./arithmetic.ts";
import { bytesOf, type JaxArray } from "./arrays.ts";

type Steps = readonly Step<JaxArray>[];

/** What the step at `i` makes of its own: nothing where its result is given, or zeros that stay, which are shared. */
function madeBy(steps: Steps, i: number, bytes: number): number {
  const step = steps[i];
  if (step === undefined || (step.op === "replace" && step.by.kind === "values")) return 0;
  return isShared(steps, i) ? 0 : bytes;
}

/** Whether the step at `i` shows the zeros that parameters share: only what shows them to the end does. */
export function isShared(steps: Steps, i: number): boolean {
  return i === steps.length - 1 && steps[i]?.op === "zero";
}

/** What a delta is added from, beside what is given: noise, and the factor that is transposed or brought into blocks. */
function operandBytes(delta: Delta<JaxArray>, bytes: number): number {
  if (delta.kind === "noise") return bytes;
  if (delta.kind !== "lowRank") return 0;
  const { a, b, loraRank, layout } = delta;
  if (layout === "inOut") return bytesOf(b);
  const isBlocked = productShape(b.size / loraRank, a.size / loraRank, loraRank, a.device).length > 2;
  return isBlocked ? bytesOf(a) : 0;
}

/** What a step needs beside the value it starts from and its result. Sums and products are one kernel each. */
function temporariesOf(step: Step<JaxArray>, bytes: number): number {
  if (step.op === "add") return operandBytes(step.delta, bytes);
  return step.op === "replace" && step.by.kind === "computed" && step.by.returns === "delta" ? bytes : 0;
}

/** Bytes at the worst moment of a pass over the steps. */
function peakOf(steps: Steps, bytes: number): number {
  let value = 0;
  let peak = 0;
  for (const [i, step] of steps.entries()) {
    const made = madeBy(steps, i, bytes);
    peak = Math.max(peak, value + temporariesOf(step, bytes) + made);
    value = made;
  }
  return peak;
}

/** Everything a pass over the steps makes but its result. */
export function temporaryBytes(steps: Steps, bytes: number): number {
  let sum = -madeBy(steps, steps.length - 1, bytes);
  for (const [i, step] of steps.entries()) sum += madeBy(steps, i, bytes) + temporariesOf(step, bytes);
  return sum;
}

/**
 * Whether the kernel of a pass over the steps may wait for the first who reads its result. Until then what it needs is
 * kept: nothing much, where one kernel makes the result of what is given.
 */
export function mayWait(steps: Steps): boolean {
  const [step] = steps;
  if (step === undefined || steps.length > 1) return step === undefined;
  if (step.op === "add") return step.delta.kind !== "noise";
  return step.op !== "replace" || step.by.kind === "values";
}

/** @param zeros - the zeros that all parameters share */
export function costOf(steps: Steps, bytes: number, zeros: ReadonlyMap<string, number>): Bytes {
  const last = steps.length - 1;
  const held = madeBy(steps, last, bytes);
  return {
    held,
    shared: isShared(steps, last) ? zeros : new Map(),
    transient: peakOf(steps, bytes) - held,
  };
}
