/**
 * What to rely on beyond the basics: errors, and that all bits are back after each; what theaters hold beside copies, as
 * planned and as measured; quantized and sharded parameters; theaters closed out of order, and aborted ones.
 *
 * Run it with `npm run example:advanced`. It fails if an error is another one, if a bit differs afterwards, or if a theater
 * holds other bytes than it says.
 */
import * as tf from "@tensorflow/tfjs";
import "@tensorflow/tfjs-backend-wasm";
import { runParts } from "../basic-usage/parts.ts";
import { createSubject } from "../basic-usage/subject.ts";
import { train } from "../basic-usage/training.ts";
import { Checks } from "../support/checks.ts";
import "../support/convolution-gradient.ts";
import { abortInTime } from "./aborting.ts";
import { compareArrays } from "./array-memory.ts";
import { failInAllWays } from "./failures.ts";
import { closeOutOfOrder } from "./nesting.ts";
import { modifyCodes } from "./quantized.ts";
import { modifyShards } from "./sharded.ts";
import { compareTensors } from "./tensor-memory.ts";

const steps = 40;

await tf.setBackend("wasm");
const begin = performance.now();
const checks = new Checks();
const subject = createSubject();
const { model, ema, training } = subject;
await train(model, training, steps, () => ema.update());
console.log(
  `${model.countParams()} parameters, ${steps} steps; TensorFlow.js ${tf.version.tfjs}, ${tf.getBackend()}`,
);

await runParts(
  {
    "1. Errors": failInAllWays,
    "2. Memory, on TensorFlow.js": compareTensors,
    "3. Memory, in typed arrays": compareArrays,
    "4. Quantized parameters": modifyCodes,
    "5. Sharded parameters": modifyShards,
    "6. Theaters closed out of order": closeOutOfOrder,
    "7. Asynchronous theaters, aborted": abortInTime,
  },
  subject,
  checks,
);

ema.dispose();
console.log(`Time      ${((performance.now() - begin) / 1000).toFixed(0)} s`);
checks.report();
