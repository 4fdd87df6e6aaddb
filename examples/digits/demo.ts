/**
 * Trains a small convolutional classifier on handwritten digits. Every 10 steps it is validated as it is, averaged,
 * noisy, scaled and with a block disabled: in the middle of training, from one set of weights.
 *
 * Run it with `npm run demo`. It fails if the model does not learn, or does not come back bit for bit.
 */
import * as tf from "@tensorflow/tfjs";
import "@tensorflow/tfjs-backend-wasm";
// In a project of your own: from "surgical-theater/tfjs".
import { Ema, formatBytes, planTheater, type Receipt, withTheater } from "../../src/tfjs.ts";
import { Checks } from "../support/checks.ts";
import "../support/convolution-gradient.ts";
import { Progress } from "../support/progress.ts";
import { percent } from "../support/table.ts";
import { batches } from "./digits.ts";
import { loadDigits } from "./load.ts";
import { createModel } from "./model.ts";
import { type Round, validateAll, type Validation } from "./rounds.ts";
import { checkRounds, formatProof, formatViews } from "./summary.ts";
import { optionsFor, type View } from "./views.ts";

const steps = 300;
const validateEvery = 10;
const batchSize = 64;
const leastAccuracy = 0.95;

await tf.setBackend("wasm");

const { training, heldOut } = loadDigits();
const batch = batches(training, batchSize);
const model = createModel();
using ema = new Ema(model, { decay: 0.97 });

/** An ordinary validation: the share of held-out digits that the model reads correctly. It knows no theater. */
function accuracy(): number {
  return tf.tidy(() => {
    const predicted = model.predict(heldOut.images, { batchSize: heldOut.images.shape[0] }) as tf.Tensor;
    return tf.mean(tf.metrics.categoricalAccuracy(heldOut.labels, predicted)).dataSync()[0]!;
  });
}

/** The same validation, of other weights. */
function validateAs(view: View): Validation {
  const receipts: Receipt[] = [];
  const options = { ...optionsFor(view, ema), onReceipt: (receipt: Receipt) => void receipts.push(receipt) };
  const plan = planTheater(model, options);
  return { accuracy: withTheater(model, options, accuracy), receipt: receipts[0]!, plan };
}

console.log(
  `${training.images.shape[0]} digits to train on, ${heldOut.images.shape[0]} held out; ` +
    `${model.countParams()} parameters; TensorFlow.js ${tf.version.tfjs}, ${tf.getBackend()}`,
);

const begin = performance.now();
const rounds: Round[] = [];
{
  using progress = new Progress("digits", steps);
  let accuracies = "not validated yet";
  for (let step = 1; step <= steps; step++) {
    const { images, labels } = batch.next().value;
    const loss = (await model.trainOnBatch(images, labels)) as number;
    tf.dispose([images, labels]);
    ema.update(); // Added to an ordinary training loop (1): the average follows each step.

    if (step % validateEvery === 0) {
      rounds.push(validateAll(model, validateAs)); // Added (2): before, this was `accuracy()`.
      const { plain, EMA } = rounds.at(-1)!.validations;
      accuracies = `plain ${percent(plain.accuracy)}  EMA ${percent(EMA.accuracy)}`;
    }
    // It also lets timers run, and Ctrl-C through.
    await progress.update(step, `loss ${loss.toFixed(3)}  ${accuracies}`);
  }
}
const ms = performance.now() - begin;

const { modelBytes } = rounds.at(-1)!.validations.plain.receipt;
const share = rounds.reduce((sum, round) => sum + round.ms, 0) / ms;
const leaked = rounds.reduce((sum, round) => sum + round.leaked, 0);
console.log(`
${formatViews(rounds)}

Memory    a copy of the model would hold ${formatBytes(modelBytes)}; the EMA keeps ${formatBytes(ema.bytes)} of averages
          peak adds what opening takes for a moment, and what wasm packs at first use (for a copy just as well)
Tensors   ${tf.memory().numTensors} at the end, ${leaked} left behind by ${rounds.length} rounds of validations
${formatProof(rounds)}
Time      ${(ms / 1000).toFixed(1)} s, of which validations took ${percent(share)}`);

const checks = new Checks();
checkRounds(checks, rounds, leastAccuracy);
checks.report();
