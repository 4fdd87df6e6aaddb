/** What is on the device at a time, beside what the plan says: the engine's own books do not tell. */
import * as tf from "@tensorflow/tfjs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  custom,
  disable,
  interpolate,
  type Modification,
  noise,
  scale,
  surgicalTheater,
} from "../../src/tfjs.ts";
import { input, withWeights } from "../support/models.ts";
import { backendRuns, useBackend } from "../support/tensorflow.ts";
import { peakBytes, upload } from "./device.ts";

const runs = await backendRuns("webgpu");

const SIDE = 256;
const LAYERS = 16;
/** One layer: a kernel of 0.25 MB. */
const LAYER = SIDE * SIDE * 4;
/** Uniforms, scalars, and activations, of which those of fifteen kernels are there at a time. */
const SMALL = 0.15 * LAYER;

type Technique = "swap" | "stream";

describe.skipIf(!runs)("on the device", () => {
  let model: tf.Sequential;
  let x: tf.Tensor;
  let towards: Record<string, tf.Tensor>;
  const predict = (): void => tf.dispose(model.predict(x));

  beforeAll(async () => {
    await useBackend("webgpu");
    const layers = Array.from({ length: LAYERS }, (_, i) =>
      tf.layers.dense({ units: SIDE, useBias: false, ...(i === 0 ? { inputShape: [SIDE] } : {}) }),
    );
    model = withWeights(tf.sequential({ layers }));
    x = upload(input([2, SIDE]));
    towards = Object.fromEntries(
      model.weights.map(({ name, shape }, i) => [name, upload(input(shape as number[], i))]),
    );
    // Uploads the weights.
    predict();
  });

  afterAll(() => {
    model.dispose();
    tf.dispose([x, towards]);
  });

  /** The most bytes while a theater opens, and while the model then predicts; and the same by its plan. */
  function measured(technique: Technique, modification: Modification<tf.Tensor>) {
    let theater: ReturnType<typeof surgicalTheater> | undefined;
    const opening = peakBytes(() => {
      theater = surgicalTheater(model, { modification, technique, layers: "all" });
    });
    const using = peakBytes(predict);
    const { heldBytes, transientBytes } = theater!.plan;
    theater!.close();
    return { opening, using, heldBytes, planned: heldBytes + transientBytes };
  }

  it("are one layer's modified weights at a time under stream, and those of all under swap", () => {
    expect(peakBytes(predict)).toBeLessThan(SMALL);
    const streamed = measured("stream", scale(0.9));
    expect(streamed.planned).toBe(LAYER);
    expect(streamed.opening).toBe(0);
    expect(streamed.using).toBeGreaterThanOrEqual(LAYER);
    expect(streamed.using).toBeLessThan(1.1 * LAYER);
    const swapped = measured("swap", scale(0.9));
    expect(swapped.heldBytes).toBe(LAYERS * LAYER);
    expect(swapped.opening).toBeGreaterThanOrEqual(LAYERS * LAYER);
  });

  const cases: readonly { title: string; modification: () => Modification<tf.Tensor> }[] = [
    { title: "scale", modification: () => scale(0.9) },
    { title: "noise", modification: () => noise({ std: 0.1, seed: 1 }) },
    { title: "disable", modification: () => disable() },
    { title: "custom that returns a delta", modification: () => custom((w) => tf.mul(w, 2)) },
    {
      title: "custom that returns a value",
      modification: () => custom((w) => tf.abs(w), { returns: "value" }),
    },
    { title: "interpolate, all the way", modification: () => interpolate(towards) },
    { title: "interpolate, part of the way", modification: () => interpolate(towards, 0.3) },
  ];

  describe.each(["swap", "stream"] as const)("%s", (technique) => {
    it.each(cases)("needs what its plan says: $title", ({ modification }) => {
      // Another time, so that there are buffers to be reused.
      for (let time = 0; time < 2; time++) {
        const { opening, using, planned } = measured(technique, modification());
        const limit = planned + SMALL;
        expect(opening).toBeLessThan(limit);
        expect(using).toBeLessThan(limit);
      }
    });
  });
});
