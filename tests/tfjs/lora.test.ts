import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, expect, it } from "vitest";
import { type Modification, withTheater } from "../../src/tfjs.ts";
import { useBackend } from "../support/tensorflow.ts";
import { thrownBy } from "../support/thrown.ts";

beforeAll(() => useBackend("cpu"));

it("a low-rank adapter is refused, and nothing is modified", () => {
  const w = tf.variable(tf.ones([2, 3]));
  const [a, b] = [tf.ones([1, 3]), tf.ones([2, 1])];
  const modification: Modification<tf.Tensor> = {
    type: "lora",
    adapter: { w: { a, b } },
    alpha: 1,
    loraRank: 1,
  };
  const body = (): never => {
    throw new Error("the body ran");
  };
  const error = thrownBy(() => withTheater({ w }, { modification }, body));
  expect(error).toMatchObject({ code: "technique" });
  expect((error as Error).message).toMatch(/lora.*TensorFlow\.js.*"w".*unchanged.*custom/);
  expect([...w.dataSync()]).toEqual([1, 1, 1, 1, 1, 1]);
  tf.dispose([w, a, b]);
});
