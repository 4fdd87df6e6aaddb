/** Runs the parts of an example one after the other, and sees to it that each leaves the model as it was. */
import * as tf from "@tensorflow/tfjs";
import type { Checks } from "../support/checks.ts";
import { digestOfModel } from "../support/digest.ts";
import { yes } from "../support/table.ts";
import type { Subject } from "./subject.ts";

/** Prints what it finds, and checks it. */
export type Part = (subject: Subject, checks: Checks) => void | Promise<void>;

/** @param parts - by their titles */
export async function runParts(
  parts: Readonly<Record<string, Part>>,
  subject: Subject,
  checks: Checks,
): Promise<void> {
  const { model } = subject;
  const trained = digestOfModel(model);
  for (const [title, part] of Object.entries(parts)) {
    console.log(`\n${title}\n`);
    const { numTensors } = tf.memory();
    await part(subject, checks);

    // The library says that all bits are back. This does not ask it.
    const now = digestOfModel(model);
    const left = tf.memory().numTensors - numTensors;
    console.log(
      `\nBits      as trained: ${yes(now === trained)}, ${now.slice(0, 8)}; ${left} tensors left behind`,
    );
    checks.that(now === trained, `${title}: the model is not what it was`);
    checks.that(left === 0, `${title}: tensors were left behind`);
  }
  console.log(`
SHA-256   of all weights: ${trained} before
                          ${digestOfModel(model)} after all this`);
}
