/**
 * LLM.int8 of bitsandbytes (`Linear8bitLt`): a row of int8 codes for each output, and the largest |weight| of the row.
 *
 * Source: bitsandbytes at 95f9af3; Dettmers et al., LLM.int8(), 2022, arXiv 2208.07339.
 */
/* oxlint-disable typescript/no-non-null-assertion -- indices are in range by construction; a check would cost the loop */
import { bitsOf, type Codec, largestOf, multiply, type Parts, regionOf } from "./codec.ts";
import { roundToHalf } from "./half.ts";

/** A parameter as `<name>.weight` and `<name>.SCB` hold it. */
export interface BnbInt8 {
  readonly format: "bnb-int8";
  /** [outputs, inputs]. */
  readonly shape: readonly [outputs: number, inputs: number];
  /** [outputs, inputs], row-major. −128 does not occur. */
  readonly codes: Int8Array;
  /** The largest |weight| of each row, [outputs]; not divided by 127. */
  readonly scb: Float32Array;
}

const { fround } = Math;
/** 1 / 127 as the reference has it: rounded to float32. */
const INVERSE = fround(7.874015718698502e-3);

/** The largest magnitude, cast to float16 as the reference does. */
function scaleOf(bits: Int32Array, from: number, to: number): number {
  return roundToHalf(largestOf(bits, from, to));
}

/** A part of a row, and the same as bits. */
const scratch = new Float32Array(1024);
const scratchBits = bitsOf(scratch);
/** Bits of the smallest normal float16. */
const SMALLEST = 0x38800000;
/** 1.5 · 2^23: a float32 sum with it has no bits for a fraction, and the integer in its lowest ones. */
const ROUNDER = 12_582_912;

/** Casts values to float16 as well, and encodes them at `first`: half to even. */
function encodeRow(
  codes: Int8Array,
  first: number,
  values: Float32Array,
  from: number,
  to: number,
  scale: number,
): void {
  const factor = scale === 0 ? 0 : fround(127 / scale);
  const bits = bitsOf(values);
  for (let at = from; at < to; at += scratch.length) {
    const count = Math.min(scratch.length, to - at);
    for (let i = 0; i < count; i++) {
      const each = bits[at + i]!;
      // 13 bits less, to nearest even. What is infinite then has an infinite scale, and any code.
      if ((each & 0x7fffffff) >= SMALLEST) scratchBits[i] = (each + 0xfff + ((each >>> 13) & 1)) & ~0x1fff;
      else scratch[i] = roundToHalf(values[at + i]!);
    }
    for (let i = 0; i < count; i++) scratch[i] = fround(scratch[i]! * factor) + ROUNDER;
    const start = first + at - from;
    for (let i = 0; i < count; i++) codes[start + i] = scratchBits[i]!;
  }
}

export function bnbInt8Codec({ shape, codes, scb }: BnbInt8): Codec {
  const [, inputs] = shape;
  const scales = [regionOf(scb, 4)];
  const parts: Parts = {
    scaleOf: (values) => scaleOf(bitsOf(values), 0, values.length),
    encode: (first, values, scale) => encodeRow(codes, first, values, 0, values.length, scale),
  };
  return {
    length: codes.length,
    blockLength: inputs,
    groupBlocks: 1,
    codes: { ...regionOf(codes, 1), elements: 1 },
    parts,
    scales,
    state: scales,
    decode(first, out) {
      let row = Math.floor(first / inputs);
      for (let at = 0; at < out.length; row++) {
        const scale = scb[row]!;
        const end = Math.min(out.length, (row + 1) * inputs - first);
        // two roundings, as the reference: of the product by the scale, then of that by 1 / 127
        for (; at < end; at++) out[at] = fround(fround(codes[first + at]! * scale) * INVERSE);
      }
    },
    encode(first, values, scales, block) {
      const bits = bitsOf(values);
      for (let at = 0; at < values.length; at += inputs) {
        const scale = scaleOf(bits, at, at + inputs);
        scales[block++] = scale;
        encodeRow(codes, first + at, values, at, at + inputs, scale);
      }
    },
    setScales: (first, given) => scb.set(given, first),
    scale: (factor, first, end) => multiply(scb, factor, first, end),
  };
}
