/**
 * Bit patterns of the floating-point formats: all of them in order, and data of every kind that was ever trouble.
 * And the check of a step on a window of them: what is shown is the right one, and every bit comes back.
 * The same on every engine: nothing here is left to its `Math.log`, and nothing needs Node.
 */
import { bfloat16ToNumber, numberToBfloat16 } from "../../src/dtypes/bfloat16.ts";
import { float16ToNumber, numberToFloat16 } from "../../src/dtypes/float16.ts";
import { fillNoise, noiseSource } from "../../src/random/noise.ts";
import type { Codec } from "../../src/reversible/codec.ts";
import type { Kernels } from "../../src/reversible/kernels.ts";
import { BITS, BLOCK, EXCEPTIONS, INDEX, WINDOW } from "../../src/reversible/layout.ts";
import { mapCodec, preimagesOf, scaleMap } from "../../src/reversible/preimages.ts";
import { scaleBfloat16Codec, scaleFloat32Codec } from "../../src/reversible/scale.ts";
import { windowLength } from "../../src/reversible/window.ts";

/** Patterns of elements: signed where they have 32 bits, which engines are fastest with. */
export type Patterns = Int32Array<ArrayBuffer> | Uint16Array<ArrayBuffer>;

/** What there is to know of a format. */
export interface Format {
  readonly dtype: "float32" | "bfloat16" | "float16";
  readonly bytes: 4 | 2;
  readonly fractionBits: number;
  /** Magnitude of infinity; those above are NaN. */
  readonly infinity: number;
  readonly toNumber: (pattern: number) => number;
  /** Rounded to nearest, ties to even. */
  readonly toPattern: (value: number) => number;
}

const word = new Int32Array(1);
const number = new Float32Array(word.buffer);

/** Value of a float32 by its bits. */
export function float32ToNumber(pattern: number): number {
  word[0] = pattern;
  return number[0]!;
}

/** Bits of the nearest float32, as a signed integer. */
export function numberToFloat32(value: number): number {
  number[0] = value;
  return word[0]!;
}

export const float32: Format = {
  dtype: "float32",
  bytes: 4,
  fractionBits: 23,
  infinity: 0x7f800000,
  toNumber: float32ToNumber,
  toPattern: numberToFloat32,
};
export const bfloat16: Format = {
  dtype: "bfloat16",
  bytes: 2,
  fractionBits: 7,
  infinity: 0x7f80,
  toNumber: bfloat16ToNumber,
  toPattern: numberToBfloat16,
};
export const float16: Format = {
  dtype: "float16",
  bytes: 2,
  fractionBits: 10,
  infinity: 0x7c00,
  toNumber: float16ToNumber,
  toPattern: numberToFloat16,
};

/** Room for `count` elements. */
export function patternsFor({ bytes }: Format, count: number): Patterns {
  return bytes === 4 ? new Int32Array(count) : new Uint16Array(count);
}

/** Room for as many elements as the window has. */
export function oneWindow(format: Format): Patterns {
  return patternsFor(format, windowLength(patternsFor(format, 0)));
}

/** Fills `patterns` in order, from `first` on. */
export function fillInOrder(patterns: Patterns, first: number): void {
  for (let i = 0; i < patterns.length; i++) patterns[i] = first + i;
}

/** Factors of all checks of float32 scaling. */
export const float32Factors = [
  0.9,
  1 / 3,
  1.1,
  -Math.SQRT1_2,
  1.9999999,
  1.0000001,
  0.99999994,
  3.3,
  1e-5,
  12345.678,
].map(Math.fround);

/** Factors of all checks of 16-bit scaling. */
export const halfFactors = [0.9, 1 / 3, 1.1, 0.5, -0.7, 1.99, 1e-3, 3.3, -100].map(Math.fround);

/** A step under check. */
export interface Step {
  readonly name: string;
  readonly format: Format;
  readonly codec: Codec;
}

/** The ways in which a format is scaled. */
export function scaleSteps(format: Format, factor: number): Step[] {
  if (format.dtype === "float16") {
    const tables = preimagesOf(65536, scaleMap("float16", factor));
    const codec = mapCodec(() => tables, 2, String);
    return [{ name: "map", format, codec }];
  }
  const codecFor = format.dtype === "float32" ? scaleFloat32Codec : scaleBfloat16Codec;
  return [
    { name: "compact", format, codec: codecFor(factor, false) },
    { name: "plane", format, codec: codecFor(factor, true) },
  ];
}

/** Writes the products of all patterns to `products`: rounded to float32, and once more in a format of 16 bits. */
export function multiply(format: Format, patterns: Patterns, factor: number, products: Patterns): void {
  if (format.dtype === "float32") {
    const values = new Float32Array(patterns.buffer, patterns.byteOffset, patterns.length);
    const out = new Float32Array(products.buffer, products.byteOffset, patterns.length);
    for (let i = 0; i < values.length; i++) out[i] = values[i]! * factor;
    return;
  }
  const { toNumber, toPattern } = format;
  for (let i = 0; i < patterns.length; i++) {
    products[i] = toPattern(Math.fround(toNumber(patterns[i]!) * factor));
  }
}

/** Writes the sums of patterns and deltas to `sums`, in a format of 16 bits: rounded to float32, and once more. */
export function add16(
  { toNumber, toPattern }: Format,
  patterns: Patterns,
  deltas: Float32Array,
  sums: Patterns,
): void {
  for (let i = 0; i < patterns.length; i++) {
    sums[i] = toPattern(Math.fround(toNumber(patterns[i]!) + deltas[i]!));
  }
}

/** What checks found. */
export interface Tally {
  patterns: number;
  differences: number;
  rawBlocks: number;
  /** The first difference, in words. */
  firstDifference: string | undefined;
}

export function newTally(): Tally {
  return { patterns: 0, differences: 0, rawBlocks: 0, firstDifference: undefined };
}

function hex(pattern: number, { bytes }: Format): string {
  return `0x${(bytes === 4 ? pattern >>> 0 : pattern).toString(16).padStart(2 * bytes, "0")}`;
}

/** Counts where `found` is not `expected`; a NaN may be any NaN if `anyNaN`. */
function compare(
  { name, format }: Step,
  what: string,
  originals: Patterns,
  found: Patterns,
  expected: Patterns,
  anyNaN: boolean,
  tally: Tally,
): void {
  const { infinity, bytes } = format;
  const magnitude = bytes === 4 ? 0x7fffffff : 0x7fff;
  for (let i = 0; i < expected.length; i++) {
    const is = found[i]!;
    const wanted = expected[i]!;
    if (is === wanted) continue;
    if (anyNaN && (is & magnitude) > infinity && (wanted & magnitude) > infinity) continue;
    tally.differences++;
    tally.firstDifference ??=
      `${format.dtype} ${name}: ${hex(originals[i]!, format)} ${what} ${hex(is, format)}, ` +
      `not ${hex(wanted, format)}`;
  }
}

/** The first `count` elements of the window, as patterns. */
export function windowPatterns({ buffer }: Kernels, { bytes }: Format, count: number): Patterns {
  return bytes === 4 ? new Int32Array(buffer, WINDOW, count) : new Uint16Array(buffer, WINDOW, count);
}

/** Puts patterns into the window, and zeros behind them up to the end of the block. */
export function loadPatterns(kernels: Kernels, format: Format, patterns: Patterns): Patterns {
  const count = patterns.length;
  const whole = windowPatterns(kernels, format, Math.ceil(count / BLOCK) * BLOCK);
  whole.set(patterns);
  whole.fill(0, count);
  return whole.subarray(0, count);
}

/** Puts back what `close` leaves to its caller. */
export function putExceptions({ buffer }: Kernels, window: Patterns, exceptions: number): void {
  const pairs = new Uint32Array(buffer, EXCEPTIONS, 2 * exceptions);
  for (let i = 0; i < pairs.length; i += 2) window[pairs[i]!] = pairs[i + 1]!;
}

/**
 * Takes a step on a window of `originals`, and undoes it. What is shown must be `images`, any NaN for a NaN; what comes
 * back must be `originals`, bit for bit.
 *
 * @param first - element that the window begins at
 */
export function check(
  kernels: Kernels,
  step: Step,
  first: number,
  originals: Patterns,
  images: Patterns,
  tally: Tally,
): void {
  const { codec, format } = step;
  const count = originals.length;
  codec.begin(kernels);
  const window = loadPatterns(kernels, format, originals);
  const { bytes, exceptions } = codec.open(kernels, first, count);
  compare(step, "becomes", originals, window, images, true, tally);
  for (const entry of new Uint32Array(kernels.buffer, INDEX, Math.ceil(count / BLOCK)))
    tally.rawBlocks += entry >>> 31;
  // Nobody keeps what is behind the bits.
  new Uint8Array(kernels.buffer, BITS + bytes, 16).fill(0xa5);
  codec.close(kernels, first, count);
  putExceptions(kernels, window, exceptions);
  compare(step, "comes back as", originals, window, originals, false, tally);
  tally.patterns += count;
}

/** Checks `count` patterns from `first` on, in order, under every step. */
export function checkInOrder(
  kernels: Kernels,
  steps: readonly Step[],
  factor: number,
  first: number,
  count: number,
  tally: Tally,
): void {
  const { format } = steps[0]!;
  const originals = oneWindow(format);
  const products = oneWindow(format);
  for (let at = 0; at < count; at += originals.length) {
    const length = Math.min(originals.length, count - at);
    const patterns = originals.subarray(0, length);
    fillInOrder(patterns, first + at);
    multiply(format, patterns, factor, products);
    for (const step of steps) check(kernels, step, 0, patterns, products.subarray(0, length), tally);
  }
}

/** A generator of whole numbers, the same for the same seed (xorshift, its state mixed well at the beginning). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = Math.imul(seed ^ 0x5bd1e995, 0x9e3779b1) | 1;
    for (let i = 0; i < 8; i++) this.bits();
  }

  /** 32 bits, signed. */
  bits(): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return this.#state;
  }

  /** From 0 to `end` − 1. */
  below(end: number): number {
    return Math.floor(((this.bits() >>> 0) / 2 ** 32) * end);
  }
}

/** 2^exponent, as long as it is normal in float32. */
function powerOfTwo(exponent: number): number {
  return float32ToNumber((exponent + 127) << 23);
}

/** What data is made with. */
interface Making {
  readonly format: Format;
  readonly random: Random;
  /** A sign in its place, or 0. */
  readonly sign: () => number;
  /** Standard normal. */
  readonly normal: () => number;
  /** A size that all of the data shares. */
  readonly size: number;
}

/** A magnitude with an exponent field within `spread` of the middle, and any fraction. */
function scattered({ format: { fractionBits, infinity }, random }: Making, spread: number): number {
  const fields = infinity >>> fractionBits;
  const width = Math.min(spread, (fields >>> 1) - 1);
  const field = (fields >>> 1) - width + random.below(2 * width + 1);
  return (field << fractionBits) | (random.bits() & ((1 << fractionBits) - 1));
}

const oneOf: Record<DataKind, (making: Making) => number> = {
  normals: ({ format, normal, size }) => format.toPattern(normal() * size),
  ones: ({ format }) => format.toPattern(1),
  bits: ({ random }) => random.bits(),
  // no quiet bit in half of them
  nans: ({ format: { infinity, fractionBits, toPattern }, random, sign, normal }) =>
    random.below(4) === 0
      ? sign() | infinity | (1 + random.below((1 << fractionBits) - 1))
      : toPattern(normal()),
  infinities: ({ format: { infinity, toPattern }, random, sign, normal }) =>
    random.below(400) === 0 ? sign() | infinity : toPattern(normal()),
  subnormals: ({ format: { fractionBits }, random, sign }) => sign() | random.below(1 << fractionBits),
  zeros: ({ format, random, sign, normal, size }) =>
    random.below(10) < 7 ? sign() : format.toPattern(normal() * size),
  powers: (making) => making.sign() | (scattered(making, 20) & making.format.infinity),
  grid: ({ format, normal }) => format.toPattern(Math.round(normal() * 100) / 128),
  largest: ({ format: { infinity, fractionBits }, random, sign }) =>
    sign() | (infinity - 1 - random.below(2 << fractionBits)),
  decades: (making) => making.sign() | scattered(making, 33),
  allSet: () => -1,
};

/** Kinds of data: those that found mistakes. */
export type DataKind =
  | "normals"
  | "ones"
  | "bits"
  | "nans"
  | "infinities"
  | "subnormals"
  | "zeros"
  | "powers"
  | "grid"
  | "largest"
  | "decades"
  | "allSet";

export const dataKinds = Object.keys(oneOf) as readonly DataKind[];

/** `count` patterns of a kind, the same for the same seed. */
export function dataOf(kind: DataKind, format: Format, count: number, seed: number): Patterns {
  const random = new Random(seed);
  const normals = new Float32Array(count);
  fillNoise(normals, noiseSource(seed >>> 0, "data", 1, "float32"), 0);
  let at = 0;
  const making: Making = {
    format,
    random,
    sign: () => (random.bits() & 1) << (8 * format.bytes - 1),
    normal: () => normals[at++]!,
    // within the format, whichever it is
    size: powerOfTwo(random.below(25) - 18),
  };
  const next = oneOf[kind];
  return patternsFor(format, count).map(() => next(making));
}
