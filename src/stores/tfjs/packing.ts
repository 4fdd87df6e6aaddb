/**
 * What TensorFlow.js on wasm allocates by itself: XNNPACK packs the weights of a matrix product or convolution
 * at their first use, and keeps the packed copy for as long as the data lives. Modified weights are packed anew,
 * beside the originals' packed copies.
 */
import { backendOf } from "./engine.ts";
import type { Entry } from "./parameters.ts";

/** Output channels are packed in groups of this many (wasm SIMD kernels). */
const CHANNELS = 8;

/** Layers whose weights go through kernels that do not pack. */
const unpacked = /Embedding|Transpose|Conv3D|PReLU|Normalization/;

function packedBytes({ parameter: { shape, name } }: Entry): number {
  const size = shape.reduce((product, n) => product * n, 1);
  const depthwise = name.includes("depthwise");
  const channels = depthwise ? shape.at(-1)! * shape.at(-2)! : shape.at(-1)!;
  // One bias per channel is packed along, zero if there is none.
  return 4 * (size / channels + 1) * Math.ceil(channels / CHANNELS) * CHANNELS;
}

/**
 * Estimate of the packed copies made when `targets` are first used. A layer's kernel is packed together with its
 * bias, so that modifying either packs the kernel again.
 */
export function packingOf(entries: readonly Entry[], targets: ReadonlySet<Entry>): number {
  const layers = new Set<string>();
  for (const { parameter } of targets) layers.add(parameter.layer);
  let sum = 0;
  for (const entry of entries) {
    const { shape, dtype, layer } = entry.parameter;
    if (shape.length < 2 || dtype !== "float32" || !layers.has(layer) || unpacked.test(entry.layerClass))
      continue;
    if (backendOf(entry.variable).name === "wasm") sum += packedBytes(entry);
  }
  return sum;
}
