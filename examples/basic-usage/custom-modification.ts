/** Part 6: a modification of your own, as a difference or as a new value. */
import * as tf from "@tensorflow/tfjs";
// In a project of your own: from "surgical-theater/tfjs".
import { type Custom, custom, withTheater } from "../../src/tfjs.ts";
import type { Checks } from "../support/checks.ts";
import { digestOfModel } from "../support/digest.ts";
import { formatTable, percent } from "../support/table.ts";
import type { Score, Subject } from "./subject.ts";

const decay = 0.2;
const limit = 0.15;

/** Without `returns`, a function gives what is added to a weight. */
const delta = custom((weight: tf.Tensor) => tf.mul(weight, -decay));

/** The same, as the new value. */
const value = custom((weight: tf.Tensor) => tf.add(weight, tf.mul(weight, -decay)), { returns: "value" });

/** Here the new value is the natural form. A function is told which parameter it has. */
const clipped = custom(
  (weight: tf.Tensor, { shape }) => (shape.length > 1 ? tf.clipByValue(weight, -limit, limit) : weight),
  { returns: "value" },
);

export function modifyAsYouLike({ model, validate }: Subject, checks: Checks): void {
  const plain = validate();
  const show = (modification: Custom<tf.Tensor>): Score & { readonly shown: string } =>
    withTheater(model, { modification, layers: "all" }, () => ({
      ...validate(),
      shown: digestOfModel(model),
    }));
  const [asDelta, asValue, clip] = [show(delta), show(value), show(clipped)];

  console.log(
    formatTable(1, [
      ["", "loss", "against plain", "accuracy", "SHA-256 of what is shown"],
      ...Object.entries({
        "a fifth less, as a delta": asDelta,
        "a fifth less, as a value": asValue,
        [`kernels clipped to ±${limit}`]: clip,
      }).map(([name, { loss, accuracy, shown }]) => [
        name,
        String(loss),
        (loss - plain.loss).toFixed(4),
        percent(accuracy),
        shown.slice(0, 8),
      ]),
    ]),
  );
  checks.that(asDelta.shown === asValue.shown, "a delta and the value with it show other weights");
  checks.each([asDelta, clip], ({ loss }) => loss !== plain.loss, "a modification does not show");
}
