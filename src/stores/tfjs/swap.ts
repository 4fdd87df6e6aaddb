/**
 * Technique `swap`: the variable shows modified data, a kept handle holds the original's, and closing exchanges
 * them back. Nothing of the original is copied; the very same buffer returns. Without a layer only the handle is
 * held, which costs no bytes and brings the original back after a write.
 */
import type { Tensor, Variable } from "@tensorflow/tfjs-core";
import type { Bytes, Layer, Parameter, Stage, Step } from "../../store.ts";
import { alias, backendOf, exchange, onBackend, readValues } from "./engine.ts";
import { arithmetic, replacementOf } from "./steps.ts";
import { takeZeros, zerosKey } from "./zeros.ts";

type Steps = Layer<Tensor>;

/** A tensor that a step brings along, kept while the step is shown. */
interface Source {
  readonly tensor: Tensor;
  free(): void;
}

/** Whether the data of a step's source is the theater's own, not lent by the user or shared. */
function isComputed(step: Step<Tensor>): boolean {
  return step.op === "replace" && step.by.kind === "computed";
}

/** Bytes at the worst moment of one step, beyond the value it starts from and the result. */
function temporaries(step: Step<Tensor>, bytes: number, backend: string): number {
  if (step.op === "add") return bytes;
  if (!(step.op === "replace" && step.by.kind === "computed")) return 0;
  const lent = backend === "wasm" ? 0 : bytes;
  return lent + (step.by.returns === "delta" ? bytes : 0);
}

/** Bytes held while `layers` are shown, and the most needed on top while they are computed. */
export function costOfSwap(parameter: Parameter, layers: readonly Steps[], backend: string): Bytes {
  const { bytes } = parameter;
  const shared = new Map<string, number>();
  let kept = 0;
  let value = 0;
  let peak = 0;
  for (const step of layers.flatMap(({ steps }) => steps)) {
    const lent = step.op === "zero" || (step.op === "replace" && step.by.kind === "values");
    const made = lent ? 0 : bytes;
    peak = Math.max(peak, kept + value + temporaries(step, bytes, backend) + made);
    // A computed value stays for as long as its step does, under whatever later steps make of it.
    if (isComputed(step)) kept += bytes;
    value = isComputed(step) ? 0 : made;
    if (step.op === "zero") shared.set(zerosKey(parameter, backend), bytes);
  }
  return { held: kept + value, shared, transient: Math.max(0, peak - kept - value) };
}

/** One variable while a theater is open on it. */
export class SwapStage implements Stage<Tensor> {
  readonly #variable: Variable;
  readonly #parameter: Parameter;
  readonly #backend: string;
  readonly #sources = new Map<Step<Tensor>, Source>();
  /** Holds the original, whatever the variable shows. */
  #original: Tensor;
  /** The carrier of what is shown: exchanged with the variable, it holds the original a second time. */
  #carrier: Tensor | undefined;
  #shown: object;

  constructor(variable: Variable, parameter: Parameter) {
    this.#variable = variable;
    this.#parameter = parameter;
    this.#backend = backendOf(variable).name;
    this.#original = alias(variable);
    this.#shown = variable.dataId;
  }

  show(layers: readonly Steps[]): void {
    const steps = layers.flatMap((layer) => layer.steps);
    const before = new Set(this.#sources.keys());
    let next: Tensor | undefined;
    try {
      // Computed in full before anything is exchanged: a throw leaves what is visible alone.
      next = steps.length === 0 ? undefined : onBackend(this.#backend, () => this.#fold(steps));
    } catch (error) {
      for (const step of this.#sources.keys()) if (!before.has(step)) this.#drop(step);
      throw error;
    }
    this.#exchangeBack();
    if (next !== undefined) {
      exchange(this.#variable, next);
      this.#carrier = next;
    }
    this.#shown = this.#variable.dataId;
    const needed = new Set(steps);
    for (const step of this.#sources.keys()) if (!needed.has(step)) this.#drop(step);
  }

  /** A new kept handle on the original with `steps` applied. */
  #fold(steps: readonly Step<Tensor>[]): Tensor {
    let value = alias(this.#original);
    try {
      for (const step of steps) {
        const source = this.#sourceOf(step, value);
        const replaces = step.op === "zero" || step.op === "replace";
        const next = replaces ? alias(source!) : arithmetic(value, step, this.#parameter, source);
        value.dispose();
        value = next;
      }
      return value;
    } catch (error) {
      value.dispose();
      throw error;
    }
  }

  #sourceOf(step: Step<Tensor>, value: Tensor): Tensor | undefined {
    const there = this.#sources.get(step);
    if (there !== undefined) return there.tensor;
    let source: Source | undefined;
    if (step.op === "zero") source = takeZeros(this.#parameter, this.#backend);
    else {
      let tensor: Tensor | undefined;
      if (step.op === "replace") tensor = replacementOf(value, step.by, this.#parameter, this.#backend);
      else if (step.op === "add" && step.delta.kind === "values") tensor = alias(step.delta.of);
      if (tensor === undefined) return undefined;
      source = { tensor, free: () => tensor.dispose() };
    }
    this.#sources.set(step, source);
    return source.tensor;
  }

  #drop(step: Step<Tensor>): void {
    this.#sources.get(step)?.free();
    this.#sources.delete(step);
  }

  /** The variable has its original data again; what it showed, or what was written to it, is freed. */
  #exchangeBack(): void {
    if (this.#carrier !== undefined) {
      exchange(this.#variable, this.#carrier);
      this.#carrier.dispose();
      this.#carrier = undefined;
    } else if (this.written() === "overwritten") {
      const spare = alias(this.#original);
      exchange(this.#variable, spare);
      spare.dispose();
    }
  }

  written(): "no" | "overwritten" | "disposed" {
    if (this.#variable.isDisposed) return "disposed";
    return this.#variable.dataId === this.#shown ? "no" : "overwritten";
  }

  bytes(): Bytes {
    const shared = new Map<string, number>();
    const own = new Set<object>();
    const lent = new Set<object>([this.#original.dataId]);
    for (const [step, { tensor }] of this.#sources) {
      if (isComputed(step)) own.add(tensor.dataId);
      else lent.add(tensor.dataId);
      if (step.op === "zero") shared.set(zerosKey(this.#parameter, this.#backend), this.#parameter.bytes);
    }
    own.add(this.#shown);
    const held = [...own].filter((dataId) => !lent.has(dataId)).length * this.#parameter.bytes;
    return { held, shared, transient: 0 };
  }

  read(which: "original" | "visible"): ReturnType<typeof readValues> {
    return readValues(which === "original" ? this.#original : this.#variable);
  }

  release(how: "restore" | "keep"): "identity" {
    if (how === "restore" && !this.#variable.isDisposed) this.#exchangeBack();
    // What was written stays, or the variable is gone: then the carrier holds only the original.
    this.#carrier?.dispose();
    this.#carrier = undefined;
    this.#shown = this.#variable.dataId;
    for (const step of this.#sources.keys()) this.#drop(step);
    this.#original.dispose();
    return "identity";
  }
}
