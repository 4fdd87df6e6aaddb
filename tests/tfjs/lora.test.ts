/** Low-rank adapters on tensors: what is visible, what the theater keeps, and factors that do not fit. */
import * as tf from "@tensorflow/tfjs-core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  lora,
  type LoraFactors,
  type LoraOptions,
  planTheater,
  scale,
  surgicalTheater,
  withTheater,
} from "../../src/tfjs.ts";
import { bits } from "../support/bits.ts";
import { liveCounts, startMeter } from "../support/meter.ts";
import { normals } from "../support/normals.ts";
import { backends, useBackend } from "../support/tensorflow.ts";
import { thrownBy } from "../support/thrown.ts";

type Shape = readonly number[];

const sizeOf = (shape: Shape): number => shape.reduce((product, length) => product * length, 1);
const random = (shape: Shape, seed: number, std = 0.3): tf.Tensor =>
  tf.tensor(normals(sizeOf(shape), std, seed), [...shape]);

describe.each(backends)("lora on %s", (backend) => {
  let owned: tf.Tensor[];
  const own = <T extends tf.Tensor>(tensor: T): T => {
    owned.push(tensor);
    return tensor;
  };
  const variable = (tensor: tf.Tensor): tf.Variable => own(tf.variable(own(tensor)));

  beforeEach(async () => {
    await useBackend(backend);
    owned = [];
  });
  afterEach(() => tf.dispose(owned));

  describe.each(["swap", "stream"] as const)("under %s", (technique) => {
    const shown = (
      w: tf.Variable,
      entry: LoraFactors<tf.Tensor>,
      options: Partial<LoraOptions> = {},
    ): Float32Array => {
      const modification = lora({ w: entry }, { alpha: 2, loraRank: 1, ...options });
      return withTheater({ w }, { modification, technique }, () => w.dataSync<"float32">().slice());
    };

    it("shows what PEFT computes, to the bit", () => {
      const w = variable(tf.tensor2d([1, 0, 2, -1, 3, 0.5], [2, 3]));
      const before = bits(w.dataSync());
      const pair = { a: own(tf.tensor2d([[1, 2, -1]])), b: own(tf.tensor2d([[0.5], [-0.25]])) };
      expect([...shown(w, pair)]).toEqual([2, 2, 1, -1.5, 2, 1]);
      const dora = { ...pair, magnitude: own(tf.tensor1d([3, 4])) };
      expect(bits(shown(w, dora))).toBe("00000040000000400000803f309d0ec0eb263e40eb26be3f");
      expect(bits(w.dataSync())).toBe(before);
    });

    it.each([
      { what: "a dense layer, outputs first", shape: [7, 5], layout: "outIn" },
      { what: "a dense layer, outputs last", shape: [5, 7], layout: "inOut" },
      { what: "an embedding", shape: [20, 4], layout: "inOut" },
      { what: "a 1 × 1 convolution", shape: [1, 1, 6, 4], layout: "inOut" },
      { what: "a 3 × 3 convolution", shape: [3, 3, 2, 5], layout: "inOut" },
      { what: "a convolution of PyTorch's layout", shape: [5, 2, 3, 3], layout: "outIn" },
    ] as const)("adds scaling · b · a to $what, and scales it to its magnitude", ({ shape, layout }) => {
      const loraRank = 3;
      const outputs = layout === "outIn" ? shape[0] : shape.at(-1)!;
      const inputs = sizeOf(shape) / outputs;
      const w = variable(random(shape, 1));
      const base = w.dataSync<"float32">().slice();
      const [a, b] = [own(random([loraRank, inputs], 2)), own(random([outputs, loraRank], 3))];
      const options = { alpha: 6, loraRank, layout, rsLora: true };
      const [ofA, ofB] = [a.dataSync(), b.dataSync()];
      const scaling = 6 / Math.sqrt(loraRank);
      const exact = Array.from(base, (x, at) => {
        const [output, input] =
          layout === "outIn"
            ? [Math.floor(at / inputs), at % inputs]
            : [at % outputs, Math.floor(at / outputs)];
        let sum = 0;
        for (let k = 0; k < loraRank; k++) sum += ofB[output * loraRank + k]! * ofA[k * inputs + input]!;
        return { output, value: x + scaling * sum };
      });
      const found = shown(w, { a, b }, options);
      // Three products and the sums, in float32, of numbers about 1.
      for (const [at, { value }] of exact.entries()) expect(Math.abs(found[at]! - value)).toBeLessThan(1e-6);
      const magnitude = own(tf.ones([outputs]));
      const directed = shown(w, { a, b, magnitude }, options);
      const squares = new Float64Array(outputs);
      for (const [at, { output }] of exact.entries()) squares[output]! += directed[at]! ** 2;
      for (const square of squares) expect(Math.abs(Math.sqrt(square) - 1)).toBeLessThan(1e-6);
      expect(bits(w.dataSync())).toBe(bits(base));
    });

    it("takes factors with the dimensions of the parameter, or dimensions of one element", () => {
      const w = variable(random([3, 3, 2, 5], 1));
      const [a, b, magnitude] = [random([4, 18], 2), random([5, 4], 3), tf.ones([5])].map(own);
      const options = { loraRank: 4, layout: "inOut" } as const;
      const flat = bits(shown(w, { a: a!, b: b!, magnitude: magnitude! }, options));
      const whole = {
        a: own(tf.reshape(a!, [4, 3, 3, 2])),
        b: own(tf.reshape(b!, [5, 4, 1, 1])),
        magnitude: own(tf.reshape(magnitude!, [1, 5, 1, 1])),
      };
      expect(bits(shown(w, whole, options))).toBe(flat);
    });

    it("keeps the factors by handle: writing to them, or disposing of them, inside changes nothing", () => {
      const w = variable(random([5, 7], 1));
      const base = bits(w.dataSync());
      const counts = liveCounts();
      const [a, b] = [tf.variable(random([2, 7], 2)), tf.variable(random([5, 2], 3))];
      const modification = lora({ w: { a, b } }, { alpha: 2, loraRank: 2 });
      const theater = surgicalTheater({ w }, { modification, technique });
      const before = bits(w.dataSync());
      tf.tidy(() => a.assign(tf.zeros([2, 7])));
      a.dispose();
      b.dispose();
      const above = surgicalTheater({ w }, { modification: scale(2), layers: "w" });
      above.close();
      expect(bits(w.dataSync())).toBe(before);
      theater.close();
      expect(bits(w.dataSync())).toBe(base);
      // The two tensors that the variables were made of.
      expect(liveCounts()["numTensors"]).toBe(counts["numTensors"]! + 2);
    });

    it("leaves a live tree of factors as it is: the same tensors, variables and buffers", () => {
      const w = variable(random([5, 7], 1));
      const tree = { w: { a: variable(random([2, 7], 2)), b: variable(random([5, 2], 3)) } };
      const ids = [tree.w.a.dataId, tree.w.b.dataId];
      const counts = liveCounts();
      withTheater({ w }, { modification: lora(tree, { alpha: 1, loraRank: 2 }), technique }, () => undefined);
      expect([tree.w.a.dataId, tree.w.b.dataId]).toEqual(ids);
      expect(tree.w.a.isDisposed || tree.w.b.isDisposed).toBe(false);
      expect(liveCounts()).toEqual(counts);
    });

    it("is off the gradient tape, and gradients are those of the merged weights", () => {
      const w = variable(random([4, 3], 1));
      const x = own(random([2, 4], 4));
      const modification = lora(
        { w: { a: own(random([2, 4], 2)), b: own(random([3, 2], 3)) } },
        { alpha: 2, loraRank: 2, layout: "inOut" },
      );
      const gradient = (): string =>
        tf.tidy(() => {
          const loss = (): tf.Scalar => tf.sum(tf.square(tf.matMul(x as tf.Tensor2D, w as tf.Tensor2D)));
          return bits(tf.variableGrads(loss, [w]).grads[w.name]!.dataSync());
        });
      const merged = withTheater({ w }, { modification, technique: "swap" }, () => w.dataSync().slice());
      const inside = withTheater({ w }, { modification, technique }, gradient);
      tf.tidy(() => w.assign(tf.tensor(merged, [4, 3])));
      expect(inside).toBe(gradient());
    });

    it("holds and needs what the plan says", () => {
      const near = (measured: number, planned: number): string =>
        Math.abs(measured - planned) > 0.05 * planned
          ? `measured ${measured} bytes, planned ${planned}`
          : "as planned";
      for (const [shape, layout, loraRank] of [
        [[64, 48], "outIn", 4],
        [[64, 48], "inOut", 4],
        [[3, 3, 8, 16], "inOut", 2],
        // Factors larger than the parameter.
        [[16, 4], "inOut", 40],
        [[4, 16], "outIn", 40],
        [[16, 4], "outIn", 40],
        [[4, 16], "inOut", 40],
      ] as const) {
        const outputs = layout === "outIn" ? shape[0] : shape.at(-1)!;
        const inputs = sizeOf(shape) / outputs;
        const w = variable(random(shape, 1));
        const pair = { a: own(random([loraRank, inputs], 2)), b: own(random([outputs, loraRank], 3)) };
        for (const entry of [pair, { ...pair, magnitude: own(tf.ones([outputs])) }]) {
          const modification = lora({ w: entry }, { alpha: 2, loraRank, layout });
          const { heldBytes, transientBytes } = planTheater({ w }, { modification, technique });
          const meter = startMeter();
          const theater = surgicalTheater({ w }, { modification, technique });
          expect(meter.grown()).toBe(heldBytes);
          expect(theater.report().heldBytes).toBe(heldBytes);
          // Under stream nothing is computed before it is used.
          if (technique === "stream") w.dataSync();
          meter.stop();
          theater.close();
          expect(near(meter.peak(), heldBytes + transientBytes)).toBe("as planned");
        }
      }
    });
  });

  it("takes factors that another theater shows, and counts what is made of streamed ones", () => {
    const w = variable(random([5, 7], 1));
    const factors = { a: variable(random([2, 7], 2)), b: variable(random([5, 2], 3)) };
    const modification = lora({ w: factors }, { alpha: 2, loraRank: 2 });
    const twice = (technique: "swap" | "stream"): string =>
      withTheater(factors, { modification: scale(2), layers: "all", technique }, () => {
        const options = { modification, technique: "stream" } as const;
        const { heldBytes } = planTheater({ w }, options);
        expect(heldBytes).toBe(technique === "stream" ? 4 * (14 + 10) : 0);
        const meter = startMeter();
        const theater = surgicalTheater({ w }, options);
        meter.stop();
        expect(meter.grown()).toBe(heldBytes);
        expect(theater.report().heldBytes).toBe(heldBytes);
        const found = bits(w.dataSync());
        theater.close();
        return found;
      });
    expect(twice("stream")).toBe(twice("swap"));
  });

  describe("refuses", () => {
    const disposed = (): tf.Tensor => {
      const tensor = tf.ones([2, 7]);
      tensor.dispose();
      return tensor;
    };
    it.each([
      {
        what: "a transposed",
        a: () => tf.ones([7, 2]),
        code: "shape_mismatch",
        says: "[7, 2] instead of [2, 7]",
      },
      {
        what: "a of another rank",
        a: () => tf.ones([3, 7]),
        code: "shape_mismatch",
        says: "[3, 7] instead of [2, 7]",
      },
      {
        what: "b transposed",
        b: () => tf.ones([2, 5]),
        code: "shape_mismatch",
        says: "[2, 5] instead of [5, 2]",
      },
      {
        what: "a magnitude of another size",
        magnitude: () => tf.ones([4]),
        code: "shape_mismatch",
        says: 'magnitude for "w" has shape [4] instead of [5]',
      },
      {
        what: "integers",
        a: () => tf.ones([2, 7], "int32"),
        code: "dtype_mismatch",
        says: "must be a live float32 tensor, got one of int32",
      },
      { what: "what is disposed", a: disposed, code: "dtype_mismatch", says: "got one that is disposed" },
      {
        what: "a typed array",
        a: () => new Float32Array(14) as unknown as tf.Tensor,
        code: "dtype_mismatch",
        says: "got a Float32Array",
      },
    ] as const)("$what", (given) => {
      const w = variable(random([5, 7], 1));
      const made = (make: (() => tf.Tensor) | undefined, otherwise: tf.Tensor): tf.Tensor => {
        const tensor = make?.() ?? otherwise;
        if (tensor instanceof tf.Tensor && !tensor.isDisposed) own(tensor);
        return tensor;
      };
      const { a, b, magnitude }: { [K in "a" | "b" | "magnitude"]?: () => tf.Tensor } = given;
      const entry = {
        a: made(a, own(tf.ones([2, 7]))),
        b: made(b, own(tf.ones([5, 2]))),
        magnitude: made(magnitude, own(tf.ones([5]))),
      };
      const before = bits(w.dataSync());
      const counts = liveCounts();
      const modification = lora({ w: entry }, { alpha: 1, loraRank: 2 });
      for (const run of [planTheater, surgicalTheater]) {
        const error = thrownBy(() => run({ w }, { modification }));
        expect(error).toMatchObject({ name: "ModificationError", code: given.code, parameter: "w" });
        expect((error as Error).message).toContain(given.says);
        expect((error as Error).message).toContain("unchanged");
      }
      expect(liveCounts()).toEqual(counts);
      expect(bits(w.dataSync())).toBe(before);
    });

    it("the dimensions of a convolution in PyTorch's order for a kernel in TensorFlow's", () => {
      const w = variable(random([3, 3, 2, 5], 1));
      const entry = { a: own(tf.ones([4, 2, 3, 3])), b: own(tf.ones([5, 4, 1, 1])) };
      const modification = lora({ w: entry }, { alpha: 1, loraRank: 4, layout: "inOut" });
      const error = thrownBy(() => surgicalTheater({ w }, { modification })) as Error;
      expect(error).toMatchObject({ code: "shape_mismatch" });
      expect(error.message).toContain("instead of [4, 3, 3, 2] or [4, 18]");
      expect(error.message).toContain("transpose it");
    });

    it("the parameter itself as a factor", () => {
      const w = variable(random([5, 5], 1));
      const modification = lora(
        { w: { a: w, b: own(tf.ones([5, 5])) } },
        { alpha: 1, loraRank: 5, layout: "inOut" },
      );
      const error = thrownBy(() => surgicalTheater({ w }, { modification }));
      expect(error).toMatchObject({ code: "live_value" });
    });

    it("a DoRA of weights without a norm", () => {
      const w = variable(tf.zeros([2, 3]));
      const entry = { a: own(tf.zeros([1, 3])), b: own(tf.ones([2, 1])), magnitude: own(tf.ones([2])) };
      const modification = lora({ w: entry }, { alpha: 1, loraRank: 1 });
      expect(thrownBy(() => surgicalTheater({ w }, { modification }))).toMatchObject({ code: "non_finite" });
    });
  });
});
