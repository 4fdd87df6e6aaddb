/** Ten adapters of three parameters, and theaters over them that open and close in any order. */
import { expect } from "vitest";
import type { LoraFactors, LoraOptions } from "../../src/index.ts";
import { normals } from "./normals.ts";

/** Numbers from 0 to 1, the same for the same seed. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A dense layer, an embedding and a convolution, the outputs last. */
export const adaptedShapes = {
  "dense.kernel": [12, 8],
  "embedding.table": [30, 6],
  "conv.kernel": [3, 3, 2, 5],
} as const;

const sizeOf = (shape: readonly number[]): number => shape.reduce((product, length) => product * length, 1);

/** The base, by name. */
export function baseWeights(): Record<keyof typeof adaptedShapes, Float32Array<ArrayBuffer>> {
  return {
    "dense.kernel": normals(sizeOf(adaptedShapes["dense.kernel"]), 0.3, 1),
    "embedding.table": normals(sizeOf(adaptedShapes["embedding.table"]), 0.3, 2),
    "conv.kernel": normals(sizeOf(adaptedShapes["conv.kernel"]), 0.3, 3),
  };
}

/** The `which`-th adapter: of any rank, LoRA, rsLoRA or DoRA, on two or three of the parameters. */
export function adapterOf<T>(
  which: number,
  array: (values: Float32Array, shape: readonly number[]) => T,
): { readonly adapter: Record<string, LoraFactors<T>>; readonly options: LoraOptions } {
  const loraRank = 1 + (which % 4);
  const adapter: Record<string, LoraFactors<T>> = {};
  for (const [i, [name, shape]] of Object.entries(adaptedShapes).entries()) {
    if (which % 3 === i && which > 4) continue;
    const outputs = shape.at(-1)!;
    const inputs = sizeOf(shape) / outputs;
    const seed = 100 + 10 * which + i;
    const a = array(normals(loraRank * inputs, 0.2, seed), [loraRank, inputs]);
    const b = array(normals(outputs * loraRank, 0.2, 2 * seed), [outputs, loraRank]);
    const magnitude = array(normals(outputs, 0.2, 3 * seed).map(Math.abs), [outputs]);
    adapter[name] = which % 2 === 0 ? { a, b } : { a, b, magnitude };
  }
  return { adapter, options: { alpha: 2 + which, loraRank, layout: "inOut", rsLora: which % 3 === 1 } };
}

/**
 * Opens 40 theaters over 10 adapters and closes them, in an order that `seed` decides, up to eight at a time.
 *
 * @param open - opens a theater with one adapter, and returns what closes it
 * @param expectFolded - fails unless what is visible is the base with these adapters folded in, in this order
 */
export function shuffleTheaters(
  seed: number,
  open: (adapter: number) => () => void,
  expectFolded: (adapters: readonly number[]) => void,
): void {
  const random = randomFrom(seed);
  const opened: { readonly adapter: number; readonly close: () => void }[] = [];
  let left = 40;
  let deepest = 0;
  while (left > 0 || opened.length > 0) {
    if (left > 0 && opened.length < 8 && (opened.length === 0 || random() < 0.6)) {
      const adapter = Math.floor(random() * 10);
      opened.push({ adapter, close: open(adapter) });
      left--;
    } else opened.splice(Math.floor(random() * opened.length), 1)[0]!.close();
    deepest = Math.max(deepest, opened.length);
    expectFolded(opened.map(({ adapter }) => adapter));
  }
  // Else the order would not be any.
  expect(deepest).toBeGreaterThan(4);
}
