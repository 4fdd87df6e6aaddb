/** REINFORCE with a baseline (R. Williams, "Simple statistical gradient-following algorithms", 1992). */
import * as tf from "@tensorflow/tfjs";
import type { Episode } from "./episodes.ts";
import { logOdds } from "./policy.ts";

/** A second counts for a third of what now counts for. */
const discount = 0.98;

/** One step uphill: what paid more than usual becomes more likely, what paid less becomes less so. */
export function reinforce(
  policy: tf.LayersModel,
  optimizer: tf.Optimizer,
  episodes: readonly Episode[],
): void {
  const steps = episodes.flatMap((episode) => episode.steps);
  const observations = steps.map(({ observation }) => observation);
  const column = (values: readonly number[]): tf.Tensor2D => tf.tensor2d([...values], [values.length, 1]);
  tf.tidy(() => {
    const directions = column(steps.map(({ direction }) => direction));
    const weights = column(advantages(episodes));
    optimizer.minimize(() => {
      // −log of the probability of what was done.
      const surprise = tf.softplus(tf.neg(tf.mul(directions, logOdds(policy, observations))));
      return tf.mean<tf.Scalar>(tf.mul(surprise, weights));
    });
  });
}

/**
 * How much more each step led to than the mean of all episodes at that step, where one that is over gets nothing more.
 * Scaled to a mean square of 1, episode after episode.
 */
function advantages(episodes: readonly Episode[]): readonly number[] {
  const returns = episodes.map(({ steps }) => discountedReturns(steps.map(({ reward }) => reward)));
  const longest = Math.max(...returns.map(({ length }) => length));
  const baseline = Array.from(
    { length: longest },
    (_, step) => returns.reduce((sum, each) => sum + (each[step] ?? 0), 0) / returns.length,
  );
  const all = returns.flatMap((each) => Array.from(each, (value, step) => value - baseline[step]!));
  const size = Math.sqrt(all.reduce((sum, each) => sum + each ** 2, 0) / all.length);
  return all.map((each) => each / size);
}

/** Of each step: what it and all later ones paid. */
function discountedReturns(rewards: readonly number[]): Float64Array {
  const returns = Float64Array.from(rewards);
  for (let step = returns.length - 2; step >= 0; step--) returns[step]! += discount * returns[step + 1]!;
  return returns;
}
