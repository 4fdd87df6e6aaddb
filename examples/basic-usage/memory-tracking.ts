/** Part 5: what a theater holds, said before it opens, while it is open and when it has closed; and measured. */
import type * as tf from "@tensorflow/tfjs";
// In a project of your own: from "surgical-theater/tfjs".
import {
  disable,
  formatBytes,
  interpolate,
  noise,
  type Options,
  planTheater,
  scale,
  surgicalTheater,
} from "../../src/tfjs.ts";
import { startMeter } from "../../tests/support/meter.ts";
import type { Checks } from "../support/checks.ts";
import { formatTable, percent } from "../support/table.ts";
import { deepCopy } from "./copies.ts";
import type { Subject } from "./subject.ts";

/** Bytes at each stage of one theater. */
interface Track {
  readonly name: string;
  readonly planned: number;
  readonly reported: number;
  readonly receipt: number;
  readonly measured: number;
  /** What is still there when it has closed. */
  readonly left: number;
}

export async function trackMemory({ model, ema }: Subject, checks: Checks): Promise<void> {
  const cases: Readonly<Record<string, Options<tf.Tensor>>> = {
    guard: {},
    averaged: { modification: interpolate(ema.weights) },
    "block disabled": { modification: disable(), layers: "block_*" },
    "hidden × 0.9": { modification: scale(0.9), layers: "hidden" },
    "all × 0.9": { modification: scale(0.9), layers: "all" },
    "noise on all": { modification: noise({ std: 0.01, seed: 1 }), layers: "all" },
  };
  const tracks = Object.entries(cases).map(([name, options]) => track(model, name, options));
  const copy = await copyBytes(model);

  console.log(`${formatTable(1, [
    ["", "planned", "reported", "in the receipt", "measured", "of a copy"],
    ...tracks.map(({ name, planned, reported, receipt, measured }) => [
      name,
      ...[planned, reported, receipt, measured].map(formatBytes),
      percent(measured / copy),
    ]),
  ])}

Copy      of the model, saved and loaded again: ${formatBytes(copy)}, measured
Averages  the Ema keeps ${formatBytes(ema.bytes)} of them, whether they are shown or not`);
  checks.each(
    tracks,
    ({ planned, reported, receipt, measured }) =>
      [reported, receipt, measured].every((each) => each === planned),
    "a theater holds something else than it says",
  );
  checks.each(tracks, ({ left }) => left === 0, "a theater left bytes behind");
  checks.that(copy === planTheater(model, {}).modelBytes, "a copy is not as large as the plan says");
}

function track(model: tf.LayersModel, name: string, options: Options<tf.Tensor>): Track {
  const plan = planTheater(model, options);
  // It follows every buffer of TensorFlow.js, and does not ask the library.
  const meter = startMeter();
  const theater = surgicalTheater(model, options);
  const { heldBytes } = theater.report();
  const measured = meter.grown();
  const receipt = theater.close();
  meter.stop();
  return {
    name,
    planned: plan.heldBytes,
    reported: heldBytes,
    receipt: receipt.heldBytes,
    measured,
    left: meter.grown(),
  };
}

async function copyBytes(model: tf.LayersModel): Promise<number> {
  const meter = startMeter();
  const copy = await deepCopy(model);
  const bytes = meter.grown();
  copy.dispose();
  meter.stop();
  return bytes;
}
