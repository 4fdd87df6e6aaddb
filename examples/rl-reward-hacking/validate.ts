/** Validations on held-out environments under theaters, and the evidence that they leave the policy alone. */
import * as tf from "@tensorflow/tfjs";
// In a project of your own: from "surgical-theater/tfjs".
import { type Ema, interpolate, noise, type Options, type Receipt, withTheater } from "../../src/tfjs.ts";
import { digestOfModel } from "../support/digest.ts";
import { mean } from "../support/statistics.ts";
import type { Environment } from "./environment.ts";
import { play } from "./episodes.ts";

/** Most steps of an episode: more than in training, which ends before a cart that drifts is off its track. */
export const longest = 500;

/** Seeds of the noise: one validation each. */
const noiseSeeds = [1, 2, 3, 4, 5];

/** One validation under one theater. */
export interface Validation {
  /** Mean true return, in steps. */
  readonly balanced: number;
  readonly receipt: Receipt;
  /** SHA-256 of the weights before and after: evidence that does not come from the library. */
  readonly digests: readonly [before: string, after: string];
  /** Tensors that it left behind. */
  readonly leaked: number;
}

/** All validations after one update. */
export interface Round {
  readonly update: number;
  /** The proxy return in training, in metres: the mean of all episodes since the last round. */
  readonly travelled: number;
  readonly plain: Validation;
  readonly averaged: Validation;
  readonly noisy: readonly Validation[];
}

/** The validations of a round, in the order in which they were made. */
export function validationsOf({ plain, averaged, noisy }: Round): readonly Validation[] {
  return [plain, averaged, ...noisy];
}

/** Validates the policy as it is, averaged, and with noise on all weights. */
export function validateAll(
  policy: tf.LayersModel,
  ema: Ema,
  environments: readonly Environment[],
): Pick<Round, "plain" | "averaged" | "noisy"> {
  // An ordinary validation; it knows no theater. What is likelier is done, so that it repeats itself.
  const evaluate = (): number => {
    const episodes = play(policy, environments, {
      limit: longest,
      choose: (probability) => probability > 0.5,
    });
    return mean(episodes.map(({ balanced }) => balanced));
  };
  const validate = (options: Options<tf.Tensor>): Validation => {
    const receipts: Receipt[] = [];
    const tensors = tf.memory().numTensors;
    const before = digestOfModel(policy);
    const balanced = withTheater(
      policy,
      { ...options, onReceipt: (receipt) => void receipts.push(receipt) },
      evaluate,
    );
    return {
      balanced,
      receipt: receipts[0]!,
      digests: [before, digestOfModel(policy)],
      leaked: tf.memory().numTensors - tensors,
    };
  };
  return {
    plain: validate({}),
    averaged: validate({ modification: interpolate(ema.weights) }),
    noisy: noiseSeeds.map((seed) =>
      validate({ modification: noise({ std: 0.4, relativeTo: "parameterStd", seed }), layers: "all" }),
    ),
  };
}
