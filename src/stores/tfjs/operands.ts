/** What the steps shown on one tensor bring along, and the tensor that they make of it. */
import type { Tensor } from "@tensorflow/tfjs-core";
import { isComputed, operandOf, type Parameter, type Step } from "../../store.ts";
import type { Bin } from "./bin.ts";
import { alias } from "./engine.ts";
import { handleOn, isMadeFor } from "./showing.ts";
import { arithmetic, replacementOf } from "./steps.ts";
import { keyOfZeros, returnZeros, takeZeros } from "./zeros.ts";

type Steps = readonly Step<Tensor>[];

/** Whether a step keeps a computed result, or values that are made for it: those of a tensor that is streamed. */
export function isKept(step: Step<Tensor>): boolean {
  const given = operandOf(step);
  return isComputed(step) || (given !== undefined && isMadeFor(given));
}

/** Kept handles on zeros, given values and computed results, one for each step that is shown. */
export class Operands {
  readonly #parameter: Parameter;
  readonly #backend: string;
  readonly #bin: Bin;
  readonly #ofStep = new Map<Step<Tensor>, Tensor>();
  /** Steps whose operand is data of their own. */
  readonly #own = new Set<Step<Tensor>>();

  constructor(parameter: Parameter, backend: string, bin: Bin) {
    this.#parameter = parameter;
    this.#backend = backend;
    this.#bin = bin;
  }

  /** The steps that have an operand. */
  get steps(): Steps {
    return [...this.#ofStep.keys()];
  }

  /** Takes every operand of `steps` over `original`, so that folding them runs no user code any more. */
  prepare(original: Tensor, steps: Steps): void {
    this.#takeZeros(steps);
    for (const step of steps) if (!isComputed(step)) this.#operandOf(step, original);
    const missing = steps.map((step) => isComputed(step) && !this.#ofStep.has(step)).lastIndexOf(true);
    if (missing >= 0) this.#bin.put(this.fold(original, steps.slice(0, missing + 1)));
  }

  /** A new kept handle on `original` with `steps`, at least one, applied. */
  fold(original: Tensor, steps: Steps): Tensor {
    let value = original;
    const replace = (next: Tensor): void => {
      if (value !== original) this.#bin.put(value);
      value = next;
    };
    try {
      this.#takeZeros(steps);
      for (const step of steps) {
        const operand = this.#operandOf(step, value);
        if (step.op === "zero" || step.op === "replace") replace(alias(operand!));
        else replace(arithmetic(value, step, this.#parameter, operand, this.#bin));
      }
      return value;
    } catch (error) {
      replace(original);
      throw error;
    }
  }

  /** Zeros first: what is held then only grows, and the plan's peak is the peak. */
  #takeZeros(steps: Steps): void {
    for (const step of steps) {
      if (step.op !== "zero" || this.#ofStep.has(step)) continue;
      this.#ofStep.set(step, takeZeros(this.#parameter, this.#backend));
    }
  }

  #operandOf(step: Step<Tensor>, value: Tensor): Tensor | undefined {
    let operand = this.#ofStep.get(step);
    if (operand !== undefined) return operand;
    const isOwn = isKept(step);
    if (step.op === "replace") {
      operand = replacementOf(value, step.by, this.#parameter, this.#backend, this.#bin);
    } else if (step.op === "add" && step.delta.kind === "values") operand = handleOn(step.delta.of);
    if (operand === undefined) return undefined;
    this.#ofStep.set(step, operand);
    if (isOwn) this.#own.add(step);
    return operand;
  }

  /** Lets go of the operands of all other steps. */
  keepOnly(needed: Steps): void {
    for (const [step, operand] of this.#ofStep) {
      if (needed.includes(step)) continue;
      this.#ofStep.delete(step);
      this.#own.delete(step);
      if (step.op === "zero") returnZeros(operand, this.#bin);
      else this.#bin.put(operand);
    }
  }

  /** The data that belongs to somebody else: given values, shared zeros. */
  *lent(): Iterable<object> {
    for (const [step, { dataId }] of this.#ofStep) if (!this.#own.has(step)) yield dataId;
  }

  /** The data that was made for a step. */
  *own(): Iterable<object> {
    for (const [step, { dataId }] of this.#ofStep) if (this.#own.has(step)) yield dataId;
  }

  /** Names of the shared zeros. */
  *zeros(): Iterable<string> {
    for (const [step, operand] of this.#ofStep) if (step.op === "zero") yield keyOfZeros(operand);
  }
}
