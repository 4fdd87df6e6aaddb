/** Ways to a TensorFlow.js model with other weights: a second model, or a theater. */
import * as tf from "@tensorflow/tfjs";
// In a project of your own: from "surgical-theater/tfjs".
import { type Options, type Plan, surgicalTheater } from "../../src/tfjs.ts";
import { startMeter } from "../../tests/support/meter.ts";
import { deepCopy, sharingCopy } from "../basic-usage/copies.ts";
import { scoreOf, type Subject } from "../basic-usage/subject.ts";

/** Other weights: for a theater, and for a second model. */
export interface View {
  readonly name: string;
  readonly options: Options<tf.Tensor>;
  /** Changes the weights of a copy for good. */
  change(copy: tf.LayersModel): void;
}

/** A model that shows them, and how to be rid of it. */
interface Shown {
  readonly model: tf.LayersModel;
  /** There is none for a copy. */
  readonly plan?: Plan;
  free(): void;
}

/** How one way fared. All figures are bytes beyond the model itself, found without the library. */
export interface Way {
  readonly name: string;
  readonly plan: Plan | undefined;
  readonly held: number;
  /** At the worst moment of opening and of computing the largest layer. */
  readonly peak: number;
  readonly loss: number;
  /** What is still there in the end. */
  readonly left: number;
}

/** Tries all ways to a view. */
export async function tryWays(subject: Subject, view: View): Promise<readonly Way[]> {
  const { model } = subject;
  const changed = async (): Promise<tf.LayersModel> => {
    const copy = await sharingCopy(model);
    view.change(copy);
    return copy;
  };
  const saved = async (): Promise<tf.LayersModel> => {
    const other = await changed();
    const copy = await deepCopy(other);
    other.dispose();
    return copy;
  };
  const copied = (copy: tf.LayersModel): Shown => ({ model: copy, free: () => copy.dispose() });
  const opened = (technique: "swap" | "stream"): Shown => {
    const theater = surgicalTheater(model, { ...view.options, technique });
    return { model, plan: theater.plan, free: () => void theater.close() };
  };
  return [
    await measure(subject, "deep copy", async () => copied(await saved())),
    await measure(subject, "copy, sharing buffers", async () => copied(await changed())),
    await measure(subject, "theater, swap", () => opened("swap")),
    await measure(subject, "theater, stream", () => opened("stream")),
  ];
}

async function measure(
  { model, heldOut }: Subject,
  name: string,
  show: () => Shown | Promise<Shown>,
): Promise<Way> {
  // It follows every buffer of TensorFlow.js.
  const plain = startMeter();
  computeLargest(model);
  plain.stop();

  const meter = startMeter();
  const shown = await show();
  const held = meter.grown();
  computeLargest(shown.model);
  const peak = meter.peak() - plain.peak();
  const { loss } = scoreOf(shown.model, heldOut);
  shown.free();
  meter.stop();
  return { name, plan: shown.plan, held, peak, loss, left: meter.grown() };
}

/** One image on its way through the layer that has most of the weights. What it makes is small beside them. */
function computeLargest(model: tf.LayersModel): void {
  const [, features] = model.getLayer("flat").outputShape as [null, number];
  tf.tidy(() => void model.getLayer("hidden").apply(tf.zeros([1, features])));
}
