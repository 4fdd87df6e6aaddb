/** The policy: a small network that says how likely a push to the right is. */
import * as tf from "@tensorflow/tfjs";
import { fallen, type State, trackEnd } from "./environment.ts";

/** Builds a policy, with the same initial weights for the same `random` (X. Glorot, Y. Bengio, 2010; no bias). */
export function createPolicy(random: () => number): tf.LayersModel {
  const policy = tf.sequential({
    layers: [
      tf.layers.dense({ name: "hidden", units: 16, inputShape: [4], activation: "tanh" }),
      tf.layers.dense({ name: "action", units: 1 }),
    ],
  });
  tf.tidy(() =>
    policy.setWeights(
      policy.getWeights().map(({ shape, size }) => {
        const [inputs, outputs] = shape as [number, number?];
        const limit = outputs === undefined ? 0 : Math.sqrt(6 / (inputs + outputs));
        return tf.tensor(
          Float32Array.from({ length: size }, () => limit * (2 * random() - 1)),
          shape,
        );
      }),
    ),
  );
  return policy;
}

/** What a policy sees of a state: four numbers around −1 to 1. */
export function observe({ position, velocity, angle, angularVelocity }: State): readonly number[] {
  return [position / trackEnd, velocity / 2, angle / fallen, angularVelocity / 2];
}

/** The log-odds of a push to the right, for observations `[n, 4]`: `[n, 1]`. */
export function logOdds(policy: tf.LayersModel, observations: readonly (readonly number[])[]): tf.Tensor2D {
  return tf.tidy(
    () =>
      policy.apply(
        tf.tensor2d(Float32Array.from(observations.flat()), [observations.length, 4]),
      ) as tf.Tensor2D,
  );
}
