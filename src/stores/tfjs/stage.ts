/**
 * What all techniques have in common: a handle on the original's data, which costs no bytes and brings it back
 * after a write, and the operands of what is shown.
 */
import type { Tensor } from "@tensorflow/tfjs-core";
import { TheaterStateError } from "../../errors.ts";
import { driveEither, type Operation } from "../../drive.ts";
import type { Step } from "../../step.ts";
import type { Await, Bytes, Layer, Parameter, Rules, SavedState, Stage } from "../../store.ts";
import { Bin } from "./bin.ts";
import { alias, backendOf, exchange, isRegistered, onBackend, readValues } from "./engine.ts";
import { exportHooks } from "./exports.ts";
import { bytesOf } from "./low-rank.ts";
import { Operands } from "./operands.ts";
import { showing, type Showing } from "./showing.ts";
import { freeingAtOnce } from "./submission.ts";

/** One tensor of a model while a theater is open on it. */
export abstract class TensorStage implements Stage<Tensor>, Showing {
  readonly tensor: Tensor;
  readonly backend: string;
  protected readonly bin = new Bin();
  protected readonly operands: Operands;
  /** The original's data, to know it again. */
  protected readonly data: object;
  /**
   * A handle on the original's data: the tensor that was exchanged with that of the model, or an alias. Undefined
   * before anything is held, when the model's tensor itself has it.
   */
  protected handle: Tensor | undefined;
  /** The data that the model's tensor has unless something else wrote to it. */
  protected shown: object;
  readonly #parameter: Parameter;
  readonly #registered: boolean;
  #rules: Rules = { refuseWrites: false, refuseSaves: false };
  /** A handle on the original for whoever exports it. */
  #lent: Tensor | undefined;

  constructor(tensor: Tensor, parameter: Parameter) {
    this.tensor = tensor;
    this.#registered = isRegistered(tensor);
    this.#parameter = parameter;
    this.backend = backendOf(tensor).name;
    this.operands = new Operands(parameter, this.backend, this.bin);
    this.data = tensor.dataId;
    this.shown = tensor.dataId;
  }

  get name(): string {
    return this.#parameter.name;
  }

  get rules(): Rules {
    return this.#rules;
  }

  /** A handle on the original's data with `steps`, at least one, ready to be presented. Changes nothing visible. */
  protected abstract prepare(original: Tensor, steps: readonly Step<Tensor>[]): Tensor;

  /** Makes visible what was prepared. The model's tensor has the original's data. Cannot fail. */
  protected abstract present(prepared: Tensor, steps: readonly Step<Tensor>[]): void;

  abstract visible(): Tensor;

  abstract readonly isMadeWhenUsed: boolean;

  get isInUse(): boolean {
    return false;
  }

  hold(): void {
    this.handle = alias(this.tensor);
  }

  show(layers: readonly Layer<Tensor>[], rules: Rules): Await<void> {
    return driveEither(this.#show(layers, rules));
  }

  *#show(layers: readonly Layer<Tensor>[], rules: Rules): Operation<void> {
    const steps = layers.length === 1 ? layers[0]!.steps : layers.flatMap((layer) => layer.steps);
    const before = this.operands.steps;
    const original = this.handle ?? this.tensor;
    const visible = this.tensor.dataId;
    let next: Tensor;
    try {
      yield* this.operands.derive(original, steps);
      // Computed in full before anything is exchanged: a throw leaves what is visible alone.
      next =
        steps.length === 0
          ? alias(original)
          : freeingAtOnce(this.backend, () => onBackend(this.backend, () => this.prepare(original, steps)));
    } catch (error) {
      this.operands.keepOnly(before);
      throw error;
    }
    if (this.tensor.dataId !== visible) {
      this.bin.put(next);
      this.operands.keepOnly(before);
      const message = `${JSON.stringify(this.name)} was written by the custom function that was given it, or while its values were awaited. The original bytes are back.`;
      throw new TheaterStateError("written_inside", message, [this.name]);
    }
    this.#exchangeBack();
    this.present(next, steps);
    this.shown = this.tensor.dataId;
    this.operands.keepOnly(steps);
    this.#rules = rules;
    if (steps.length === 0) return this.#hide();
    showing.set(this.tensor, this);
    exportHooks.add(this);
  }

  #hide(): void {
    if (showing.get(this.tensor) === this) showing.delete(this.tensor);
    exportHooks.delete(this);
    if (this.#lent !== undefined) this.bin.put(this.#lent);
    this.#lent = undefined;
  }

  /** The model's tensor has its original data again; what it showed, or what was written to it, is freed. */
  #exchangeBack(): void {
    if (this.handle === undefined) return;
    if (this.tensor.dataId !== this.data) exchange(this.tensor, this.handle);
    this.bin.put(this.handle);
    this.handle = undefined;
  }

  original(): Tensor {
    // One of its own: who exports it may dispose of it.
    if (this.#lent?.isDisposed !== false) this.#lent = alias(this.handle!);
    return this.#lent;
  }

  written(): "no" | "overwritten" | "disposed" {
    // `tf.disposeVariables` frees a variable and takes it off the engine's list, but does not mark it.
    if (this.tensor.isDisposed || isRegistered(this.tensor) !== this.#registered) return "disposed";
    return this.tensor.dataId === this.shown ? "no" : "overwritten";
  }

  saveWritten(): SavedState {
    const found = alias(this.tensor);
    return {
      restore: () => {
        if (this.tensor.dataId !== found.dataId) exchange(this.tensor, found);
        found.dispose();
      },
      discard: () => found.dispose(),
    };
  }

  bytes(): Bytes {
    const { bytes } = this.#parameter;
    const lent = new Set<object>([this.data, ...this.operands.lent()]);
    const own = new Map([[this.shown, bytes]]);
    for (const operand of this.operands.own()) own.set(operand.dataId, bytesOf(operand));
    const held = [...own].reduce((sum, [data, size]) => (lent.has(data) ? sum : sum + size), 0);
    const shared = new Map([...this.operands.zeros()].map((key) => [key, bytes]));
    return { held, shared, transient: 0 };
  }

  read(which: "original" | "visible"): ReturnType<typeof readValues> {
    const handle = which === "original" ? alias(this.handle ?? this.tensor) : this.visible();
    const values = readValues(handle);
    if (ArrayBuffer.isView(values)) {
      this.bin.put(handle);
      return values;
    }
    return Promise.resolve(values).finally(() => this.bin.put(handle));
  }

  release(how: "restore" | "keep"): "identity" {
    this.#hide();
    if (how === "restore" && !this.tensor.isDisposed) this.#exchangeBack();
    // What was written stays, or the tensor is gone: then the handle holds nothing but the original.
    if (this.handle !== undefined) this.bin.put(this.handle);
    this.handle = undefined;
    this.shown = this.tensor.dataId;
    this.operands.keepOnly([]);
    this.bin.empty();
    return "identity";
  }
}
