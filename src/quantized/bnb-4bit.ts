/**
 * NF4 and FP4 of bitsandbytes (`Linear4bit`): two codes a byte, the first one in the high nibble, and the largest |weight|
 * of each block of the flattened parameter.
 *
 * Source: bitsandbytes at 95f9af3 (tables, thresholds of its CUDA kernels, packing); Dettmers et al., QLoRA, 2023,
 * arXiv 2305.14314.
 */
/* oxlint-disable typescript/no-non-null-assertion -- indices are in range by construction; a check would cost the loop */
import { bitsOf, type Codec, largestOf, multiply, regionOf } from "./codec.ts";
import { GROUP, type NestedAbsmax, nestedScale, scaleNested, setNestedScales } from "./nested-absmax.ts";

/** A parameter as `<name>.weight`, `<name>.weight.absmax` and the others hold it. */
export interface Bnb4Bit {
  readonly format: "bnb-nf4" | "bnb-fp4";
  readonly shape: readonly number[];
  /** ⌈elements / 2⌉ bytes. */
  readonly codes: Uint8Array;
  /** Elements of a block: 32, 64, …, 4096. */
  readonly blockSize: number;
  /** One for each block, or quantized once more. */
  readonly absmax: Float32Array | NestedAbsmax;
}

/** Values of the 16 codes, less the scale. */
const NF4 = Float32Array.of(
  -1,
  -0.6961928009986877,
  -0.5250730514526367,
  -0.39491748809814453,
  -0.28444138169288635,
  -0.18477343022823334,
  -0.09105003625154495,
  0,
  0.07958029955625534,
  0.16093020141124725,
  0.24611230194568634,
  0.33791524171829224,
  0.44070982933044434,
  0.5626170039176941,
  0.7229568362236023,
  1,
);
const FP4 = Float32Array.from(
  [0, 0.0625, 8, 12, 4, 6, 2, 3, -0, -0.0625, -8, -12, -4, -6, -2, -3],
  (x) => x / 12,
);

/** The code of x is how many of these are below it. */
const NF4_THRESHOLDS = Float32Array.of(
  -0.8480964004993439,
  -0.6106329262256622,
  -0.4599952697753906,
  -0.33967943489551544,
  -0.23460740596055984,
  -0.13791173323988914,
  -0.045525018125772476,
  0.03979014977812767,
  0.1202552504837513,
  0.2035212516784668,
  0.2920137718319893,
  0.3893125355243683,
  0.5016634164263916,
  0.6427869200706482,
  0.8614784181118011,
);
/** How many of these are below |x| says which of {@link FP4_CODES} it is. */
const FP4_THRESHOLDS = Float32Array.of(
  0.00260417,
  0.0859375,
  0.20833333,
  0.29166667,
  0.4166667,
  0.583333,
  0.8333333,
);
const FP4_CODES = Uint8Array.of(0, 1, 6, 7, 4, 5, 2, 3);

/** How many of 15, or 7, thresholds are below x: by bisection; none for a NaN. */
function countBelow(thresholds: Float32Array, x: number): number {
  let count = 0;
  for (let step = (thresholds.length + 1) >> 1; step > 0; step >>= 1) {
    if (x > thresholds[count + step - 1]!) count += step;
  }
  return count;
}

function codeOf(format: Bnb4Bit["format"], x: number): number {
  if (format === "bnb-nf4") return countBelow(NF4_THRESHOLDS, x);
  return FP4_CODES[countBelow(FP4_THRESHOLDS, Math.abs(x))]! | (x < 0 ? 8 : 0);
}

/** Bits of a float32 that say which bucket of a {@link Lookup} it is in: sign, exponent and 3 bits more. */
const BUCKET = 20;

/** The code of any float32, by its bits: no bucket has more than two. */
interface Lookup {
  /** Largest magnitude in each bucket, by its bits, that has the first of the two codes. */
  readonly last: Int32Array;
  readonly codes: Uint8Array;
}

const probe = new Float32Array(1);
const probed = bitsOf(probe);

function lookupOf(format: Bnb4Bit["format"]): Lookup {
  const at = (sign: number, magnitude: number): number => {
    probed[0] = sign | magnitude;
    return codeOf(format, probe[0]!);
  };
  const buckets = 1 << (32 - BUCKET);
  const lookup = { last: new Int32Array(buckets), codes: new Uint8Array(2 * buckets) };
  for (let bucket = 0; bucket < buckets; bucket++) {
    const sign = bucket < buckets / 2 ? 0 : -0x80000000;
    let low = (bucket << BUCKET) & 0x7fffffff;
    let high = low | ((1 << BUCKET) - 1);
    const [first, last] = [at(sign, low), at(sign, high)];
    lookup.codes.set([first, last], 2 * bucket);
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (at(sign, middle) === first) low = middle;
      else high = middle - 1;
    }
    lookup.last[bucket] = low;
  }
  return lookup;
}

const lookups: Partial<Record<Bnb4Bit["format"], Lookup>> = {};

/** Both values of each byte, the high nibble's first. */
function pairsOf(table: Float32Array): Float32Array {
  return Float32Array.from({ length: 512 }, (_, i) => table[(i & 1) === 0 ? i >> 5 : (i >> 1) & 15]!);
}

const pairs = { "bnb-nf4": pairsOf(NF4), "bnb-fp4": pairsOf(FP4) };

/** A block times the inverse of its scale, and one element more, which is 0. */
const scaled = new Float32Array(4097);
const bits = bitsOf(scaled);

/** Encodes what is in {@link scaled}: two codes a byte, from `byte` on. */
function encodeScaled({ last, codes }: Lookup, count: number, out: Uint8Array, byte: number): void {
  for (let i = 0; i < count; i += 2) {
    const high = bits[i]!;
    const low = bits[i + 1]!;
    const [highBucket, lowBucket] = [high >>> BUCKET, low >>> BUCKET];
    // The sign of the difference says which of the two it is.
    const highCode = codes[2 * highBucket + ((last[highBucket]! - (high & 0x7fffffff)) >>> 31)]!;
    const lowCode = codes[2 * lowBucket + ((last[lowBucket]! - (low & 0x7fffffff)) >>> 31)]!;
    out[byte++] = (highCode << 4) | lowCode;
  }
}

export function bnb4BitCodec({ format, shape, codes, blockSize, absmax }: Bnb4Bit): Codec {
  const values = pairs[format];
  const isPlain = ArrayBuffer.isView(absmax);
  return {
    length: shape.reduce((product, size) => product * size, 1),
    blockLength: blockSize,
    groupBlocks: isPlain ? 1 : GROUP,
    codes: { ...regionOf(codes, 1), elements: 2 },
    ...(isPlain ? {} : { common: absmax.offset }),
    scales: (isPlain ? [absmax] : [absmax.absmax, absmax.offset]).map((array) => regionOf(array, 4)),
    state: (isPlain ? [absmax] : [absmax.codes, absmax.absmax, absmax.offset]).map((array) =>
      regionOf(array, array.BYTES_PER_ELEMENT),
    ),
    decode(first, out) {
      for (let at = 0; at < out.length; at += blockSize) {
        const block = (first + at) / blockSize;
        const scale = isPlain ? absmax[block]! : nestedScale(absmax, block);
        const end = Math.min(out.length, at + blockSize);
        let byte = (first + at) >> 1;
        for (let i = at; i < end; i += 2) {
          const pair = codes[byte++]! << 1;
          out[i] = values[pair]! * scale;
          // Behind the last of an odd number it is nobody's: the typed array ignores it.
          out[i + 1] = values[pair + 1]! * scale;
        }
      }
    },
    encode(first, given, scales, block) {
      const lookup = (lookups[format] ??= lookupOf(format));
      const givenBits = bitsOf(given);
      for (let from = 0; from < given.length; from += blockSize) {
        const to = Math.min(given.length, from + blockSize);
        const largest = largestOf(givenBits, from, to);
        scales[block++] = largest;
        // A block of zeros has no inverse; its codes are those of 0.
        const inverse = largest === 0 ? 0 : Math.fround(1 / largest);
        for (let i = from, at = 0; i < to; i++, at++) scaled[at] = given[i]! * inverse;
        // the partner of the last of an odd number
        scaled[to - from] = 0;
        encodeScaled(lookup, to - from, codes, (first + from) >> 1);
      }
    },
    setScales(first, scales) {
      if (isPlain) absmax.set(scales, first);
      else setNestedScales(absmax, first, scales);
    },
    scale(factor, first, end) {
      if (isPlain) multiply(absmax, factor, first, end);
      else scaleNested(absmax, factor, first, end);
    },
  };
}
