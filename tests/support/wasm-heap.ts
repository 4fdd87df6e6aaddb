/**
 * Prints how much the wasm heap grew from before a theater opens to after the first use of what it shows, beside
 * what its plan said. A process of its own: the heap never shrinks, so only a fresh one tells anything.
 *
 * Arguments: what is modified (kernel, bias), and the modification.
 */
import * as tf from "@tensorflow/tfjs";
import { engine } from "@tensorflow/tfjs-core";
import { disable, interpolate, noise, scale, surgicalTheater } from "../../src/tfjs.ts";
import { useBackend } from "./tensorflow.ts";

/** One kernel of 64 MB: all else in the heap is small beside it, and so are the 20 % by which the heap grows. */
const SIDE = 4096;

await useBackend("wasm");
const [part, wanted] = process.argv.slice(2) as [string, string];
const heap = (): number =>
  (engine().backend as unknown as { wasm: { HEAPU8: Uint8Array } }).wasm.HEAPU8.length;

const model = tf.sequential({
  layers: [
    tf.layers.dense({ units: SIDE, inputShape: [SIDE], kernelInitializer: "ones" }),
    tf.layers.dense({ units: 2 }),
  ],
});
const x = tf.ones([1, SIDE]);
const predict = (): void => tf.dispose(model.predict(x));
predict();
// Uses up what the heap has to spare: from here on it grows by what is asked of it.
const ballast = tf.zeros([SIDE, SIDE]);
const target = model.weights.find(({ name }) => name.endsWith(part))!;
const modification = {
  scale: () => scale(0.5),
  disable: () => disable(),
  interpolate: () => interpolate({ [target.name]: ballast }),
  noise: () => noise({ std: 0.1, seed: 1 }),
}[wanted]!();
const before = heap();
const theater = surgicalTheater(model, { modification, layers: target.name });
const opened = heap() - before;
predict();
const used = heap() - before;
const { heldBytes, transientBytes, engineBytes } = theater.plan;
theater.close();
predict();
const closed = heap() - before;
console.log(JSON.stringify({ opened, used, closed, heldBytes, transientBytes, engineBytes }));
