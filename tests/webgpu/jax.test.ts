/** jax-js on a WebGPU device, where values can only be awaited, and kernels run when something is. */
import { blockUntilReady, jit, numpy as np, tree } from "@jax-js/jax";
import { beforeAll, describe, expect, it } from "vitest";
import {
  custom,
  disable,
  interpolate,
  lora,
  type Modification,
  noise,
  overlay,
  planTheater,
  scale,
  surgicalTheater,
  surgicalTheaterAsync,
  withTheater,
  withTheaterAsync,
} from "../../src/jax.ts";
import { fillNoise, noiseSource } from "../../src/random/noise.ts";
import { bits, smallFloats } from "../support/bits.ts";
import { type JaxMeter, leavesOf, startJaxMeter, useDevices } from "../support/jax.ts";
import { engineRuns, provideWebGpu } from "../support/tensorflow.ts";

const runs = await engineRuns("jax-js on webgpu", async () => {
  await provideWebGpu();
  await useDevices("webgpu");
});

type Params = { attn: { kernel: np.Array }; layers: { kernel: np.Array; bias: np.Array }[] };

const upload = (seed: number, ...shape: number[]): np.Array => {
  const size = shape.reduce((product, length) => product * length);
  return np.array(smallFloats(size, seed), { shape, device: "webgpu" });
};

function forward({ attn, layers }: Params): np.Array {
  let x = np.matmul(np.ones([2, 32], { device: "webgpu" }), attn.kernel);
  for (const { kernel, bias } of layers) x = np.matmul(x, kernel).add(bias);
  return np.sum(x);
}

const read = async (array: np.Array): Promise<string> => bits((await array.ref.data()) as Float32Array);
const readAll = async (params: unknown): Promise<string[]> => {
  const all: string[] = [];
  for (const leaf of leavesOf(params)) all.push(await read(leaf));
  return all;
};

describe.skipIf(!runs)("jax-js on webgpu", () => {
  let params: Params;
  let meter: JaxMeter;
  let original: string[];
  const evaluate = jit(forward as never) as unknown as (params: Params) => np.Array;
  const lossOf = async (modified: Params): Promise<number> => (await evaluate(modified).data())[0]!;

  beforeAll(async () => {
    meter = startJaxMeter("webgpu");
    params = {
      attn: { kernel: upload(1, 32, 32) },
      layers: [
        { kernel: upload(2, 32, 64), bias: upload(3, 64) },
        { kernel: upload(4, 64, 32), bias: upload(5, 32) },
      ],
    };
    await blockUntilReady(params as never);
    original = await readAll(params);
    await lossOf(tree.ref(params));
  });

  const names = ["attn.kernel", "layers.0.kernel", "layers.0.bias", "layers.1.kernel", "layers.1.bias"];
  const ALL = 4 * (32 * 32 + 2 * 32 * 64 + 64 + 32);
  const LARGEST = 4 * 32 * 64;

  const cases: readonly {
    readonly title: string;
    readonly modification: () => Modification<np.Array>;
    readonly held: number;
    readonly layers?: string;
  }[] = [
    { title: "scale", modification: () => scale(0.5), layers: "all", held: ALL },
    { title: "disable", modification: () => disable(), layers: "all", held: LARGEST },
    { title: "noise", modification: () => noise({ std: 0.1, seed: 1 }), layers: "all", held: ALL },
    {
      title: "lora",
      modification: () => lora({ "attn.kernel": factors() }, { alpha: 4, loraRank: 2, layout: "inOut" }),
      held: 4 * 32 * 32,
    },
    { title: "custom", modification: () => custom((w: np.Array) => w.mul(0.5)), layers: "all", held: ALL },
  ];
  let shared: { a: np.Array; b: np.Array } | undefined;
  const factors = () => (shared ??= { a: upload(6, 2, 32), b: upload(7, 32, 2) });

  it.each(cases)(
    "$title is shown, holds what its plan says, and leaves every bit",
    async ({ modification, held, layers }) => {
      const options = { modification: modification(), ...(layers === undefined ? {} : { layers }) };
      await blockUntilReady(Object.values(shared ?? {}) as never);
      const references = leavesOf(params).map(({ refCount }) => refCount);
      const plain = await lossOf(tree.ref(params));
      const live = new Set<string>();
      for (let time = 0; time < 3; time++) {
        const plan = planTheater(params, options);
        expect(plan.heldBytes).toBe(held);
        const before = meter.bytes();
        meter.resetPeak();
        const theater = await surgicalTheaterAsync(params, options);
        await theater.ready();
        expect(meter.bytes() - before).toBeGreaterThanOrEqual(held);
        // Numbers that kernels are given take four bytes each.
        expect(meter.bytes() - before).toBeLessThanOrEqual(held + 64);
        expect(meter.peak() - before).toBeLessThanOrEqual(1.05 * plan.peakBytes + 64);
        expect(await lossOf(theater.take())).not.toBe(plain);
        expect((await theater.close()).identical).toBe(true);
        live.add(`${meter.bytes()} bytes, ${meter.slots()} slots`);
      }
      expect(live.size).toBe(1);
      expect(await readAll(params)).toEqual(original);
      expect(leavesOf(params).map(({ refCount }) => refCount)).toEqual(references);
      expect(await lossOf(tree.ref(params))).toBe(plain);
    },
  );

  it("shows the products and sums that every device shows", async () => {
    const values = smallFloats(32 * 32, 1);
    const shown = await withTheaterAsync(params, { modification: scale(0.9) }, ({ attn }) =>
      read(attn.kernel),
    );
    expect(shown).toBe(bits(values.map((x) => x * Math.fround(0.9))));
    const delta = new Float32Array(values.length);
    fillNoise(delta, noiseSource(3, "attn.kernel", 0.1, "float32"), 0);
    const noisy = noise({ std: 0.1, seed: 3 });
    const sum = await withTheaterAsync(params, { modification: noisy }, ({ attn }) => read(attn.kernel));
    expect(sum).toBe(bits(values.map((x, i) => x + delta[i]!)));
    const towards = Object.fromEntries(leavesOf(params).map((leaf, i) => [names[i]!, leaf]));
    const same = await withTheaterAsync(params, { modification: interpolate(towards) }, readAll);
    expect(same).toEqual(original);
  });

  it("can be opened synchronously where no values are read", async () => {
    const theater = surgicalTheater(params, { modification: scale(0.5), layers: "all" });
    expect(await lossOf(theater.take())).not.toBe(await lossOf(tree.ref(params)));
    expect(theater.close().identical).toBe(true);
  });

  it("says needs_async where values must be read, and changes nothing", async () => {
    const needsAsync = expect.objectContaining({ name: "TheaterStateError", code: "needs_async" });
    const relative = {
      modification: noise({ std: 1, seed: 1, relativeTo: "parameterStd" }),
      layers: "all",
    } as const;
    const verified = { modification: scale(2), layers: "all", verify: "fingerprint" } as const;
    for (const options of [relative, verified]) {
      expect(() => surgicalTheater(params, options)).toThrow(needsAsync);
      expect(() => withTheater(params, options, (modified) => modified)).toThrow(needsAsync);
      const loss = await withTheaterAsync(params, options, lossOf);
      expect(Number.isFinite(loss)).toBe(true);
    }
    expect(await readAll(params)).toEqual(original);
  });

  it("overlays give what theaters give", async () => {
    const overlaid = overlay(forward, { layers: "all" });
    const losses: number[] = [];
    for (const factor of [0.5, 0.25]) {
      losses.push((await overlaid(tree.ref(params), scale(factor)).data())[0]);
      const expected = await withTheaterAsync(params, { modification: scale(factor), layers: "all" }, lossOf);
      expect(losses.at(-1)).toBe(expected);
    }
    expect(losses[0]).not.toBe(losses[1]);
    overlaid.dispose();
  });
});
