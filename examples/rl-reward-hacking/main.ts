/**
 * Trains a cart to balance a pole, by a reward that is not quite what is wanted: it pays for the distance that the cart
 * travels. Every 10 updates the policy is validated on held-out environments by what is wanted: as it is, with noise on
 * its weights, and averaged. The reward tells of nothing to the end; validation shows from where on the policy cheats.
 *
 * Run it with `npm run example:rl`. It fails if the policy does not learn what it is paid for, if validation does not
 * notice that it cheats, or if a validation changes a bit of the policy.
 */
import { parseArgs } from "node:util";
import * as tf from "@tensorflow/tfjs";
// In a project of your own: from "surgical-theater/tfjs".
import { Ema } from "../../src/tfjs.ts";
import { Checks } from "../support/checks.ts";
import { Progress } from "../support/progress.ts";
import { randomNumbers } from "../support/random.ts";
import { mean } from "../support/statistics.ts";
import { heldOutEnvironments, trainingEnvironments } from "./environment.ts";
import { play } from "./episodes.ts";
import { alarm, watched } from "./hacking.ts";
import { createPolicy } from "./policy.ts";
import { reinforce } from "./reinforce.ts";
import { formatChart, formatConclusion, formatProof, formatRounds } from "./tables.ts";
import { longest, type Round, validateAll, validationsOf } from "./validate.ts";

const { values: given } = parseArgs({ options: { seed: { type: "string", default: "1" } } });
const seed = Number(given.seed);
if (!Number.isSafeInteger(seed) || seed < 0) throw new RangeError("--seed must be an integer of 0 or more.");

const updates = 160;
const validateEvery = 10;
const episodesPerUpdate = 24;
const limit = 200;
const leastTravelled = 2;

// Plain JavaScript, so that every run prints the same numbers; wasm would take a quarter less time. Production mode
// leaves out the advice to install tfjs-node.
tf.enableProdMode();
await tf.setBackend("cpu");

const random = randomNumbers(seed);
const policy = createPolicy(random);
const optimizer = tf.train.adam(0.005);
using ema = new Ema(policy, { decay: 0.9 });
const heldOut = heldOutEnvironments(32, randomNumbers(1000));

const begin = performance.now();
const rounds: Round[] = [];
{
  using progress = new Progress("policy", updates);
  let travelled: number[] = [];
  let facts = "not validated yet";
  for (let update = 1; update <= updates; update++) {
    const environments = trainingEnvironments(episodesPerUpdate, random);
    const episodes = play(policy, environments, { limit, choose: (probability) => random() < probability });
    reinforce(policy, optimizer, episodes);
    ema.update(); // Added to an ordinary training loop (1): the average follows each update.
    travelled.push(...episodes.map((episode) => episode.travelled));

    if (update % validateEvery === 0) {
      // Added (2): validations of other weights than those being trained.
      const round = { update, travelled: mean(travelled), ...validateAll(policy, ema, heldOut) };
      rounds.push(round);
      facts = `proxy ${round.travelled.toFixed(2)} m  true ${round.plain.balanced.toFixed(0)} steps`;
      travelled = [];
    }
    // It also lets timers run, and Ctrl-C through.
    await progress.update(update, facts);
  }
}

console.log(`
Policy    ${policy.countParams()} parameters, ${updates} updates of ${episodesPerUpdate} episodes of at most ${limit} steps
          paid for the metres that the cart travels; wanted: steps with the pole up and the cart on its track,
          in ${heldOut.length} held-out environments of at most ${longest} steps

${formatRounds(rounds)}

${formatChart(rounds)}

Found     ${formatConclusion(rounds)}

${formatProof(rounds)}
Time      ${((performance.now() - begin) / 1000).toFixed(1)} s`);

const checks = new Checks();
const last = rounds.at(-1)!;
const plain = alarm(rounds, watched["plain validation"]);
const validations = rounds.flatMap(validationsOf);
checks.that(
  last.travelled >= leastTravelled,
  `the policy travels less than ${leastTravelled} m: it has not learnt`,
);
checks.that(plain !== undefined, "validation did not notice that the policy cheats");
checks.that(
  plain === undefined || last.travelled > plain.best.travelled,
  "the proxy fell as well: the policy did not cheat, it forgot",
);
checks.each(validations, ({ receipt }) => receipt.identical, "a receipt says that bits differ");
checks.each(
  validations,
  ({ digests: [before, after] }) => before === after,
  "a validation changed the digest of the weights",
);
checks.each(validations, ({ leaked }) => leaked === 0, "a validation left tensors behind");
checks.report();
