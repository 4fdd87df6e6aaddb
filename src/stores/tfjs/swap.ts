/**
 * Technique `swap`: the variable shows modified data, a kept handle holds the original's, and closing exchanges
 * them back. Nothing of the original is copied; the very same buffer returns. Without a layer only the handle is
 * held, which costs no bytes and brings the original back after a write.
 */
import type { Tensor, Variable } from "@tensorflow/tfjs-core";
import { TheaterStateError } from "../../errors.ts";
import {
  type Bytes,
  isComputed,
  type Layer,
  type Parameter,
  type SavedState,
  type Stage,
  type Step,
} from "../../store.ts";
import { Bin } from "./bin.ts";
import { alias, backendOf, exchange, isRegistered, onBackend, readValues } from "./engine.ts";
import { arithmetic, replacementOf } from "./steps.ts";
import { hasZeros, keyOfZeros, returnZeros, takeZeros, zerosKey } from "./zeros.ts";

type Steps = Layer<Tensor>;

/** Bytes at the worst moment of one step, beyond the value it starts from and the result. */
function temporaries(step: Step<Tensor>, bytes: number, backend: string): number {
  if (step.op === "add") return bytes;
  if (!(step.op === "replace" && step.by.kind === "computed")) return 0;
  // A delta stands beside the sum; before that, beside what is lent to user code, which wasm need not copy.
  return step.by.returns === "delta" || backend !== "wasm" ? bytes : 0;
}

const none: ReadonlyMap<string, number> = new Map();

/** Bytes that one pass over `layers` makes: what stays in the end, and at the worst moment. */
function bytesOfFold(
  { bytes }: Parameter,
  layers: readonly Steps[],
  backend: string,
  isKept: (step: Step<Tensor>) => boolean,
): { readonly held: number; readonly peak: number } {
  let kept = 0;
  let value = 0;
  let peak = 0;
  for (const { steps } of layers) {
    for (const step of steps) {
      const lent = step.op === "zero" || (step.op === "replace" && step.by.kind === "values") || isKept(step);
      const made = lent ? 0 : bytes;
      peak = Math.max(peak, kept + value + (isKept(step) ? 0 : temporaries(step, bytes, backend)) + made);
      // A computed value stays for as long as its step does, under whatever later steps make of it.
      if (isComputed(step)) kept += made;
      value = isComputed(step) ? 0 : made;
    }
  }
  return { held: kept + value, peak };
}

/** What `added` adds above the layers shown, whose computed values are there while the new ones are made. */
export function costOfSwap(
  parameter: Parameter,
  shown: readonly Steps[],
  added: Steps,
  backend: string,
): Bytes {
  const zero = added.steps.some(({ op }) => op === "zero") && !hasZeros(parameter, backend);
  const shared = zero ? new Map([[zerosKey(parameter, backend), parameter.bytes]]) : none;
  if (shown.length === 0) {
    const { held, peak } = bytesOfFold(parameter, [added], backend, () => false);
    return { held, shared, transient: peak - held };
  }
  const all = [...shown, added];
  const there = new Set(shown.flatMap(({ steps }) => steps).filter(isComputed));
  const before = bytesOfFold(parameter, shown, backend, () => false).held;
  const held = bytesOfFold(parameter, all, backend, () => false).held - before;
  const { peak } = bytesOfFold(parameter, all, backend, (step) => there.has(step));
  return { held, shared, transient: Math.max(0, peak - held) };
}

/** One variable while a theater is open on it. */
export class SwapStage implements Stage<Tensor> {
  readonly #variable: Variable;
  readonly #parameter: Parameter;
  readonly #backend: string;
  /** Kept handles on what steps bring along, for as long as the step is shown. */
  readonly #sources = new Map<Step<Tensor>, Tensor>();
  readonly #bin = new Bin();
  /** The original's data, to know it again. */
  readonly #data: object;
  /**
   * A handle on the original's data: while layers are shown, the tensor that was exchanged with the variable;
   * else an alias. Undefined before the first `show`, when the variable itself has it.
   */
  #original: Tensor | undefined;
  #shown: object;
  readonly #registered: boolean;

  constructor(variable: Variable, parameter: Parameter) {
    this.#variable = variable;
    this.#registered = isRegistered(variable);
    this.#parameter = parameter;
    this.#backend = backendOf(variable).name;
    this.#data = variable.dataId;
    this.#shown = variable.dataId;
  }

  hold(): void {
    this.#original = alias(this.#variable);
  }

  show(layers: readonly Steps[]): void {
    const steps = layers.length === 1 ? layers[0]!.steps : layers.flatMap((layer) => layer.steps);
    const before = [...this.#sources.keys()];
    const original = this.#original ?? this.#variable;
    const visible = this.#variable.dataId;
    let next: Tensor;
    try {
      // Computed in full before anything is exchanged: a throw leaves what is visible alone.
      next =
        steps.length === 0 ? alias(original) : onBackend(this.#backend, () => this.#fold(original, steps));
    } catch (error) {
      this.#dropAllBut(before);
      throw error;
    }
    if (this.#variable.dataId !== visible) {
      this.#bin.put(next);
      this.#dropAllBut(before);
      const { name } = this.#parameter;
      const message = `${JSON.stringify(name)} was written by the custom function that was given it. The original bytes are back.`;
      throw new TheaterStateError("written_inside", message, [name]);
    }
    this.#exchangeBack();
    exchange(this.#variable, next);
    this.#original = next;
    this.#shown = this.#variable.dataId;
    this.#dropAllBut(steps);
  }

  /** A new kept handle on `original` with `steps`, at least one, applied. */
  #fold(original: Tensor, steps: readonly Step<Tensor>[]): Tensor {
    let value = original;
    const replace = (next: Tensor): void => {
      if (value !== original) this.#bin.put(value);
      value = next;
    };
    try {
      // Zeros first: what is held then only grows, and the plan's peak is the peak.
      for (const step of steps) if (step.op === "zero") this.#sourceOf(step, original);
      for (const step of steps) {
        const source = this.#sourceOf(step, value);
        if (step.op === "zero" || step.op === "replace") replace(alias(source!));
        else replace(arithmetic(value, step, this.#parameter, source, this.#bin));
      }
      return value;
    } catch (error) {
      replace(original);
      throw error;
    }
  }

  #sourceOf(step: Step<Tensor>, value: Tensor): Tensor | undefined {
    let source = this.#sources.get(step);
    if (source !== undefined) return source;
    if (step.op === "zero") source = takeZeros(this.#parameter, this.#backend);
    else if (step.op === "replace") {
      source = replacementOf(value, step.by, this.#parameter, this.#backend, this.#bin);
    } else if (step.op === "add" && step.delta.kind === "values") source = alias(step.delta.of);
    if (source !== undefined) this.#sources.set(step, source);
    return source;
  }

  #dropAllBut(needed: readonly Step<Tensor>[]): void {
    for (const [step, source] of this.#sources) {
      if (needed.includes(step)) continue;
      this.#sources.delete(step);
      if (step.op === "zero") returnZeros(source, this.#bin);
      else this.#bin.put(source);
    }
  }

  /** The variable has its original data again; what it showed, or what was written to it, is freed. */
  #exchangeBack(): void {
    if (this.#original === undefined) return;
    if (this.#variable.dataId !== this.#data) exchange(this.#variable, this.#original);
    this.#bin.put(this.#original);
    this.#original = undefined;
  }

  written(): "no" | "overwritten" | "disposed" {
    // `tf.disposeVariables` frees a variable and takes it off the engine's list, but does not mark it.
    if (this.#variable.isDisposed || isRegistered(this.#variable) !== this.#registered) return "disposed";
    return this.#variable.dataId === this.#shown ? "no" : "overwritten";
  }

  saveWritten(): SavedState {
    const found = alias(this.#variable);
    return {
      restore: () => {
        if (this.#variable.dataId !== found.dataId) exchange(this.#variable, found);
        found.dispose();
      },
      discard: () => found.dispose(),
    };
  }

  bytes(): Bytes {
    const shared = new Map<string, number>();
    const own = new Set<object>([this.#shown]);
    const lent = new Set<object>([this.#data]);
    for (const [step, tensor] of this.#sources) {
      (isComputed(step) ? own : lent).add(tensor.dataId);
      if (step.op === "zero") shared.set(keyOfZeros(tensor), this.#parameter.bytes);
    }
    const held = [...own].filter((data) => !lent.has(data)).length * this.#parameter.bytes;
    return { held, shared, transient: 0 };
  }

  read(which: "original" | "visible"): ReturnType<typeof readValues> {
    return readValues(which === "original" ? (this.#original ?? this.#variable) : this.#variable);
  }

  release(how: "restore" | "keep"): "identity" {
    if (how === "restore" && !this.#variable.isDisposed) this.#exchangeBack();
    // What was written stays, or the variable is gone: then the handle holds nothing but the original.
    if (this.#original !== undefined) this.#bin.put(this.#original);
    this.#original = undefined;
    this.#shown = this.#variable.dataId;
    this.#dropAllBut([]);
    this.#bin.empty();
    return "identity";
  }
}
