/** An asynchronous theater, and an `AbortSignal` that ends it: before, while it opens, and inside. */
import { setImmediate } from "node:timers/promises";
import * as tf from "@tensorflow/tfjs";
// In a project of your own: from "surgical-theater/tfjs".
import { custom, withTheaterAsync } from "../../src/tfjs.ts";
import { scoreOf, type Subject } from "../basic-usage/subject.ts";
import type { Checks } from "../support/checks.ts";
import { digestOfModel } from "../support/digest.ts";
import { formatTable, yes } from "../support/table.ts";

const batchSize = 60;

/** Where somebody aborts, and how many batches are validated by then. */
const moments = { "before it opens": 0, "while it opens": 0, "inside, after batch 3": 3, never: 6 };
type Moment = keyof typeof moments;

export async function abortInTime(subject: Subject, checks: Checks): Promise<void> {
  const { model } = subject;
  const trained = digestOfModel(model);
  const rows: string[][] = [];
  for (const [moment, expected] of Object.entries(moments) as [Moment, number][]) {
    const { ending, batches } = await validateUntil(subject, moment);
    const isBack = digestOfModel(model) === trained;
    rows.push([moment, ending, String(batches), yes(isBack)]);
    checks.that(isBack, `aborted ${moment}: the model is not what it was`);
    checks.that(batches === expected, `aborted ${moment}: ${batches} batches were validated`);
    checks.that(ending.startsWith("AbortError") === (moment !== "never"), `aborted ${moment}: ${ending}`);
  }
  console.log(formatTable(2, [["aborted", "ended with", "batches", "bits back"], ...rows]));
}

async function validateUntil(
  subject: Subject,
  moment: Moment,
): Promise<{ readonly ending: string; readonly batches: number }> {
  const controller = new AbortController();
  const { signal } = controller;
  if (moment === "before it opens") controller.abort();
  const modification = custom((weight: tf.Tensor, { name }) => {
    if (moment === "while it opens" && name === "hidden/kernel") controller.abort();
    return tf.mul(weight, -0.1);
  });

  let batches = 0;
  const options = { modification, layers: "all", signal } as const;
  try {
    const loss = await withTheaterAsync(subject.model, options, () =>
      validateInBatches(subject, signal, () => {
        batches++;
        if (moment === "inside, after batch 3" && batches === 3) controller.abort();
      }),
    );
    return { ending: `loss ${loss.toFixed(4)}`, batches };
  } catch (error) {
    return { ending: error instanceof Error ? `${error.name}: ${error.message}` : String(error), batches };
  }
}

/** A validation that lets others run between batches, and stops there when it is asked to. */
async function validateInBatches(
  { model, heldOut }: Subject,
  signal: AbortSignal,
  afterBatch: () => void,
): Promise<number> {
  const [count] = heldOut.images.shape;
  let loss = 0;
  for (let begin = 0; begin < count; begin += batchSize) {
    const images = tf.slice(heldOut.images, [begin], [batchSize]);
    const labels = tf.slice(heldOut.labels, [begin], [batchSize]);
    loss += (scoreOf(model, { images, labels }).loss * batchSize) / count;
    tf.dispose([images, labels]);
    afterBatch();
    await setImmediate();
    signal.throwIfAborted();
  }
  return loss;
}
