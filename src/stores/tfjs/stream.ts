/**
 * Technique `stream`: the modified data is made when a kernel uses the model's tensor and freed right after, so that
 * never more than what one kernel, or one recurrent layer, uses is there. In between the tensor has its original data.
 */
import type { Tensor } from "@tensorflow/tfjs-core";
import type { layers as tfl } from "@tensorflow/tfjs-layers";
import type { Parameter } from "../../store.ts";
import { alias, exchange } from "./engine.ts";
import { startStreaming, stopStreaming, type Streamed } from "./kernels.ts";
import { UnmergedStage } from "./unmerged.ts";

/** One tensor while it is streamed. */
export class StreamStage extends UnmergedStage implements Streamed {
  readonly #loop: tfl.Layer | undefined;
  /** While the modified data is visible: the tensor that was exchanged with the model's. */
  #inUse: Tensor | undefined;

  /** @param loop - the layer that runs over time steps with the tensor, if one does */
  constructor(tensor: Tensor, parameter: Parameter, loop: tfl.Layer | undefined) {
    super(tensor, parameter);
    this.#loop = loop;
  }

  get isDue(): boolean {
    return this.#inUse === undefined && this.written() === "no";
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
    return this.isDue && this.steps.length > 0 ? this.merged() : alias(this.tensor);
  }

  override get isInUse(): boolean {
    return this.#inUse !== undefined;
  }

  protected start(): void {
    startStreaming(this, this.#loop);
  }

  protected stop(): void {
    stopStreaming(this, this.#loop);
  }
}
