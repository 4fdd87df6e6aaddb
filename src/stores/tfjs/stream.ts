/**
 * Technique `stream`: the modified data is made when a kernel uses the model's tensor and freed right after, so that
 * never more than what one kernel, or one recurrent layer, uses is there. In between the tensor has its original data.
 */
import { engine, type Tensor } from "@tensorflow/tfjs-core";
import type { layers as tfl } from "@tensorflow/tfjs-layers";
import type { Parameter, Step } from "../../store.ts";
import { alias, exchange, onBackend } from "./engine.ts";
import { guard, type Guarded, unguard } from "./guards.ts";
import { startStreaming, stopStreaming, type Streamed } from "./kernels.ts";
import { TensorStage } from "./stage.ts";

/** Runs `fn` off the tape: gradients are those of the model that is shown, not of the way it is made. */
function untaped<R>(fn: () => R): R {
  const { state } = engine();
  const depth = state.gradientDepth;
  state.gradientDepth = 0;
  try {
    return fn();
  } finally {
    state.gradientDepth = depth;
  }
}

/** One tensor while it is streamed. */
export class StreamStage extends TensorStage implements Streamed, Guarded {
  readonly isMadeWhenUsed = true;
  readonly #loop: tfl.Layer | undefined;
  #steps: readonly Step<Tensor>[] = [];
  /** While the modified data is visible: the tensor that was exchanged with the model's. */
  #inUse: Tensor | undefined;
  /** Whether something was assigned since `show`: it may be the original's data, which cannot be told apart. */
  #wasWritten = false;

  /** @param loop - the layer that runs over time steps with the tensor, if one does */
  constructor(tensor: Tensor, parameter: Parameter, loop: tfl.Layer | undefined) {
    super(tensor, parameter);
    this.#loop = loop;
  }

  get isDue(): boolean {
    return this.#inUse === undefined && this.written() === "no";
  }

  noteWrite(): void {
    this.#wasWritten = true;
  }

  override written(): "no" | "overwritten" | "disposed" {
    const written = super.written();
    return written === "no" && this.#wasWritten ? "overwritten" : written;
  }

  enter(): void {
    const next = this.visible();
    exchange(this.tensor, next);
    this.#inUse = next;
    this.shown = this.tensor.dataId;
  }

  leave(): void {
    // What was written meanwhile stays, to be seen at closing; a tensor that is gone stays gone.
    if (this.written() === "no") exchange(this.tensor, this.#inUse!);
    this.bin.put(this.#inUse!);
    this.#inUse = undefined;
    this.shown = this.data;
  }

  visible(): Tensor {
    if (!this.isDue || this.#steps.length === 0) return alias(this.tensor);
    return untaped(() => onBackend(this.backend, () => this.operands.fold(this.handle!, this.#steps)));
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
    this.#steps = steps;
    this.#wasWritten = false;
    if (steps.length === 0) return this.#stop();
    startStreaming(this, this.#loop);
    guard(this);
  }

  override get isInUse(): boolean {
    return this.#inUse !== undefined;
  }

  #stop(): void {
    stopStreaming(this, this.#loop);
    unguard(this);
  }

  override release(how: "restore" | "keep"): "identity" {
    this.#stop();
    this.#steps = [];
    return super.release(how);
  }
}
