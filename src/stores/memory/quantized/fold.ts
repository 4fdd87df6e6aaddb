/** Steps on a quantized parameter: decoded, modified as float32, and encoded again, a few blocks at a time. */
import { ValueRangeError } from "../../../dtypes/convert.ts";
import { bitsOf, type Codec, gather, largestOf, scatter } from "../../../quantized/codec.ts";
import type { Parameter } from "../../../store.ts";
import { changeOf, type PlainStep } from "../steps.ts";
import { factorOf, isScale, type Records } from "./scale.ts";

/** Elements to decode at once, about. */
const WINDOW = 16_384;
/** Elements that a change is given at once. */
const PART = 1024;

type Change = ReturnType<typeof changeOf>;

/** Changes float32 values, the first of which is element `first` of the parameter. */
function apply(change: Change, values: Float32Array, first: number): void {
  for (let at = 0; at < values.length; at += PART) change(values.subarray(at, at + PART), first + at);
}

/** Elements of a multiple of `unit`, about {@link WINDOW}. */
function lengthOf(unit: number): number {
  return unit * Math.max(1, Math.floor(WINDOW / unit));
}

/** Elements that are decoded together: whole blocks, or a part of one that is longer. */
export function windowLength({ blockLength, parts }: Codec): number {
  return parts === undefined ? lengthOf(blockLength) : Math.min(WINDOW, lengthOf(blockLength));
}

/** Elements that are folded together: whole groups. */
function chunkLength({ blockLength, groupBlocks }: Codec): number {
  return lengthOf(blockLength * groupBlocks);
}

/** Bytes that folding needs for a moment: three windows of values and of codes, and the codes and scales of a chunk. */
export function foldBytes(codec: Codec): number {
  const window = Math.min(codec.length, windowLength(codec));
  const chunk = Math.min(codec.length, chunkLength(codec));
  const { elements, length } = codec.codes;
  const codes = ((chunk + 2 * window) * length) / elements;
  return 12 * window + Math.ceil(codes) + 4 * Math.ceil(chunk / codec.blockLength);
}

/** Throws where finite values have made an infinite scale: they are too large for the format. */
function refuseInfinite({ blockLength }: Codec, values: Float32Array, scales: Float32Array): void {
  const bits = bitsOf(values);
  for (const [block, scale] of scales.entries()) {
    if (Number.isFinite(scale)) continue;
    const from = block * blockLength;
    const largest = largestOf(bits, from, Math.min(values.length, from + blockLength));
    if (!Number.isFinite(largest)) continue;
    throw new ValueRangeError(`the format cannot hold values as large as ${largest}`);
  }
}

/** Encodes elements `first` and following: whole blocks. Their scales are put into `scales`, and not set. */
function encode(codec: Codec, values: Float32Array, first: number, scales: Float32Array): void {
  codec.encode(first, values, scales, 0);
  refuseInfinite(codec, values, scales);
}

/** One step on elements `first` to `end`, one block that is longer than a window: looked at twice. */
function passLong(codec: Codec, change: Change, first: number, end: number, offset: number): void {
  const parts = codec.parts!;
  const windows = function* (): Iterable<readonly [first: number, values: Float32Array]> {
    for (let at = first; at < end; at += WINDOW) {
      const values = new Float32Array(Math.min(WINDOW, end - at));
      codec.decode(at, values);
      apply(change, values, offset + at);
      yield [at, values];
    }
  };
  let scale = 0;
  for (const [, values] of windows()) {
    const own = parts.scaleOf(values);
    refuseInfinite({ ...codec, blockLength: values.length }, values, Float32Array.of(own));
    scale = Math.max(scale, own);
  }
  for (const [at, values] of windows()) parts.encode(at, values, scale);
  codec.setScales(first / codec.blockLength, Float32Array.of(scale));
}

/** One step on elements `first` to `end`: whole groups of blocks. */
function pass(codec: Codec, change: Change, first: number, end: number, offset: number): void {
  const { blockLength } = codec;
  const length = windowLength(codec);
  if (length < blockLength) return passLong(codec, change, first, end, offset);
  const scales = new Float32Array(Math.ceil((end - first) / blockLength));
  for (let at = first; at < end; at += length) {
    const values = new Float32Array(Math.min(length, end - at));
    codec.decode(at, values);
    apply(change, values, offset + at);
    const block = (at - first) / blockLength;
    encode(codec, values, at, scales.subarray(block, block + Math.ceil(values.length / blockLength)));
  }
  codec.setScales(first / blockLength, scales);
}

/** The codes of elements `first` to `end`, whole units. */
function codesOf({ codes }: Codec, first: number, end: number): Uint8Array {
  const copy = new Uint8Array(Math.ceil((end - first) / codes.elements) * codes.length);
  gather(codes, first / codes.elements, copy);
  return copy;
}

/** Tells which codes of elements `first` to `end` were others `before`. */
function record(
  codec: Codec,
  before: Uint8Array,
  first: number,
  end: number,
  { undo, realised }: Records,
): void {
  const { elements, length: bytes } = codec.codes;
  const length = windowLength(codec);
  for (let at = first; at < end; at += length) {
    const now = codesOf(codec, at, Math.min(end, at + length));
    const from = ((at - first) / elements) * bytes;
    const old = before.subarray(from, from + now.length);
    undo?.addCodes(at / elements, old, now);
    realised?.addCodes(old, now, elements / bytes);
  }
}

/**
 * Applies `steps` in order, each rounded to the format; what it was and what became of it go into `records`.
 *
 * @param offset - element of the parameter that the codec's first one is
 * @throws ValueRangeError for a scale that the format cannot hold; what is recorded can be undone
 */
export function foldBlocks(
  codec: Codec,
  parameter: Parameter,
  steps: readonly PlainStep[],
  records: Records,
  offset = 0,
): void {
  const { blockLength, common } = codec;
  const changes = steps.map((step) => changeOf("float32", parameter, step));
  for (const region of codec.state) records.undo?.save(region);
  // What scaling makes of it is made anew for each chunk.
  const before = common?.slice();
  const length = chunkLength(codec);
  for (let first = 0; first < codec.length; first += length) {
    const end = Math.min(codec.length, first + length);
    if (before !== undefined) common!.set(before);
    const codes = codesOf(codec, first, end);
    // Groups of long blocks are judged by their beginning.
    const original = new Float32Array(Math.min(windowLength(codec), end - first));
    codec.decode(first, original);
    const asked = original.slice();
    try {
      for (const [i, step] of steps.entries()) {
        const change = changes[i]!;
        apply(change, asked, offset + first);
        if (isScale(step)) scaleRange(codec, factorOf(step), first, end);
        // What is asked for first is what is encoded first, if it is all here.
        else if (i === 0 && asked.length === end - first) {
          const scales = new Float32Array(Math.ceil(asked.length / blockLength));
          encode(codec, asked, first, scales);
          codec.setScales(first / blockLength, scales);
        } else pass(codec, change, first, end, offset);
      }
      record(codec, codes, first, end, records);
    } catch (error) {
      // What could not be recorded could not be undone.
      scatter(codec.codes, first / codec.codes.elements, codes);
      throw error;
    }
    const shown = new Float32Array(original.length);
    codec.decode(first, shown);
    records.realised?.add(original, asked, shown);
  }
}

/** Scales elements `first` to `end`, whole groups; times 1 a NaN may not be the same. */
function scaleRange(codec: Codec, factor: number, first: number, end: number): void {
  if (factor === 1) return;
  codec.scale(factor, first / codec.blockLength, Math.ceil(end / codec.blockLength));
}
