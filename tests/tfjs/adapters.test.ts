/** Many adapters on one set of variables, opened and closed in any order. */
import * as tf from "@tensorflow/tfjs-core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { lora, type Lora, surgicalTheater, withTheater } from "../../src/tfjs.ts";
import { adapterOf, adaptedShapes, baseWeights, shuffleTheaters } from "../support/adapters.ts";
import { bits } from "../support/bits.ts";
import { liveCounts } from "../support/meter.ts";
import { backends, useBackend } from "../support/tensorflow.ts";

type Model = Readonly<Record<string, tf.Variable>>;

function make(): Model {
  return Object.fromEntries(
    Object.entries(baseWeights()).map(([name, values]) => {
      const initial = tf.tensor(values, [...adaptedShapes[name as "conv.kernel"]]);
      const variable = tf.variable(initial);
      initial.dispose();
      return [name, variable];
    }),
  );
}

const bitsOf = (model: Model): string[] => Object.values(model).map((each) => bits(each.dataSync()));

describe.each(backends)("40 theaters over 10 adapters on %s", (backend) => {
  let modifications: readonly Lora<tf.Tensor>[];
  let models: readonly [Model, Model];

  beforeEach(async () => {
    await useBackend(backend);
    modifications = Array.from({ length: 10 }, (_, which) => {
      const { adapter, options } = adapterOf(which, (values, shape) => tf.tensor(values, [...shape]));
      return lora(adapter, options);
    });
    models = [make(), make()];
  });

  afterEach(() => {
    for (const { adapter } of modifications) {
      for (const { a, b, magnitude } of Object.values(adapter))
        tf.dispose([a, b, ...(magnitude ? [magnitude] : [])]);
    }
    for (const model of models) tf.dispose(Object.values(model));
  });

  it.each(["swap", "stream"] as const)(
    "show what refolding the base shows, and leave it as it was: %s",
    (technique) => {
      const [theirs, ours] = models;
      const base = bitsOf(theirs);
      const ids = Object.values(theirs).map(({ dataId }) => dataId);
      const counts = liveCounts();
      const other = technique === "swap" ? "stream" : "swap";
      const open = (adapter: number) => {
        const theater = surgicalTheater(theirs, { modification: modifications[adapter]!, technique });
        return () => expect(theater.close().identical).toBe(true);
      };
      for (const seed of [1, 2, 3]) {
        shuffleTheaters(seed, open, (adapters) => {
          const modification = adapters.map((each) => modifications[each]!);
          const options = adapters.length === 0 ? {} : ({ modification, technique: other } as const);
          const folded = withTheater(ours, options, () => bitsOf(ours));
          expect(bitsOf(theirs)).toEqual(folded);
        });
        expect(bitsOf(theirs)).toEqual(base);
      }
      expect(Object.values(theirs).map(({ dataId }) => dataId)).toEqual(ids);
      expect(liveCounts()).toEqual(counts);
    },
  );
});
