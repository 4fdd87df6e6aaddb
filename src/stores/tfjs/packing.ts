/**
 * What TensorFlow.js on wasm allocates by itself: XNNPACK packs the weights of a matrix product or convolution
 * at their first use, and keeps the packed copy for as long as the data lives. Modified weights are packed anew,
 * beside the originals' packed copies.
 */
import type { Tensor } from "@tensorflow/tfjs-core";
import type { Shown } from "../../store.ts";
import { backendOf } from "./engine.ts";
import type { Entry } from "./parameters.ts";
import { computesAnew } from "./side.ts";
import { zerosKey } from "./zeros.ts";

/** Output channels are packed in groups of this many (wasm SIMD kernels). */
const CHANNELS = 8;

/** Layers whose weights go through kernels that do not pack. */
const unpacked = /Embedding|Transpose|Conv3D|PReLU|Normalization/;

function packedBytes({ parameter: { shape, name } }: Entry): number {
  const size = shape.reduce((product, n) => product * n, 1);
  if (size === 0) return 0;
  const depthwise = name.includes("depthwise");
  const channels = depthwise ? shape.at(-1)! * shape.at(-2)! : shape.at(-1)!;
  // One bias per channel is packed along, zero if there is none.
  return 4 * (size / channels + 1) * Math.ceil(channels / CHANNELS) * CHANNELS;
}

function isPacked({ parameter: { shape, dtype }, layerClass, tensor }: Entry): boolean {
  const isWeight = shape.length >= 2 && dtype === "float32" && !unpacked.test(layerClass);
  return isWeight && backendOf(tensor).name === "wasm";
}

const usersOf = (entry: Entry): readonly unknown[] => entry.usedBy ?? [entry];

type Targets = ReadonlyMap<Entry, Shown<Tensor>>;

/** Names the data that `entry` shows: shared zeros have one name, everything else its parameter's. */
function dataOf(entry: Entry, targets: Targets): string {
  const last = targets.get(entry)?.layers.at(-1)?.steps.at(-1);
  return last?.op === "zero" ? zerosKey(entry.parameter, "wasm") : entry.parameter.name;
}

/**
 * Estimate of the packed copies that using `targets` as modified makes. A layer's kernel is packed together with its
 * bias: modifying either packs the kernel again, and the same pair of buffers in two layers is packed once. What is
 * streamed is packed for one use at a time.
 */
export function packingOf(entries: readonly Entry[], targets: Targets): number {
  /** What uses a modified parameter, and whether one is streamed. */
  const touched = new Map<unknown, boolean>();
  for (const [entry, { technique }] of targets) {
    if (technique === "side" && !computesAnew(entry)) continue;
    for (const key of usersOf(entry)) touched.set(key, technique === "stream" || touched.get(key) === true);
  }
  const biases = new Map<string, Entry>();
  for (const entry of entries) {
    if (entry.parameter.name.endsWith("/bias")) biases.set(entry.parameter.layer, entry);
  }
  const swapped = new Map<string, number>();
  let streamed = 0;
  for (const entry of entries) {
    const users = usersOf(entry);
    if (!users.some((key) => touched.has(key)) || !isPacked(entry)) continue;
    if (users.some((key) => touched.get(key) === true)) {
      streamed = Math.max(streamed, packedBytes(entry));
      continue;
    }
    const bias = biases.get(entry.parameter.layer);
    const pair = `${dataOf(entry, targets)} + ${bias === undefined ? "" : dataOf(bias, targets)}`;
    swapped.set(pair, packedBytes(entry));
  }
  return [...swapped.values()].reduce((sum, bytes) => sum + bytes, streamed);
}
