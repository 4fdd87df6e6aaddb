/**
 * Six things to do with a model and a validation of it: other weights than its own are validated, in the middle of
 * training and after it, and each time the model is what it was.
 *
 * Run it with `npm run example:basic`. It fails if a weight comes back with other bits, if modifications that differ show
 * the same, or if a theater holds other bytes than it says.
 */
import * as tf from "@tensorflow/tfjs";
import "@tensorflow/tfjs-backend-wasm";
import { Checks } from "../support/checks.ts";
import "../support/convolution-gradient.ts";
import { rankLayers } from "./ablation.ts";
import { modifyAsYouLike } from "./custom-modification.ts";
import { validateDuringTraining } from "./during-training.ts";
import { testFactors } from "./factor-test.ts";
import { trackMemory } from "./memory-tracking.ts";
import { testRobustness } from "./noise-robustness.ts";
import { runParts } from "./parts.ts";
import { createSubject } from "./subject.ts";

await tf.setBackend("wasm");
const begin = performance.now();
const checks = new Checks();
const subject = createSubject();
const { model, ema, training } = subject;

console.log(`${model.countParams()} parameters, ${training.labels.shape[0]} digits to train on; \
TensorFlow.js ${tf.version.tfjs}, ${tf.getBackend()}

1. Validation during training
`);
// It trains the model, and sees itself to it that validating changes nothing.
await validateDuringTraining(subject, checks);

await runParts(
  {
    "2. Factor test": testFactors,
    "3. Ablation": rankLayers,
    "4. Noise robustness": testRobustness,
    "5. Memory": trackMemory,
    "6. A modification of your own": modifyAsYouLike,
  },
  subject,
  checks,
);

ema.dispose();
console.log(`Time      ${((performance.now() - begin) / 1000).toFixed(0)} s`);
checks.report();
