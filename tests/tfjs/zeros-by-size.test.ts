/** Without the wasm backend, which must not be loaded in this file, zeros are shared by size alone. */
import * as tf from "@tensorflow/tfjs";
import { expect, it } from "vitest";
import { disable, surgicalTheater } from "../../src/tfjs.ts";
import { startMeter } from "../support/meter.ts";
import { useBackend } from "../support/tensorflow.ts";

it("parameters of one size are disabled by one buffer, whatever their shapes", async () => {
  await useBackend("cpu");
  const shapes = [[4, 16], [16, 4], [64], [8], [2, 4]];
  const variables = shapes.map((shape) => tf.variable(tf.ones(shape as [number])));
  const meter = startMeter();
  const theater = surgicalTheater(variables, { modification: disable(), layers: "all" });
  expect(meter.grown()).toBe(4 * (64 + 8));
  expect(theater.plan.heldBytes).toBe(4 * (64 + 8));
  expect(variables.every((each) => each.dataSync().every((value) => value === 0))).toBe(true);
  theater.close();
  expect(meter.grown()).toBe(0);
  meter.stop();
});
