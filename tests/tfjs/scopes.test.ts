import * as tf from "@tensorflow/tfjs";
import { beforeEach, describe, expect, it } from "vitest";
import { custom, disable, Ema, interpolate, noise, scale, surgicalTheater } from "../../src/tfjs.ts";
import { liveCounts } from "../support/meter.ts";
import { dataIds, input, mlp, predictionBits, weightBits, withWeights } from "../support/models.ts";
import { backends, useBackend } from "../support/tensorflow.ts";

describe.each(backends)("scopes of the engine on %s", (backend) => {
  beforeEach(async () => void (await useBackend(backend)));

  const modifications = [
    { title: "scale", modification: scale(0.5) },
    { title: "noise", modification: noise({ std: 1, seed: 1 }) },
    { title: "disable", modification: disable() },
    { title: "custom", modification: custom<tf.Tensor>((w) => tf.mul(tf.add(w, 1), 0.5)) },
    {
      title: "a custom that returns its argument",
      modification: custom<tf.Tensor>((w) => w, { returns: "value" }),
    },
  ];

  it.each(modifications)(
    "may end while a theater is open that was opened in them: $title",
    ({ modification }) => {
      const model = mlp();
      const x = input([2, 4]);
      const outputs = predictionBits(model, x);
      const [before, ids, counts] = [weightBits(model), dataIds(model), liveCounts()];
      const options = { modification, layers: "all" };
      const [outer, inner] = tf.tidy(() => {
        const opened = [surgicalTheater(model, options), surgicalTheater(model, options)];
        tf.dispose(model.predict(x));
        return opened as never;
      }) as unknown as ReturnType<typeof surgicalTheater>[];
      predictionBits(model, x);
      outer!.close();
      tf.tidy(() => void inner!.close());
      expect(weightBits(model)).toEqual(before);
      expect(dataIds(model).every((id, i) => id === ids[i])).toBe(true);
      expect(liveCounts()).toEqual(counts);
      expect(predictionBits(model, x)).toBe(outputs);
      x.dispose();
      model.dispose();
    },
  );

  it("may end with an average that was updated in them", () => {
    const model = mlp();
    const counts = liveCounts();
    const ema = new Ema(model, { decay: 0.5 });
    tf.tidy(() => ema.update());
    tf.tidy(() => ema.update());
    const before = weightBits(model);
    tf.tidy(() => void surgicalTheater(model, { modification: interpolate(ema.weights) }).close());
    expect(weightBits(model)).toEqual(before);
    ema.dispose();
    expect(liveCounts()).toEqual(counts);
    model.dispose();
  });

  it("may end with recurrent states that a theater has saved", () => {
    const model = withWeights(
      tf.sequential({ layers: [tf.layers.lstm({ units: 3, stateful: true, batchInputShape: [2, 5, 2] })] }),
    );
    const x = input([2, 5, 2]);
    tf.dispose(model.predict(x));
    const counts = liveCounts();
    const other = predictionAfter(model, x);
    let theater: ReturnType<typeof surgicalTheater>;
    tf.tidy(() => {
      theater = surgicalTheater(model, { modification: scale(0.5), layers: "all" });
      tf.dispose(model.predict(x));
    });
    theater!.close();
    expect(predictionAfter(model, x)).toBe(other);
    expect(liveCounts()).toEqual(counts);
    x.dispose();
    model.dispose();
  });

  it("end cleanly after an opening in them that failed half way", () => {
    const model = mlp();
    const [before, counts] = [weightBits(model), liveCounts()];
    let calls = 0;
    const modification = custom<tf.Tensor>((w) => {
      if (++calls === 3) throw new Error("no more");
      return tf.mul(w, 2);
    });
    expect(() => tf.tidy(() => void surgicalTheater(model, { modification, layers: "all" }))).toThrow(
      /no more/,
    );
    expect(weightBits(model)).toEqual(before);
    expect(liveCounts()).toEqual(counts);
    model.dispose();
  });
});

/** What a stateful model predicts next, its states left as they were. */
function predictionAfter(model: tf.LayersModel, x: tf.Tensor): string {
  const guard = surgicalTheater(model, {});
  const found = predictionBits(model, x);
  guard.close();
  return found;
}
