/**
 * What TensorFlow.js on wasm allocates by itself: XNNPACK packs the weights of a matrix product or convolution
 * at their first use, and keeps the packed copy for as long as the data lives. Modified weights are packed anew,
 * beside the originals' packed copies.
 */
import type { Tensor } from "@tensorflow/tfjs-core";
import type { Layer } from "../../store.ts";
import { backendOf } from "./engine.ts";
import type { Entry } from "./parameters.ts";
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

type Targets = ReadonlyMap<Entry, readonly Layer<Tensor>[]>;

/** Names the data that `entry` shows: shared zeros have one name, everything else its parameter's. */
function dataOf(entry: Entry, targets: Targets): string {
  const last = targets.get(entry)?.at(-1)?.steps.at(-1);
  return last?.op === "zero" ? zerosKey(entry.parameter, "wasm") : entry.parameter.name;
}

/**
 * Estimate of the packed copies made when `targets` are first used. A layer's kernel is packed together with its
 * bias: modifying either packs the kernel again, and the same pair of buffers in two layers is packed once.
 */
export function packingOf(entries: readonly Entry[], targets: Targets): number {
  const touched = new Set<string>();
  for (const { parameter } of targets.keys()) touched.add(parameter.layer);
  const biases = new Map<string, Entry>();
  for (const entry of entries) {
    if (entry.parameter.name.endsWith("/bias")) biases.set(entry.parameter.layer, entry);
  }
  const packed = new Map<string, number>();
  for (const entry of entries) {
    const { shape, dtype, layer } = entry.parameter;
    if (shape.length < 2 || dtype !== "float32" || !touched.has(layer) || unpacked.test(entry.layerClass))
      continue;
    if (backendOf(entry.variable).name !== "wasm") continue;
    const bias = biases.get(layer);
    const pair = `${dataOf(entry, targets)} + ${bias === undefined ? "" : dataOf(bias, targets)}`;
    packed.set(pair, packedBytes(entry));
  }
  let sum = 0;
  for (const bytes of packed.values()) sum += bytes;
  return sum;
}
