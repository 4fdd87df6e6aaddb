/** What `validateEvery` is told, and what it tells. */
import type { Tensor } from "@tensorflow/tfjs-core";
import type { LayersModel } from "@tensorflow/tfjs-layers";
import type { Modification } from "../modification.ts";
import type { Options } from "../options.ts";
import type { Receipt } from "../receipt.ts";

/** When a validation runs, and on what. */
export interface ValidationPoint {
  /**
   * The model that `fit` trains, which shows modified weights. For a sequential model it is the one that TensorFlow.js
   * keeps inside, with the same layers and weights.
   */
  readonly model: LayersModel;
  /** Batches trained so far, this one included, over all epochs and every `fit` with this callback. */
  readonly step: number;
  /** The epoch that is under way, from 0. */
  readonly epoch: number;
}

/** One validation that is done. */
export interface Validation<R> extends Omit<ValidationPoint, "model"> {
  /** What `fn` returned. */
  readonly result: R;
  readonly receipt: Receipt;
}

/** The validation with the best score so far. */
export interface BestValidation {
  readonly step: number;
  readonly epoch: number;
  readonly score: number;
  /**
   * With `keepBest` the weights of that moment by parameter name, for `interpolate(best.weights)`. Lent: the next
   * better validation and `dispose` dispose of them.
   */
  readonly weights: Readonly<Record<string, Tensor>> | undefined;
}

/** Options of `validateEvery`: those of a theater, and what to do with the results. */
export interface ValidateEveryOptions<R> extends Omit<Options<Tensor>, "modification"> {
  /** As in a theater, or a function that is asked at each validation: `() => interpolate(ema.weights)`. */
  readonly modification?:
    | Options<Tensor>["modification"]
    | (() => Modification<Tensor> | readonly Modification<Tensor>[]);
  /** Whether a larger or a smaller score is better. Needed by `keepBest` and `patience`. */
  readonly mode?: "max" | "min";
  /** The score of a result. Default: the result itself, which must be a number then. NaN is never better. */
  readonly score?: (result: R) => number;
  /**
   * Which weights to keep of the best validation: `"trained"`, those being trained, or `"shown"`, those that the
   * theater showed and the score belongs to, such as an average. Nothing is copied (but under `stream` what is
   * shown): training leaves the old buffers behind, up to the size of the model.
   */
  readonly keepBest?: "trained" | "shown";
  /** Training stops after this many validations in a row without a better score; NaN is not better. */
  readonly patience?: number;
}
