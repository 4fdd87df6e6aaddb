/** What the steps shown on one tensor bring along, and the tensor that they make of it. */
import { keep, type Tensor, tensor as tensorOf } from "@tensorflow/tfjs-core";
import { type Operation, wait } from "../../drive.ts";
import { isResult, operandsOf, type Step } from "../../step.ts";
import type { Parameter } from "../../store.ts";
import type { Bin } from "./bin.ts";
import { alias, onBackend, readValues } from "./engine.ts";
import { handleOn, isMadeFor } from "./showing.ts";
import { arithmetic, computed } from "./steps.ts";
import { freeingAtOnce } from "./submission.ts";
import { keyOfZeros, returnZeros, takeZeros } from "./zeros.ts";

type Steps = readonly Step<Tensor>[];

/** Whether a step keeps a computed result, or values that are made for it: those of a tensor that is streamed. */
export function isKept(step: Step<Tensor>): boolean {
  return isResult(step) || operandsOf(step).some(isMadeFor);
}

/** Kept handles on zeros, given values, factors and computed results, for each step that is shown. */
export class Operands {
  readonly #parameter: Parameter;
  readonly #backend: string;
  readonly #bin: Bin;
  readonly #ofStep = new Map<Step<Tensor>, readonly Tensor[]>();
  /** Those on data that was made for their step. */
  readonly #own = new Set<Tensor>();

  constructor(parameter: Parameter, backend: string, bin: Bin) {
    this.#parameter = parameter;
    this.#backend = backend;
    this.#bin = bin;
  }

  /** The steps that have operands. */
  get steps(): Steps {
    return [...this.#ofStep.keys()];
  }

  /** The operands of a step that is shown. Lent. */
  of(step: Step<Tensor>): readonly Tensor[] {
    return this.#ofStep.get(step) ?? [];
  }

  /** Makes what steps make on the host of the values below them; some devices have to be waited for. */
  *derive(original: Tensor, steps: Steps): Operation<void> {
    for (const [i, step] of steps.entries()) {
      if (step.op !== "replace" || step.by.kind !== "derived" || this.#ofStep.has(step)) continue;
      const below =
        i === 0 ? alias(original) : this.#onItsBackend(() => this.fold(original, steps.slice(0, i)));
      try {
        const values = Float32Array.from(yield* wait(readValues(below)));
        step.by.derive(values);
        const made = this.#onItsBackend(() => keep(tensorOf(values, below.shape, "float32")));
        this.#own.add(made);
        this.#ofStep.set(step, [made]);
      } finally {
        this.#bin.put(below);
      }
    }
  }

  #onItsBackend<R>(make: () => R): R {
    return freeingAtOnce(this.#backend, () => onBackend(this.#backend, make));
  }

  /** Takes every operand of `steps` over `original`, so that folding them runs no user code any more. */
  prepare(original: Tensor, steps: Steps): void {
    this.#takeZeros(steps);
    for (const step of steps) if (!isResult(step)) this.#take(step, original);
    const missing = steps.map((step) => isResult(step) && !this.#ofStep.has(step)).lastIndexOf(true);
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
        const operands = this.#take(step, value);
        if (step.op === "zero" || step.op === "replace") replace(alias(operands[0]!));
        else replace(arithmetic(value, step, this.#parameter, operands, this.#bin));
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
      this.#ofStep.set(step, [takeZeros(this.#parameter, this.#backend)]);
    }
  }

  /** The operands of a step, taken now unless they are there. */
  #take(step: Step<Tensor>, value: Tensor): readonly Tensor[] {
    const there = this.#ofStep.get(step);
    if (there !== undefined) return there;
    const taken: Tensor[] = [];
    try {
      if (step.op === "replace" && step.by.kind === "computed") {
        taken.push(computed(value, step.by, this.#parameter, this.#backend, this.#bin));
        this.#own.add(taken[0]!);
      }
      for (const given of operandsOf(step)) {
        const isOwn = isMadeFor(given);
        const handle = handleOn(given);
        taken.push(handle);
        if (isOwn) this.#own.add(handle);
      }
    } catch (error) {
      this.#letGo(taken);
      throw error;
    }
    if (taken.length > 0) this.#ofStep.set(step, taken);
    return taken;
  }

  #letGo(operands: readonly Tensor[]): void {
    for (const operand of operands) {
      this.#own.delete(operand);
      this.#bin.put(operand);
    }
  }

  /** Lets go of the operands of all other steps. */
  keepOnly(needed: Steps): void {
    for (const [step, operands] of this.#ofStep) {
      if (needed.includes(step)) continue;
      this.#ofStep.delete(step);
      if (step.op === "zero") returnZeros(operands[0]!, this.#bin);
      else this.#letGo(operands);
    }
  }

  /** The data that belongs to somebody else: given values, shared zeros. */
  *lent(): Iterable<object> {
    for (const operand of [...this.#ofStep.values()].flat())
      if (!this.#own.has(operand)) yield operand.dataId;
  }

  /** Those on data that was made for a step. */
  own(): Iterable<Tensor> {
    return this.#own;
  }

  /** Names of the shared zeros. */
  *zeros(): Iterable<string> {
    for (const [step, [zeros]] of this.#ofStep) if (step.op === "zero") yield keyOfZeros(zeros!);
  }
}
