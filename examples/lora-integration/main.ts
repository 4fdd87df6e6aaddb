/**
 * Trains a small GPT on licences, fine-tunes it with LoRA on one that it has not seen, and validates it every 10 steps
 * with the adapter merged, while the base stays as it is.
 *
 * Run it with `npm run example:lora`. It fails if a validation changes the base or leaves bytes behind, or if merging in
 * a theater and merging in the compiled function do not give the same loss to the last digit.
 */
import "./node20.ts";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Array as JaxArray, tree } from "@jax-js/jax";
// In a project of your own: from "surgical-theater/jax".
import { formatBytes, formatReceipt, withTheater } from "../../src/jax.ts";
import { Checks } from "../support/checks.ts";
import { haveSameBits, loadAdapter, saveAdapter } from "./adapter-files.ts";
import { compare } from "./compare.ts";
import { evenBatch, loadTexts } from "./data.ts";
import { createGpt, lossOf } from "./gpt.ts";
import { LiveBytes } from "./live-bytes.ts";
import { createAdapter, loraRank } from "./lora.ts";
import { sweep } from "./sweep.ts";
import { formatRounds, formatTrials, formatWays } from "./tables.ts";
import { context, fineTune, trainBase } from "./train.ts";
import { digest, Validation } from "./validate.ts";

const { values: given } = parseArgs({
  options: {
    "base-steps": { type: "string", default: "150" },
    steps: { type: "string", default: "60" },
    save: { type: "string" }, // A folder to keep the adapter in.
  },
});
const [baseSteps, steps] = [Number(given["base-steps"]), Number(given.steps)];
if (!(baseSteps >= 1 && steps >= 1)) throw new RangeError("--base-steps and --steps must be 1 or more.");

const countOf = (params: object): number =>
  tree.leaves(params as never).reduce((sum: number, { size }: JaxArray) => sum + size, 0);

const checks = new Checks();
const live = new LiveBytes();
const begin = performance.now();
const texts = loadTexts();
const config = { vocabulary: texts.vocabulary, width: 128, depth: 5, heads: 4 };
const loss = lossOf(config);

// 1. The base, which stays as it is from here on.
const untrained = createGpt(config, 1);
const base = await trainBase(untrained, { loss, text: texts.base, steps: baseSteps });
using validation = new Validation(base, loss, evenBatch(texts.validation, 16, context));
const baseDigest = digest(base);
const baseLoss = validation.lossOf(tree.ref(base));
console.log(`
Base      ${countOf(base)} parameters (${formatBytes(4 * countOf(base))}), ${baseSteps} steps on ${texts.base.length} characters of nine licences
          loss ${baseLoss.toFixed(4)} on the last part of a tenth, which it has not seen (nats per character)`);

// 2. The adapter, validated every 10 steps.
const fresh = createAdapter(base, 2);
checks.that(validation.inGraph(fresh) === baseLoss, "a new adapter changes something");
const { adapter, rounds } = await fineTune(fresh, { loss, text: texts.tuning, steps }, validation, live);
const last = rounds.at(-1)!;
console.log(`
Adapter   ${countOf(adapter)} parameters, rank ${loraRank}, ${steps} steps on the first ${texts.tuning.length} characters of the tenth,
          validated on the other ${texts.validation.length}, which no training sees

${formatRounds(rounds)}

Receipt   of the last one: ${formatReceipt(last.receipt)}`);
checks.that(last.inTheater < baseLoss, "fine-tuning did not lower the validation loss");
checks.each(
  rounds,
  ({ inTheater, inGraph }) => inTheater === inGraph,
  "merging in a theater and in the graph differ",
);
checks.each(rounds, ({ receipt }) => receipt.identical, "a receipt says that bits differ");
checks.each(
  rounds,
  ({ digests }) => digests.every((each) => each === baseDigest),
  "a validation changed the base",
);
checks.each(
  rounds,
  ({ live }) => live.every((bytes) => bytes === last.live[1]),
  "live bytes are not constant",
);

// 3. A theater, compared with a copy of the model.
const { copy, theater, graph } = await compare(validation, adapter, live, 9);
const ways = [copy, theater, graph];
console.log(`
Compared  one validation of the merged model, medians of 9

${formatWays({ "copy of the model": copy, theater, "merged in the graph": graph })}`);
checks.each(ways, (way) => way.loss === last.inTheater, "the ways to merge give different losses");
checks.each(ways, ({ leftBytes }) => leftBytes === 0, "a way to merge left bytes behind");
checks.that(theater.heldBytes === last.receipt.heldBytes, "a theater does not hold what its receipt says");
checks.that(theater.heldBytes < copy.heldBytes, "a theater holds as much as a copy");

// 4. The strength of the adapter: factors of alpha.
const trials = sweep(validation, adapter, loss);
console.log(`
Strength  of the adapter: validation loss with alpha times this

${formatTrials(trials)}`);
checks.each(trials, ({ inTheater, inOverlay }) => inTheater === inOverlay, "theater and overlay differ");
const at = (strength: number): number | undefined =>
  trials.find((trial) => trial.strength === strength)?.inTheater;
checks.that(at(0) === baseLoss, "strength 0 is not the base");
checks.that(at(1) === last.inTheater, "strength 1 is not the adapter");

// 5. The adapter as files for PEFT, and back.
const folder = given.save ?? (await mkdtemp(join(tmpdir(), "adapter-")));
await saveAdapter(folder, adapter);
const reread = await loadAdapter(folder, base);
if (given.save === undefined) await rm(folder, { recursive: true });
const rereadLoss = withTheater(base, { modification: reread }, validation.lossOf);
console.log(`
Files     adapter_config.json and adapter_model.safetensors, written and read again: \
${haveSameBits(adapter, reread.adapter) ? "the same bits" : "OTHER BITS"}, loss ${rereadLoss}`);
checks.that(haveSameBits(adapter, reread.adapter), "the adapter has other bits when it is read again");
checks.that(rereadLoss === last.inTheater, "the adapter that was read again has another loss");
checks.that(digest(base) === baseDigest, "the base has changed");

console.log(`SHA-256   of the base: ${baseDigest} before
                       ${digest(base)} after everything
Time      ${((performance.now() - begin) / 1000).toFixed(0)} s`);
checks.report();
