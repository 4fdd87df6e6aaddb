/** Trees that the tests of jax-js modify, and the check that a test leaves nothing behind. */
import { numpy as np } from "@jax-js/jax";
import { expect } from "vitest";
import { anyFloats, smallFloats } from "../support/bits.ts";
import { arrayOf, type JaxMeter, leavesOf, startJaxMeter, stateOf, useDevices } from "../support/jax.ts";

await useDevices("wasm", "cpu");

/** All tests of a file share it: hooks must not be nested. */
export const meter: JaxMeter = startJaxMeter("wasm");

type Layer = { kernel: np.Array; bias: np.Array };
export type Params = { attn: { q: np.Array; proj: np.Array }; layers: Layer[]; head: np.Array };

/** Weights in dictionaries and lists, of the size of weights: enough of each that none is made anew in every kernel. */
export function makeParams(): Params {
  let seed = 1;
  const array = (...shape: number[]): np.Array =>
    arrayOf(
      smallFloats(
        shape.reduce((size, length) => size * length),
        seed++,
      ),
      shape,
    );
  return {
    attn: { q: array(16, 48), proj: array(16, 16) },
    layers: [
      { kernel: array(16, 64), bias: array(64) },
      { kernel: array(64, 16), bias: array(16) },
    ],
    head: array(16, 24),
  };
}

/** As {@link makeParams}, with every kind of float in it. */
export function makeAnyParams(): Params {
  let seed = 1;
  const any = (array: np.Array): np.Array => arrayOf(anyFloats(array.size, seed++), array.shape);
  const { attn, layers, head } = makeParams();
  return {
    attn: { q: any(attn.q), proj: any(attn.proj) },
    layers: layers.map(({ kernel, bias }) => ({ kernel: any(kernel), bias: any(bias) })),
    head: any(head),
  };
}

/** What a forward pass may be: it looks at everything, and consumes it. */
export function forward({ attn, layers, head }: Params): np.Array {
  let x = np.matmul(np.matmul(np.ones([2, 16]), attn.q).slice([], [0, 16]), attn.proj);
  for (const { kernel, bias } of layers) x = np.matmul(x, kernel).add(bias);
  return np.sum(np.matmul(x, head));
}

/** The number that {@link forward} gives. */
export function lossOf(params: Params): number {
  return forward(params).item();
}

/** The numbers of an array, which stays. */
export function numbersOf(array: np.Array): Float32Array {
  return array.ref.dataSync() as Float32Array;
}

/** Runs `run`. Afterwards every array has its bits and its references, and nothing is live that was not before. */
export async function leavingNoTrace<P>(params: P, run: (params: P) => unknown): Promise<void> {
  const before = stateOf(params);
  const live = { bytes: meter.bytes(), slots: meter.slots() };
  await run(params);
  expect(stateOf(params)).toEqual(before);
  expect({ bytes: meter.bytes(), slots: meter.slots() }).toEqual(live);
}

/** Bytes of a tree of float32. */
export function bytesOfTree(params: unknown): number {
  return leavesOf(params).reduce((sum, { size }) => sum + 4 * size, 0);
}
