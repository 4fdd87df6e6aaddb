/**
 * Prints how much the wasm heap grew from before a streaming theater opens to after it is open, after the first use
 * of what it shows, after many, and after it has closed, beside what its plan said. A process of its own: the heap
 * never shrinks, so only a fresh one tells anything.
 *
 * Arguments: what is modified (kernel, bias, all), the modification, units of the large layer, and how many uses.
 */
import * as tf from "@tensorflow/tfjs";
import { engine } from "@tensorflow/tfjs-core";
import { interpolate, noise, scale, surgicalTheater } from "../../src/tfjs.ts";
import { useBackend } from "../support/tensorflow.ts";

await useBackend("wasm");
const [part, wanted] = process.argv.slice(2, 4) as [string, string];
const [side, uses] = process.argv.slice(4).map(Number) as [number, number];
const heap = (): number =>
  (engine().backend as unknown as { wasm: { HEAPU8: Uint8Array } }).wasm.HEAPU8.length;

const model = tf.sequential({
  layers: [
    tf.layers.dense({ units: side, inputShape: [side], kernelInitializer: "ones" }),
    tf.layers.dense({ units: 2 }),
  ],
});
const x = tf.ones([1, side]);
const predict = (): void => tf.dispose(model.predict(x));
predict();
// Uses up what the heap has to spare: from here on it grows by what is asked of it.
const ballast = tf.zeros([side, side]);
const [first] = model.layers;
const target = model.weights.find(({ name }) => name === `${first!.name}/${part}`);
const layers = target?.name ?? "all";
const modification = {
  scale: () => scale(0.5),
  noise: () => noise({ std: 0.1, seed: 1 }),
  interpolate: () => interpolate({ [target!.name]: ballast }, 0.3),
}[wanted]!();
const before = heap();
const theater = surgicalTheater(model, { modification, layers, technique: "stream" });
const opened = heap() - before;
predict();
const used = heap() - before;
for (let i = 1; i < uses; i++) predict();
const usedOften = heap() - before;
const { heldBytes, transientBytes, engineBytes } = theater.plan;
theater.close();
predict();
const closed = heap() - before;
console.log(JSON.stringify({ opened, used, usedOften, closed, heldBytes, transientBytes, engineBytes }));
