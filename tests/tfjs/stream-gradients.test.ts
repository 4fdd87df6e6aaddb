import * as tf from "@tensorflow/tfjs";
import { describe, expect, it } from "vitest";
import { custom, disable, interpolate, noise, scale, surgicalTheater } from "../../src/tfjs.ts";
import { bits } from "../support/bits.ts";
import { liveCounts } from "../support/meter.ts";
import { input, mlp, weightBits } from "../support/models.ts";
import { valuesFor, zoo } from "../support/stream-models.ts";
import { backends, useBackend } from "../support/tensorflow.ts";

/** The wasm backend has no kernels for the gradients of convolution filters, nor of look-ups. */
const notOnWasm = /Conv|BatchNormalization|Embedding/;

/** Bits of the gradients of the sum of what a model computes, with respect to its weights and to its inputs. */
function gradientBits(model: tf.LayersModel, x: tf.Tensor | tf.Tensor[]): string[] {
  const variables = model.trainableWeights.map((weight) => weight.read() as tf.Variable);
  const loss = (at: tf.Tensor | tf.Tensor[]): tf.Scalar =>
    tf.sum(tf.square(model.apply(at, { training: false }) as tf.Tensor));
  return tf.tidy(() => {
    const { value, grads } = tf.variableGrads(() => loss(x), variables);
    const inputs = [x].flat();
    const ofInputs =
      inputs[0]!.dtype === "int32"
        ? []
        : tf.grads((...at: tf.Tensor[]) => loss(at.length === 1 ? at[0]! : at))(inputs);
    return [value, ...variables.map(({ name }) => grads[name]!), ...ofInputs].map((each) =>
      bits(each.dataSync()),
    );
  });
}

const cases = [
  { title: "scale, noise", make: () => [scale(0.7), noise({ std: 0.1, seed: 4 })] },
  { title: "disable, custom", make: () => [disable(), custom((w: tf.Tensor) => tf.cos(w))] },
  { title: "interpolate 0.3", make: (towards: Record<string, tf.Tensor>) => interpolate(towards, 0.3) },
];

describe.each(backends)("gradients while weights are streamed, on %s", (backend) => {
  const specimens = zoo.filter(({ title }) => backend !== "wasm" || !notOnWasm.test(title));

  it.each(specimens)("are, to the bit, those while they are swapped: $title", async ({ make, input }) => {
    await useBackend(backend);
    const model = make();
    const x = input();
    const towards = valuesFor(model);
    const plain = gradientBits(model, x);
    const before = weightBits(model);
    const counts = liveCounts();
    for (const { title, make } of cases) {
      const layers = title.startsWith("interpolate") ? {} : { layers: "all" };
      const during = (technique: "swap" | "stream"): string[] => {
        const theater = surgicalTheater(model, { modification: make(towards), technique, ...layers });
        const found = gradientBits(model, x);
        expect(theater.close()).toMatchObject({ identical: true, written: [] });
        return found;
      };
      const streamed = during("stream");
      expect(streamed).toEqual(during("swap"));
      expect(streamed).not.toEqual(plain);
      expect(weightBits(model)).toEqual(before);
    }
    expect(liveCounts()).toEqual(counts);
    tf.dispose([x, towards] as tf.TensorContainer);
    model.dispose();
  });

  it("of a theater that is opened and closed while they are taken are those of what it showed", async () => {
    await useBackend(backend);
    const model = mlp();
    const x = input([4, 4]);
    const taken = (technique: "swap" | "stream"): string =>
      tf.tidy(() =>
        bits(
          tf
            .grad((at: tf.Tensor) => {
              const theater = surgicalTheater(model, { modification: scale(0.7), layers: "all", technique });
              const y = tf.sum(model.apply(at) as tf.Tensor);
              theater.close();
              return y;
            })(x)
            .dataSync(),
        ),
      );
    const counts = liveCounts();
    expect(taken("stream")).toBe(taken("swap"));
    expect(liveCounts()).toEqual(counts);
    x.dispose();
    model.dispose();
  });

  it("of variables of one's own are those while they are swapped, modified or not", async () => {
    await useBackend(backend);
    const a = tf.tidy(() => tf.variable(input([3, 4]), true, `a_${backend}`));
    const b = tf.tidy(() => tf.variable(input([4, 2], 9), true, `b_${backend}`));
    const counts = liveCounts();
    const taken = (technique: "swap" | "stream"): string[] => {
      const theater = surgicalTheater([a, b], { modification: scale(0.7), layers: a.name, technique });
      const found = tf.tidy(() => {
        // Used twice, and by operations whose gradients need what they were given.
        const f = (): tf.Scalar => tf.sum(tf.mul(tf.matMul(tf.square(a), b), tf.sum(tf.mul(a, a))));
        const { value, grads } = tf.variableGrads(f, [a, b]);
        // With respect to the variable as a value.
        const own = tf.grad((at: tf.Tensor) => tf.sum(tf.mul(at, tf.exp(at))))(a);
        const second = tf.grad((at: tf.Tensor) =>
          tf.sum(tf.grad((z: tf.Tensor) => tf.sum(tf.pow(z, 3)))(at)),
        )(a);
        return [value, grads[a.name]!, grads[b.name]!, own, second].map((each) => bits(each.dataSync()));
      });
      theater.close();
      return found;
    };
    expect(taken("stream")).toEqual(taken("swap"));
    expect(liveCounts()).toEqual(counts);
    tf.dispose([a, b]);
  });
});
