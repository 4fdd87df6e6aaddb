/** As the contract's faults, on a layers model: with recurrent states, statistics and flags to bring back. */
import * as tf from "@tensorflow/tfjs";
import type { RNN } from "@tensorflow/tfjs-layers";
import { describe, expect, it } from "vitest";
import { disable, RestoreError, scale, surgicalTheater } from "../../src/tfjs.ts";
import { bits } from "../support/bits.ts";
import { engineFaults } from "../support/engine-faults.ts";
import { atEveryCall, failing } from "../support/failing.ts";
import { liveCounts } from "../support/meter.ts";
import { input, weightBits, withWeights } from "../support/models.ts";
import { backends, useBackend } from "../support/tensorflow.ts";

const L = tf.layers;

/** Two stateful layers that have run, and BatchNorm. */
function recurrent(x: tf.Tensor): tf.Sequential {
  const model = withWeights(
    tf.sequential({
      layers: [
        L.lstm({ units: 3, stateful: true, returnSequences: true, batchInputShape: [2, 5, 2] }),
        L.gru({ units: 2, stateful: true }),
        L.batchNormalization(),
      ],
    }),
  );
  tf.dispose(model.predict(x));
  return model;
}

/** Everything that must be the same: weights, states, flags. */
function snapshot(model: tf.LayersModel): unknown {
  const states = model.layers.slice(0, 2).map((layer) => (layer as unknown as RNN).getStates().map(bitsOf));
  return [weightBits(model), states, model.layers.map(({ trainable }) => trainable)];
}

const bitsOf = (state: tf.Tensor | null): string | null => (state === null ? null : bits(state.dataSync()));

const options = [
  { title: "scale", options: { modification: scale(0.5), layers: "all" } },
  { title: "disable", options: { modification: disable(), layers: "all" } },
  { title: "a guard", options: {} },
];

describe.each(backends)("faults in a stateful model on %s", async (backend) => {
  await useBackend(backend);

  describe.each(engineFaults())("a failing call of $title, whichever it is", (point) => {
    /** Fails if more is live than was and than the failure leaves behind. */
    function expectNoLeak(before: Record<string, number>): void {
      const now = liveCounts();
      const wrong = Object.keys(now).filter((what) => {
        const more = now[what]! - before[what]!;
        return more < 0 || more > (point.leaves[what] ?? 0);
      });
      expect(wrong).toEqual([]);
    }

    it.each(options)("while opening leaves everything as it was: $title", async ({ options }) => {
      await useBackend(backend);
      const x = input([2, 5, 2]);
      const model = recurrent(x);
      const before = snapshot(model);
      await atEveryCall((n) => {
        const counts = liveCounts();
        let theater: { close(): unknown } | undefined;
        const { fired } = failing(point, n, () => (theater = surgicalTheater(model, options)));
        theater?.close();
        expect(snapshot(model)).toEqual(before);
        expectNoLeak(counts);
        return fired;
      });
      x.dispose();
      model.dispose();
    });

    it.each(options)("while closing is made good by closing again: $title", async ({ options }) => {
      await useBackend(backend);
      const x = input([2, 5, 2]);
      const model = recurrent(x);
      const before = snapshot(model);
      await atEveryCall((n) => {
        const counts = liveCounts();
        const theater = surgicalTheater(model, options);
        tf.dispose(model.predict(x));
        model.layers[1]!.trainable = false;
        const { thrown, fired } = failing(point, n, () => theater.close());
        if (thrown !== undefined) {
          expect(thrown).toBeInstanceOf(RestoreError);
          theater.close();
        }
        expect(snapshot(model)).toEqual(before);
        expectNoLeak(counts);
        return fired;
      });
      x.dispose();
      model.dispose();
    });
  });
});
