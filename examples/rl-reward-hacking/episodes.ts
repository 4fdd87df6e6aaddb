/** Episodes: a policy acts in environments until the pole falls, the cart leaves the track, or time is up. */
import type * as tf from "@tensorflow/tfjs";
import { distance, type Environment, isBalanced, push } from "./environment.ts";
import { logOdds, observe } from "./policy.ts";

/** What was seen, what was done, and what the proxy paid for it. */
export interface Step {
  readonly observation: readonly number[];
  /** −1 to the left, 1 to the right. */
  readonly direction: number;
  /** Metres; nothing for the push that ended the episode. */
  readonly reward: number;
}

export interface Episode {
  readonly steps: readonly Step[];
  /** The proxy return: metres travelled. */
  readonly travelled: number;
  /** The true return: for how many steps the pole was up and the cart on its track. */
  readonly balanced: number;
}

/** How a policy is played. */
export interface Rules {
  /** Most steps in an episode. */
  readonly limit: number;
  /** Whether to push to the right, which the policy holds for this likely. */
  readonly choose: (probability: number) => boolean;
}

/** One episode in each environment, side by side, so that the policy is asked once per step for all of them. */
export function play(
  policy: tf.LayersModel,
  environments: readonly Environment[],
  { limit, choose }: Rules,
): readonly Episode[] {
  const episodes = environments.map(({ physics, start }) => ({ physics, state: start, steps: [] as Step[] }));
  let running = episodes;
  for (let step = 0; step < limit && running.length > 0; step++) {
    const observations = running.map(({ state }) => observe(state));
    const odds = logOdds(policy, observations);
    const values = odds.dataSync();
    odds.dispose();
    running = running.filter((episode, i) => {
      const direction = choose(1 / (1 + Math.exp(-values[i]!))) ? 1 : -1;
      const before = episode.state;
      episode.state = push(before, episode.physics, direction);
      const goesOn = isBalanced(episode.state);
      const reward = goesOn ? distance(before, episode.state) : 0;
      episode.steps.push({ observation: observations[i]!, direction, reward });
      return goesOn;
    });
  }
  return episodes.map(({ state, steps }) => ({
    steps,
    travelled: steps.reduce((sum, { reward }) => sum + reward, 0),
    balanced: isBalanced(state) ? steps.length : steps.length - 1,
  }));
}
