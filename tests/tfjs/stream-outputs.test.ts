import * as tf from "@tensorflow/tfjs";
import { describe, expect, it } from "vitest";
import {
  custom,
  disable,
  interpolate,
  type Modification,
  noise,
  scale,
  surgicalTheater,
} from "../../src/tfjs.ts";
import { liveCounts } from "../support/meter.ts";
import { dataIds, predictionBits, weightBits } from "../support/models.ts";
import { surroundings, valuesFor, zoo } from "../support/stream-models.ts";
import { backends, useBackend } from "../support/tensorflow.ts";

interface Case {
  readonly title: string;
  readonly make: (
    towards: Record<string, tf.Tensor>,
  ) => Modification<tf.Tensor> | readonly Modification<tf.Tensor>[];
}

const noisy = noise({ std: 0.3, seed: 5 });
const positive = (w: tf.Tensor): tf.Tensor => tf.abs(tf.add(w, 0.1));
const cases: readonly Case[] = [
  { title: "scale", make: () => scale(0.7) },
  { title: "noise", make: () => noisy },
  { title: "scale, noise", make: () => [scale(0.7), noisy] },
  { title: "disable", make: () => disable() },
  { title: "custom delta", make: () => custom(positive) },
  { title: "custom value", make: () => custom(positive, { returns: "value" }) },
  { title: "interpolate 1", make: (towards) => interpolate(towards) },
  { title: "interpolate 0.3", make: (towards) => interpolate(towards, 0.3) },
];

/** Bits of two predictions, one after the other: the second begins with the states that the first left. */
const outputs = (model: tf.LayersModel, x: tf.Tensor | tf.Tensor[]): string[] => [
  predictionBits(model, x),
  predictionBits(model, x),
];

describe.each(backends)("on %s", (backend) => {
  describe.each(zoo)("what $title predicts while it is streamed", ({ make, input }) => {
    it.each(cases)(
      "is, to the bit, what it predicts while it is swapped: $title",
      async ({ title, make: modify }) => {
        await useBackend(backend);
        const model = make();
        const x = input();
        const towards = valuesFor(model);
        const modification = modify(towards);
        const during = (technique: "swap" | "stream"): string[] => {
          const options = { modification, technique };
          const layers = title.startsWith("interpolate") ? {} : { layers: "all" };
          const theater = surgicalTheater(model, { ...options, ...layers });
          expect(theater.plan.technique).toBe(technique);
          const found = outputs(model, x);
          expect(theater.close()).toMatchObject({ identical: true, written: [] });
          return found;
        };
        const guarded = (): string[] => {
          const guard = surgicalTheater(model, {});
          const found = outputs(model, x);
          guard.close();
          return found;
        };
        const plain = guarded();
        const [before, ids, counts, around] = [
          weightBits(model),
          dataIds(model),
          liveCounts(),
          surroundings(model),
        ];
        const streamed = during("stream");
        expect(liveCounts()).toEqual(counts);
        expect(weightBits(model)).toEqual(before);
        expect(dataIds(model).every((id, i) => id === ids[i])).toBe(true);
        expect(surroundings(model)).toEqual(around);
        expect(streamed).toEqual(during("swap"));
        expect(streamed).not.toEqual(plain);
        expect(guarded()).toEqual(plain);
        tf.dispose([x, towards] as tf.TensorContainer);
        model.dispose();
      },
    );
  });
});
