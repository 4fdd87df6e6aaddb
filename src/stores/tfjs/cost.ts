/** Bytes of showing layers on a tensor, known before anything is touched. */
import type { Tensor } from "@tensorflow/tfjs-core";
import { isResult, operandsOf, type Step } from "../../step.ts";
import type { Bytes, Layer, Parameter, Technique } from "../../store.ts";
import { bytesOf, lowRankTemporaries } from "./low-rank.ts";
import { isKept } from "./operands.ts";
import { isMadeFor } from "./showing.ts";
import { hasZeros, zerosKey } from "./zeros.ts";

type Steps = Layer<Tensor>;

/** Values from the host go to a webgpu device through a second buffer. */
function uploadBytes(bytes: number, backend: string): number {
  return backend === "webgpu" ? bytes : 0;
}

/** Bytes at the worst moment of one step, beyond the value it starts from and the result. */
function temporaries(parameter: Parameter, step: Step<Tensor>, backend: string): number {
  const { bytes } = parameter;
  if (step.op === "add") {
    // The delta stands beside the sum; before that, beside what it is made of.
    if (step.delta.kind === "lowRank") return Math.max(bytes, lowRankTemporaries(parameter, step.delta));
    return bytes + (step.delta.kind === "noise" ? uploadBytes(bytes, backend) : 0);
  }
  if (step.op === "scale" && typeof step.by !== "number") {
    const { byteLength } = step.by.factors;
    return byteLength + uploadBytes(byteLength, backend);
  }
  if (step.op !== "replace" || step.by.kind === "values") return 0;
  if (step.by.kind === "derived") return uploadBytes(bytes, backend);
  // A delta stands beside the sum; before that, beside what is lent to user code, which wasm need not copy.
  return step.by.returns === "delta" || backend !== "wasm" ? bytes : 0;
}

/** Bytes of one pass over the steps. */
interface FoldBytes {
  /** Operands of their own, which stay as long as their steps do. */
  readonly kept: number;
  /** The tensor that comes out, if it is a new one. */
  readonly made: number;
  /** At the worst moment, both included. */
  readonly peak: number;
}

/** Bytes that are made for a step and stay for as long as it does: of values that are streamed. */
function madeFor(step: Step<Tensor>): number {
  return operandsOf(step)
    .filter(isMadeFor)
    .reduce((sum, tensor) => sum + bytesOf(tensor), 0);
}

function bytesOfFold(
  parameter: Parameter,
  steps: readonly Step<Tensor>[],
  backend: string,
  isThere: (step: Step<Tensor>) => boolean,
): FoldBytes {
  const { bytes } = parameter;
  let kept = 0;
  let value = 0;
  let peak = 0;
  for (const step of steps) {
    // Values that were made for the step, and a computed result, stay for as long as the step does.
    if (!isThere(step)) kept += madeFor(step);
    const isShared = step.op === "zero" || (step.op === "replace" && !isResult(step));
    const isDone = isResult(step) && isThere(step);
    const made = isShared || isDone ? 0 : bytes;
    peak = Math.max(peak, kept + value + (isDone ? 0 : temporaries(parameter, step, backend)) + made);
    if (isResult(step)) kept += made;
    value = isResult(step) ? 0 : made;
  }
  return { kept, made: value, peak };
}

/** What has to be computed at opening: unless it is merged nothing but what is made of all values and stays. */
function stepsAtOpening(technique: Technique, steps: readonly Step<Tensor>[]): readonly Step<Tensor>[] {
  return technique === "swap" ? steps : steps.slice(0, steps.map(isResult).lastIndexOf(true) + 1);
}

const stepsOf = (layers: readonly Steps[]): readonly Step<Tensor>[] =>
  layers.length === 1 ? layers[0]!.steps : layers.flatMap(({ steps }) => steps);

/** What `added` adds above the layers shown, whose computed values are there while the new ones are made. */
export function costOf(
  technique: Technique,
  parameter: Parameter,
  shown: readonly Steps[],
  added: Steps,
  backend: string,
): Bytes {
  const zero = added.steps.some(({ op }) => op === "zero") && !hasZeros(parameter, backend);
  const shared = new Map(zero ? [[zerosKey(parameter, backend), parameter.bytes]] : []);
  const below = stepsOf(shown);
  const there = new Set(below.filter(isKept));
  const heldBy = (steps: readonly Step<Tensor>[]): number => {
    const { kept, made } = bytesOfFold(parameter, steps, backend, () => false);
    return technique === "swap" ? kept + made : kept;
  };
  const all = [...below, ...added.steps];
  const held = heldBy(all) - (below.length > 0 ? heldBy(below) : 0);
  const opening = stepsAtOpening(technique, added.steps).length > 0 ? stepsAtOpening(technique, all) : [];
  const { peak } = bytesOfFold(parameter, opening, backend, (step) => there.has(step));
  const upload = zero ? uploadBytes(parameter.bytes, backend) : 0;
  return { held, shared, transient: Math.max(upload, peak - held) };
}

/** Under `stream`: what one use of a parameter makes, and what it needs beyond that while it is being made. */
export function costOfUse(
  parameter: Parameter,
  layers: readonly Steps[],
  backend: string,
): { readonly made: number; readonly extra: number } {
  const { made, peak } = bytesOfFold(parameter, stepsOf(layers), backend, isKept);
  return { made, extra: peak - made };
}
