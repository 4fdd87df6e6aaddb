/** Scaling and zeroing: of a quantized parameter only scales are touched. */
import type { Codec } from "../../../quantized/codec.ts";
import type { Step } from "../../../step.ts";
import type { RealisedSums } from "./realised.ts";
import type { Undo } from "./undo.ts";

/** Beginnings of blocks that say how far scales could be what was asked for: so many places, elements in each. */
const PLACES = 16;
const ELEMENTS = 256;

/** Where it is told what steps did. */
export interface Records {
  readonly undo?: Undo;
  readonly realised?: RealisedSums;
}

/** A step that leaves all codes as they are. */
type ScaleStep = { readonly op: "zero" } | { readonly op: "scale"; readonly by: number };

/** Whether a step needs no other codes. */
export function isScale(step: Step<unknown>): step is ScaleStep {
  return step.op === "zero" || (step.op === "scale" && typeof step.by === "number");
}

/** Whether no step needs other codes. */
export function areScales(steps: readonly Step<unknown>[]): steps is readonly ScaleStep[] {
  return steps.every(isScale);
}

/** What scales are multiplied by. Times 0 also those that are not finite become 0. */
export function factorOf(step: ScaleStep): number {
  return step.op === "zero" ? 0 : Math.fround(step.by);
}

/** Places spread over the parameter, and their values. */
function sampleOf(codec: Codec): readonly (readonly [first: number, values: Float32Array])[] {
  const { length, blockLength } = codec;
  const blocks = Math.ceil(length / blockLength);
  const step = Math.max(Math.ceil(ELEMENTS / blockLength), Math.ceil(blocks / PLACES));
  const sample: (readonly [number, Float32Array])[] = [];
  for (let block = 0; block < blocks; block += step) {
    const first = block * blockLength;
    const values = new Float32Array(Math.min(ELEMENTS, length - first));
    codec.decode(first, values);
    sample.push([first, values]);
  }
  return sample;
}

/** Applies `steps` in order; what it was and what became of it go into `records`. */
export function scaleBlocks(codec: Codec, steps: readonly ScaleStep[], { undo, realised }: Records): void {
  for (const region of codec.scales) undo?.save(region);
  const sample = sampleOf(codec);
  let factor = 1;
  for (const step of steps) {
    const by = factorOf(step);
    factor *= by;
    // Times 1 a NaN may not be the same.
    if (by !== 1) codec.scale(by, 0, Math.ceil(codec.length / codec.blockLength));
  }
  for (const [first, original] of sample) {
    const shown = new Float32Array(original.length);
    codec.decode(first, shown);
    realised?.add(
      original,
      original.map((value) => value * factor),
      shown,
    );
  }
}
