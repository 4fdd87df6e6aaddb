/**
 * What the techniques have in common that leave the original in the model's tensor: `stream` and `side`. Nothing but
 * the operands of the steps is there in between, and a write fails, or is allowed and then seen.
 */
import type { Tensor } from "@tensorflow/tfjs-core";
import type { Step } from "../../step.ts";
import { alias, onBackend, untaped } from "./engine.ts";
import { guard, type Guarded, unguard } from "./guards.ts";
import { TensorStage } from "./stage.ts";

/** One tensor that keeps its original's data while layers are shown on it. */
export abstract class UnmergedStage extends TensorStage implements Guarded {
  readonly isMadeWhenUsed = true;
  protected steps: readonly Step<Tensor>[] = [];
  /** Whether something was assigned since `show`: it may be the original's data, which cannot be told apart. */
  #wasWritten = false;

  abstract readonly isDue: boolean;

  /** Puts in place what shows the steps, unless it is. */
  protected abstract start(): void;

  /** The opposite of `start`. */
  protected abstract stop(): void;

  /** A new kept handle of the caller's on the original with the steps, at least one, applied. */
  protected merged(): Tensor {
    // Gradients are those of the model that is shown, not of the way it is made.
    return untaped(() => onBackend(this.backend, () => this.operands.fold(this.handle!, this.steps)));
  }

  noteWrite(): void {
    this.#wasWritten = true;
  }

  override written(): "no" | "overwritten" | "disposed" {
    const written = super.written();
    return written === "no" && this.#wasWritten ? "overwritten" : written;
  }

  discard(handle: Tensor): void {
    this.bin.put(handle);
  }

  protected prepare(original: Tensor, steps: readonly Step<Tensor>[]): Tensor {
    this.operands.prepare(original, steps);
    return alias(original);
  }

  protected present(prepared: Tensor, steps: readonly Step<Tensor>[]): void {
    this.handle = prepared;
    this.steps = steps;
    this.#wasWritten = false;
    if (steps.length === 0) return this.#end();
    this.start();
    guard(this);
  }

  #end(): void {
    this.stop();
    unguard(this);
  }

  override release(how: "restore" | "keep"): "identity" {
    this.#end();
    this.steps = [];
    return super.release(how);
  }
}
