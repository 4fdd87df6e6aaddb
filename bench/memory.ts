/**
 * What a theater on typed arrays costs in time, in multiples of a memcpy of the same bytes: opening and closing,
 * against the copy, modify, write back that a user would do by hand. One parameter of 16 MB.
 *
 * npm run bench:memory
 */
import { disable, noise, type Options, scale, surgicalTheater } from "../src/index.ts";
import { fillNoise, noiseSource } from "../src/random/noise.ts";
import { interleaved, printTable } from "./measure.ts";

const SIZE = 4 << 20;
const kernel = new Float32Array(SIZE).map(() => Math.random() - 0.5);
const spare = new Float32Array(SIZE);
const model = { kernel };

type Case = readonly [name: string, options: Options<never>, byHand: () => void];

const cases: readonly Case[] = [
  [
    "scale(0.9)",
    { modification: scale(0.9), layers: "all" },
    () => {
      for (let i = 0; i < SIZE; i++) kernel[i]! *= 0.9;
    },
  ],
  [
    "noise(0.01)",
    { modification: noise({ std: 0.01, seed: 1 }), layers: "all" },
    () => {
      const deltas = new Float32Array(SIZE);
      fillNoise(deltas, noiseSource(1, "kernel", 0.01, "float32"), 0);
      for (let i = 0; i < SIZE; i++) kernel[i]! += deltas[i]!;
    },
  ],
  ["disable()", { modification: disable(), layers: "all" }, () => void kernel.fill(0)],
];

const rows = cases.map(([name, options, byHand]) => {
  const times = interleaved(
    [
      { name: "memcpy", run: () => spare.set(kernel) },
      { name: "theater", run: () => void surgicalTheater(model, options).close() },
      {
        name: "by hand",
        run() {
          const original = kernel.slice();
          byHand();
          kernel.set(original);
        },
      },
    ],
    15,
  );
  const ratio = (variant: string): string => (times.get(variant)! / times.get("memcpy")!).toFixed(1);
  return {
    modification: name,
    "memcpy, ms": times.get("memcpy")!.toFixed(2),
    "theater × memcpy": ratio("theater"),
    "by hand × memcpy": ratio("by hand"),
  };
});
printTable(rows);
