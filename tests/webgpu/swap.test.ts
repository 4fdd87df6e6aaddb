import { engine, type Tensor, type Variable } from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import {
  custom,
  disable,
  Ema,
  interpolate,
  lora,
  type Modification,
  noise,
  scale,
  surgicalTheater,
  surgicalTheaterAsync,
  withTheater,
  withTheaterAsync,
} from "../../src/tfjs.ts";
import { anyWeights, bits, shapes } from "../support/bits.ts";
import { startMeter } from "../support/meter.ts";
import { backendRuns, type TensorFlow, useBackend } from "../support/tensorflow.ts";
import { bufferOf, readFromDevice } from "./device.ts";

type Model = Record<string, Variable>;

const runs = await backendRuns("webgpu");

/** All that can leak, on the device too. */
function counts(): unknown {
  const { numTensors, numDataBuffers, numBytesInGPU } = engine().memory() as {
    numBytesInGPU?: number;
  } & ReturnType<ReturnType<typeof engine>["memory"]>;
  return { numTensors, numDataBuffers, numBytesInGPU };
}

async function read(model: Model): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const [name, variable] of Object.entries(model)) found[name] = bits(await readFromDevice(variable));
  return found;
}

describe.skipIf(!runs)("swap on webgpu", () => {
  let tf: TensorFlow;
  const original = Object.fromEntries(
    Object.entries(anyWeights()).map(([name, value]) => [name, bits(value)]),
  );

  beforeAll(async () => {
    tf = await useBackend("webgpu");
    // Small tensors, too, go to the device.
    tf.env().set("WEBGPU_CPU_FORWARD", false);
    // Buffers that are disposed of live until the next submission.
    tf.env().set("WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE", 1);
  });

  /** Parameters of every bit pattern, with their data on the device. */
  function make(): Model {
    const entries = Object.entries(anyWeights()).map(([name, value]) => {
      const tensor = tf.tensor(value, [...shapes[name]!]);
      const variable = tf.variable(tensor);
      tensor.dispose();
      // A kernel that uses it uploads it.
      tf.abs(variable).dispose();
      return [name, variable] as const;
    });
    return Object.fromEntries(entries);
  }

  const negated = (w: Tensor): Tensor => tf.neg(w);
  const modifications: readonly { title: string; modification: Modification<Tensor> }[] = [
    { title: "scale", modification: scale(0.9) },
    { title: "noise", modification: noise({ std: 0.01, seed: 3 }) },
    { title: "disable", modification: disable() },
    { title: "custom", modification: custom<Tensor>((w) => negated(w), { returns: "value" }) },
  ];
  const all = (modification: Modification<Tensor>) => ({ modification, layers: "all" });

  it.each(modifications)(
    "brings back every bit in the very same buffers after $title",
    async ({ modification }) => {
      const model = make();
      const variables = Object.values(model);
      const [ids, buffers, before] = [
        variables.map(({ dataId }) => dataId),
        variables.map(bufferOf),
        counts(),
      ];
      const theater = await surgicalTheaterAsync(model, all(modification));
      expect(variables.every((variable, i) => bufferOf(variable) !== buffers[i])).toBe(true);
      expect((await theater.close()).identical).toBe(true);
      for (let cycle = 0; cycle < 50; cycle++) withTheater(model, all(modification), () => undefined);
      const mine = new Error("mine");
      await expect(withTheaterAsync(model, all(modification), () => Promise.reject(mine))).rejects.toBe(mine);
      expect(variables.every(({ dataId }, i) => dataId === ids[i])).toBe(true);
      expect(
        variables.map(bufferOf).every((buffer, i) => buffer === buffers[i] && buffer !== undefined),
      ).toBe(true);
      expect(counts()).toEqual(before);
      expect(await read(model)).toEqual(original);
      tf.dispose(model);
    },
  );

  it.each([[[0, 1, 2]], [[0, 2, 1]], [[1, 0, 2]], [[1, 2, 0]], [[2, 0, 1]], [[2, 1, 0]]])(
    "shows after each closing what was never anything else, in the order %j",
    async (order) => {
      const [model, other] = [make(), make()];
      const before = counts();
      const layers = modifications.slice(0, 3).map(({ modification }) => modification);
      const theaters = layers.map((modification) => surgicalTheater(model, all(modification)));
      const open = new Set([0, 1, 2]);
      for (const i of order) {
        theaters[i]!.close();
        open.delete(i);
        const fresh = [...open].map((left) => surgicalTheater(other, all(layers[left]!)));
        expect(await read(model)).toEqual(await read(other));
        for (const theater of fresh) theater.close();
      }
      expect(await read(model)).toEqual(original);
      expect(counts()).toEqual(before);
      tf.dispose([model, other]);
    },
  );

  it.each([1, 3, 5])(
    "leaves the outer theater as it was when an inner one throws at parameter %d of 5",
    async (at) => {
      const model = make();
      const before = counts();
      const outer = surgicalTheater(model, all(scale(0.5)));
      const [shown, held] = [await read(model), counts()];
      let calls = 0;
      const thrower = custom<Tensor>((w) => {
        if (++calls === at) throw new Error("no more");
        return negated(w);
      });
      const modification = [disable(), thrower];
      await expect(surgicalTheaterAsync(model, { modification, layers: "all" })).rejects.toThrow(/no more/);
      expect(await read(model)).toEqual(shown);
      expect(counts()).toEqual(held);
      outer.close();
      expect(await read(model)).toEqual(original);
      expect(counts()).toEqual(before);
      tf.dispose(model);
    },
  );

  it("refuses what must be awaited in the synchronous form, and does it in the asynchronous one", async () => {
    const kernel = tf.tidy(() => tf.variable(tf.tensor1d([1, 2, 3, 4])));
    const before = counts();
    const needsStd = {
      modification: noise({ std: 0.1, seed: 1, relativeTo: "parameterStd" }),
      layers: "all",
    } as const;
    const verified = { ...all(scale(2)), verify: "fingerprint" } as const;
    for (const options of [needsStd, verified]) {
      expect(() => surgicalTheater([kernel], options)).toThrow(
        expect.objectContaining({ code: "needs_async" }),
      );
      expect(() => withTheater([kernel], options, () => 1)).toThrow(/withTheaterAsync/);
      const inside = await withTheaterAsync([kernel], options, () => kernel.data());
      expect([...inside]).not.toEqual([1, 2, 3, 4]);
      expect([...(await kernel.data())]).toEqual([1, 2, 3, 4]);
    }
    const theater = await surgicalTheaterAsync([kernel], verified);
    const statistics = await theater.deltaStatistics();
    expect([...statistics.values()][0]).toMatchObject({ meanAbsDelta: 2.5, maxAbsDelta: 4 });
    const receipt = await theater.close();
    expect([...receipt.parameters.values()]).toEqual([{ identical: true, by: "fingerprint" }]);
    expect(counts()).toMatchObject({ numTensors: (before as { numTensors: number }).numTensors });
    kernel.dispose();
  });

  it("reads what the norms of DoRA depend on in the asynchronous form, and shows them to the bit", async () => {
    const w = tf.tidy(() => tf.variable(tf.tensor2d([1, 0, 2, -1, 3, 0.5], [2, 3])));
    const factors = {
      a: tf.tensor2d([[1, 2, -1]]),
      b: tf.tensor2d([[0.5], [-0.25]]),
      magnitude: tf.tensor1d([3, 4]),
    };
    const before = counts();
    const modification = lora({ w: factors }, { alpha: 2, loraRank: 1 });
    expect(() => surgicalTheater({ w }, { modification })).toThrow(
      expect.objectContaining({ code: "needs_async" }),
    );
    const shown = await withTheaterAsync({ w }, { modification }, () => w.data());
    // The vector of PEFT's arithmetic.
    expect(bits(shown)).toBe("00000040000000400000803f309d0ec0eb263e40eb26be3f");
    expect([...(await w.data())]).toEqual([1, 0, 2, -1, 3, 0.5]);
    expect(counts()).toMatchObject({ numTensors: (before as { numTensors: number }).numTensors });
    tf.dispose([w, ...Object.values(factors)]);
  });

  it.each(modifications)("holds what its plan says under $title", ({ modification }) => {
    const model = make();
    const meter = startMeter();
    const theater = surgicalTheater(model, all(modification));
    meter.stop();
    expect(meter.grown()).toBe(theater.plan.heldBytes);
    expect(theater.report().heldBytes).toBe(theater.plan.heldBytes);
    expect(theater.plan.engineBytes).toBe(0);
    theater.close();
    tf.dispose(model);
  });

  it("shows an average without a new buffer, and shares the zeros of one size", async () => {
    const model = make();
    const ema = new Ema(model, { decay: 0.5 });
    ema.update();
    const before = counts() as { numDataBuffers: number };
    withTheater(model, { modification: interpolate(ema.weights) }, () => {
      expect(counts()).toMatchObject({ numDataBuffers: before.numDataBuffers });
    });
    withTheater(model, all(disable()), () => {
      // Of 24 (twice), 6, 1125 and 1 elements.
      expect(counts()).toMatchObject({ numDataBuffers: before.numDataBuffers + 4 });
    });
    ema.dispose();
    expect(await read(model)).toEqual(original);
    tf.dispose(model);
  });

  it("detects a training step under the asynchronous form, and undoes it", async () => {
    const model = make();
    const gain = model["head.gain"]!;
    const training = withTheaterAsync(model, { modification: scale(0.5), layers: "block" }, async () => {
      await tf.nextFrame();
      tf.tidy(() => gain.assign(tf.tensor1d([42])));
    });
    await expect(training).rejects.toMatchObject({ code: "written_inside", parameters: ["head.gain"] });
    expect(await read(model)).toEqual(original);
    tf.dispose(model);
  });
});
