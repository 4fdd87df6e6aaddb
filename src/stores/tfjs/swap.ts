/**
 * Technique `swap`: the model's tensor shows modified data, a kept handle holds the original's, and closing
 * exchanges them back. Nothing of the original is copied; the very same buffer returns.
 */
import type { Tensor } from "@tensorflow/tfjs-core";
import type { Step } from "../../step.ts";
import { alias, exchange } from "./engine.ts";
import { TensorStage } from "./stage.ts";

/** One tensor while it is swapped. */
export class SwapStage extends TensorStage {
  readonly isMadeWhenUsed = false;

  protected prepare(original: Tensor, steps: readonly Step<Tensor>[]): Tensor {
    return this.operands.fold(original, steps);
  }

  protected present(prepared: Tensor): void {
    exchange(this.tensor, prepared);
    this.handle = prepared;
  }

  visible(): Tensor {
    return alias(this.tensor);
  }
}
