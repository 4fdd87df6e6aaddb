/** A sweep of 150 trials on the classifier of digits: `node killed-program.mjs RESULTS DIGITS WASM`, to be killed. */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import * as tf from "@tensorflow/tfjs";
import { setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import { toTensors } from "../../examples/digits/digits.ts";
import { createModel } from "../../examples/digits/model.ts";
import { parseDigits } from "../../examples/support/digits.ts";
import { ablation, defineSweep, layerFactors, noiseLevels, runSweep } from "../../src/sweep.ts";
import { store } from "../../src/tfjs.ts";

const [, , results = "", digits = "", wasm = ""] = process.argv;
setWasmPaths(wasm);
if (!(await tf.setBackend("wasm"))) throw new Error("the wasm backend does not run here");

const model = createModel();
const { images, labels } = toTensors(parseDigits(gunzipSync(readFileSync(digits)).toString()).slice(0, 24));

function evaluate(visible: tf.LayersModel): { readonly accuracy: number; readonly loss: number } {
  return tf.tidy(() => {
    const probabilities = visible.predict(images) as tf.Tensor;
    const accuracy = tf.mean(tf.metrics.categoricalAccuracy(labels, probabilities)).dataSync()[0]!;
    const loss = tf.mean(tf.metrics.categoricalCrossentropy(labels, probabilities)).dataSync()[0]!;
    return { accuracy, loss };
  });
}

const sweep = defineSweep({
  name: "digits",
  store,
  model,
  evaluate,
  minimize: "loss",
  trials: ({ layers }) => [
    ...ablation(layers),
    ...layerFactors(layers, [0.5, 0.8, 1.25, 2]),
    ...noiseLevels({
      std: [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2],
      seeds: Array.from({ length: 15 }, (_, seed) => seed),
      relativeTo: "parameterStd",
    }),
  ],
});

await runSweep(sweep, { results });
console.log(JSON.stringify([...(await store.fingerprints(model))]));
