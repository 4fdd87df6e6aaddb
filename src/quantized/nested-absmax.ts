/**
 * Double quantization of bitsandbytes (`compress_statistics`): the scales of blocks, less their mean, as 8-bit codes.
 *
 * Source: bitsandbytes at 95f9af3.
 */
/* oxlint-disable typescript/no-non-null-assertion -- indices are in range by construction; a check would cost the loop */
import { multiply } from "./codec.ts";

/** Scales that are quantized themselves. */
export interface NestedAbsmax {
  /** One for each block: an index into `map`. */
  readonly codes: Uint8Array;
  /** The 256 values, ascending, as the file has them. */
  readonly map: Float32Array;
  /** One for each 256 codes. */
  readonly absmax: Float32Array;
  /** One element: what is added to all scales, the mean of those that were quantized first. */
  readonly offset: Float32Array;
}

/** Scales that have a nested scale in common. */
export const GROUP = 256;

const { fround } = Math;

/** The scale of one block: two roundings, as the reference has them. */
export function nestedScale({ codes, map, absmax, offset }: NestedAbsmax, block: number): number {
  return fround(fround(map[codes[block]!]! * absmax[block >> 8]!) + offset[0]!);
}

/** The index of the nearest value: how many of the midpoints of neighbours are below x. */
function nearest(map: Float32Array, x: number): number {
  let [low, high] = [0, map.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (x > fround((map[middle]! + map[middle + 1]!) / 2)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Quantizes the scales of a group. The offset stays as it is: a mean would need the scales of all groups. */
function setGroup({ codes, map, absmax, offset }: NestedAbsmax, first: number, scales: Float32Array): void {
  let largest = 0;
  for (const scale of scales) largest = Math.max(largest, Math.abs(fround(scale - offset[0]!)));
  absmax[first / GROUP] = largest;
  const inverse = largest === 0 ? 0 : fround(1 / largest);
  for (let i = 0; i < scales.length; i++) {
    codes[first + i] = nearest(map, fround(fround(scales[i]! - offset[0]!) * inverse));
  }
}

/** Quantizes the scales of blocks `first` and following: whole groups, or up to the last one. */
export function setNestedScales(nested: NestedAbsmax, first: number, scales: Float32Array): void {
  for (let at = 0; at < scales.length; at += GROUP) {
    setGroup(nested, first + at, scales.subarray(at, at + GROUP));
  }
}

/** Multiplies the scales of blocks `first` to `end`, whole groups, and the offset. */
export function scaleNested(
  { absmax, offset }: NestedAbsmax,
  factor: number,
  first: number,
  end: number,
): void {
  multiply(absmax, factor, first / GROUP, Math.ceil(end / GROUP));
  multiply(offset, factor, 0, 1);
}
