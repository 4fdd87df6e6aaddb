/** What other weights hold on TensorFlow.js: in a second model, and in a theater under each technique. */
import * as tf from "@tensorflow/tfjs";
// In a project of your own: from "surgical-theater/tfjs".
import { formatBytes, interpolate, scale } from "../../src/tfjs.ts";
import type { Subject } from "../basic-usage/subject.ts";
import type { Checks } from "../support/checks.ts";
import { formatTable } from "../support/table.ts";
import { tryWays, type View, type Way } from "./ways.ts";

const factor = 0.9;

export async function compareTensors(subject: Subject, checks: Checks): Promise<void> {
  const { model, ema } = subject;
  const views: readonly View[] = [
    {
      name: `all × ${factor}`,
      options: { modification: scale(factor), layers: "all" },
      // Statistics of BatchNorm are not trained, and "all" leaves them out.
      change: (copy) =>
        tf.tidy(() =>
          copy.setWeights(copy.weights.map((w) => (w.trainable ? tf.mul(w.read(), factor) : w.read()))),
        ),
    },
    {
      name: "averaged",
      options: { modification: interpolate(ema.weights) },
      change: (copy) => copy.setWeights(model.weights.map(({ name }) => ema.weights[name]!)),
    },
  ];
  const rows: string[][] = [];
  for (const view of views) {
    const ways = await tryWays(subject, view);
    rows.push(...ways.map((way) => [view.name, ...rowOf(way)]));
    checkWays(checks, view.name, ways);
  }
  console.log(
    formatTable(2, [
      ["shown", "in a", "held: planned", "measured", "at most: planned", "measured", "loss"],
      ...rows,
    ]),
  );
}

function rowOf({ name, plan, held, peak, loss }: Way): string[] {
  return [
    name,
    plan === undefined ? "–" : formatBytes(plan.heldBytes),
    formatBytes(held),
    plan === undefined ? "–" : formatBytes(plan.heldBytes + plan.transientBytes),
    plan === undefined ? "–" : formatBytes(peak),
    String(loss),
  ];
}

function checkWays(checks: Checks, view: string, ways: readonly Way[]): void {
  for (const { name, plan, held, peak, loss, left } of ways) {
    const at = `${view}, ${name}`;
    checks.that(loss === ways[0]!.loss, `${at}: another loss than in a deep copy`);
    checks.that(left === 0, `${at}: bytes were left behind`);
    if (plan === undefined) continue;
    checks.that(held === plan.heldBytes, `${at}: holds something else than was planned`);
    checks.that(
      peak === plan.heldBytes + plan.transientBytes,
      `${at}: needs something else for a moment than was planned`,
    );
  }
}
