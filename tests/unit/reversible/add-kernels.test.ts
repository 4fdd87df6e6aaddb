/** Adding in both sets of kernels: the same bytes, the sum on show, and every bit back. */
import { describe, expect, it } from "vitest";
import { bfloat16ToNumber, numberToBfloat16 } from "../../../src/dtypes/bfloat16.ts";
import { float16ToNumber, numberToFloat16 } from "../../../src/dtypes/float16.ts";
import { noiseSource } from "../../../src/random/noise.ts";
import { noiseDeltas } from "../../../src/reversible/add.ts";
import type { Kernels } from "../../../src/reversible/kernels.ts";
import { BITS, BLOCK, EXCEPTIONS, INDEX, OPERANDS, WINDOW } from "../../../src/reversible/layout.ts";
import { referenceKernels } from "../../../src/reversible/reference.ts";
import { wasmKernels } from "../../../src/reversible/wasm.ts";
import { bits } from "../../support/bits.ts";

const wasm = wasmKernels();
const reference = referenceKernels();

const RAW = 2 ** 31;
const ZEROS = 2 ** 30;

const word = new Uint32Array(1);
const single = new Float32Array(word.buffer);

function bitsOf(value: number): number {
  single[0] = value;
  return word[0]!;
}

function valueOf(bits: number): number {
  word[0] = bits;
  return single[0]!;
}

/** A xorshift generator: a failure can be repeated. */
let state = 0x2545f491;
function random(): number {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return state >>> 0;
}
const uniform = (): number => (random() + 0.5) / 2 ** 32;
const normal = (): number => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
const sign = (): number => (random() & 1) * 2 - 1;

/** What the tests know of a format. */
interface Format {
  readonly name: "float32" | "bfloat16" | "float16";
  readonly bytes: 2 | 4;
  readonly infinity: number;
  toValue(pattern: number): number;
  toPattern(value: number): number;
  add(kernels: Kernels, count: number): void;
  open(kernels: Kernels, count: number): number;
  close(kernels: Kernels, count: number): void;
}

const FLOAT32: Format = {
  name: "float32",
  bytes: 4,
  infinity: 0x7f800000,
  toValue: valueOf,
  toPattern: bitsOf,
  add: (kernels, count) => kernels.addFloat32(count),
  open: (kernels, count) => kernels.addFloat32Open(count),
  close: (kernels, count) => kernels.addFloat32Close(count),
};
const BFLOAT16: Format = {
  name: "bfloat16",
  bytes: 2,
  infinity: 0x7f80,
  toValue: bfloat16ToNumber,
  toPattern: numberToBfloat16,
  add: (kernels, count) => kernels.add16(count, false),
  open: (kernels, count) => kernels.add16Open(count, false),
  close: (kernels, count) => kernels.add16Close(count, false),
};
const FLOAT16: Format = {
  name: "float16",
  bytes: 2,
  infinity: 0x7c00,
  toValue: float16ToNumber,
  toPattern: numberToFloat16,
  add: (kernels, count) => kernels.add16(count, true),
  open: (kernels, count) => kernels.add16Open(count, true),
  close: (kernels, count) => kernels.add16Close(count, true),
};
const FORMATS = [FLOAT32, BFLOAT16, FLOAT16];

type Patterns = Uint32Array | Uint16Array;

/** Elements of a window and the end of its last block. */
function windowOf({ buffer }: Kernels, { bytes }: Format, count: number): Patterns {
  const length = Math.ceil(count / BLOCK) * BLOCK;
  return bytes === 4 ? new Uint32Array(buffer, WINDOW, length) : new Uint16Array(buffer, WINDOW, length);
}

/** A pattern without its sign. */
const magnitude = (pattern: number, { bytes }: Format): number =>
  bytes === 4 ? pattern & 0x7fffffff : pattern & 0x7fff;

const isNaNPattern = (pattern: number, format: Format): boolean =>
  magnitude(pattern, format) > format.infinity;

/** Every NaN alike: no operation defines the payload of a NaN it computes. */
function numbersOf(patterns: Patterns, format: Format): number[] {
  return Array.from(patterns, (pattern) => (isNaNPattern(pattern, format) ? -1 : pattern));
}

interface Result {
  readonly sums: Patterns;
  readonly index: readonly number[];
  readonly bytes: number;
  readonly bits: string;
  readonly exceptions: readonly number[];
}

/** Fills the operands of both. */
function giveDeltas(deltas: ArrayLike<number>): void {
  const length = Math.ceil(deltas.length / BLOCK) * BLOCK;
  for (const { buffer } of [wasm, reference]) {
    const operands = new Float32Array(buffer, OPERANDS, length).fill(0);
    operands.set(deltas);
  }
}

function openIn(kernels: Kernels, format: Format, patterns: ArrayLike<number>): Result {
  const count = patterns.length;
  const window = windowOf(kernels, format, count).fill(0);
  window.set(patterns);
  const bytes = format.open(kernels, count);
  const { buffer } = kernels;
  return {
    sums: window.slice(),
    index: [...new Uint32Array(buffer, INDEX, Math.ceil(count / BLOCK))],
    bytes,
    bits: bits(new Uint8Array(buffer, BITS, bytes)),
    exceptions: [...new Uint32Array(buffer, EXCEPTIONS, 2 * kernels.exceptionCount())],
  };
}

/** What is in the window after closing and putting exceptions back. */
function closeIn(kernels: Kernels, format: Format, count: number, exceptions: readonly number[]): Patterns {
  format.close(kernels, count);
  const window = windowOf(kernels, format, count);
  for (let i = 0; i < exceptions.length; i += 2) window[exceptions[i]!] = exceptions[i + 1]!;
  return window;
}

/** Sums that may be shown: the rounded one, for float32 its neighbours as well. */
function expectSums(sums: Patterns, patterns: ArrayLike<number>, format: Format): void {
  const deltas = new Float32Array(wasm.buffer, OPERANDS, patterns.length);
  for (let i = 0; i < patterns.length; i++) {
    const rounded = Math.fround(format.toValue(patterns[i]!) + deltas[i]!);
    const [wanted, found] = [format.toPattern(rounded), sums[i]!];
    if (Number.isNaN(rounded) && isNaNPattern(found, format)) continue;
    const isClose = Math.abs(wanted - found) <= (format === FLOAT32 ? 1 : 0);
    const isZero = magnitude(wanted, format) === 0 && magnitude(found, format) === 0;
    if (!isClose && !isZero)
      expect.fail(`element ${i}: ${patterns[i]} + ${deltas[i]}: ${found}, not ${wanted}`);
  }
}

/** All that holds for any patterns and any deltas. @returns what is parked */
function expectReversible(format: Format, patterns: ArrayLike<number>): Result {
  const count = patterns.length;
  const fromWasm = openIn(wasm, format, patterns);
  const fromReference = openIn(reference, format, patterns);
  const shown = numbersOf(fromWasm.sums, format);
  expect(shown).toEqual(numbersOf(fromReference.sums, format));
  expect({ ...fromWasm, sums: [] }).toEqual({ ...fromReference, sums: [] });
  expectSums(fromWasm.sums, patterns, format);
  expect(shown.slice(count).every((pattern) => pattern === 0)).toBe(true);
  expect(fromWasm.bytes + 4 * fromWasm.exceptions.length).toBeLessThanOrEqual(count * format.bytes);

  const padded = windowOf(wasm, format, count).slice().fill(0);
  padded.set(patterns);
  for (const kernels of [wasm, reference]) {
    const back = closeIn(kernels, format, count, fromWasm.exceptions);
    expect(bits(back)).toBe(bits(padded));
    format.add(kernels, count);
    expect(numbersOf(back, format)).toEqual(shown);
  }
  return fromWasm;
}

/** float32 bits of a weight of some size, by kind. */
const WEIGHTS: Record<string, (size: number) => number> = {
  "normal numbers": (size) => bitsOf(normal() * size),
  "any bits": () => random(),
  "a few NaN": (size) => (uniform() < 0.001 ? 0x7f800000 | random() : bitsOf(normal() * size)),
  "a few infinities": (size) => bitsOf(uniform() < 0.001 ? sign() * Infinity : normal() * size),
  "subnormal numbers": () => random() & 0x80ffffff,
  "both zeros": (size) => (uniform() < 0.7 ? random() & 0x80000000 : bitsOf(normal() * size)),
  "many zeros": (size) => (uniform() < 0.7 ? 0 : bitsOf(normal() * size)),
  "about 48 zeros a block": (size) => (uniform() < 0.047 ? 0 : bitsOf(normal() * size)),
  "powers of two": () => bitsOf(sign() * 2 ** ((random() % 40) - 30)),
  "neighbours of powers of two": () => bitsOf(2 ** ((random() % 10) - 5)) + (random() % 5) - 2,
  "a coarse grid": () => bitsOf(Math.round(normal() * 100) / 128),
  ones: () => bitsOf(1),
  "all bits set": () => 0xffffffff,
  "the largest numbers": () => 0x7d800000 + (random() & 0x1ffffff) + (random() & 0x80000000),
  "sizes of 20 decades": () => bitsOf(normal() * 10 ** (uniform() * 20 - 15)),
};

/** Deltas, by the weight p and a size. */
const DELTAS: Record<string, (p: number, size: number) => number> = {
  "of that size": (_, size) => normal() * size,
  "of any size": () => normal() * 10 ** (uniform() * 70 - 38),
  "of any bits": () => valueOf(random()),
  "0": () => 0,
  "-0": () => -0,
  "-p": (p) => -p,
  "next to -p": (p) => -valueOf(bitsOf(p) + (random() % 3) - 1),
  p: (p) => p,
  subnormal: () => valueOf(random() & 0x80ffffff),
  "mostly 0": (_, size) => (uniform() < 0.9 ? 0 : normal() * size),
  "some not finite": (_, size) => [NaN, Infinity, -Infinity, 3e38][random() % 4000] ?? normal() * size,
  "on a grid": () => Math.round(normal() * 40) / 64,
  "far below p": (p) => p * 2 ** -(random() % 30),
  "far above p": (p) => p * 2 ** (random() % 30),
  "to the next power of two": (p) => {
    const power = 2 ** Math.ceil(Math.log2(Math.abs(p) + 1e-30));
    return power - p + ((random() % 9) - 4) * power * 2 ** -25;
  },
};

const COUNTS = [1, 3, 1023, 1024, 1025, 2500];

/** A pattern of a format from float32 bits; any bits stay any bits. */
function patternOf(bits: number, format: Format): number {
  if (format === FLOAT32) return bits >>> 0;
  if (format === BFLOAT16) return bits >>> 16;
  return (bits & 0x7f800000) === 0x7f800000 ? bits & 0xffff : numberToFloat16(valueOf(bits));
}

function weights(kind: string, count: number, size: number, format: Format): number[] {
  return Array.from({ length: count }, () => patternOf(WEIGHTS[kind]!(size) >>> 0, format));
}

function addNoise(format: Format, std: number, first: number, count: number): void {
  const deltas = noiseDeltas(noiseSource(3, "kernels", std, format.name));
  for (const kernels of [wasm, reference]) deltas.fill(kernels, first, count);
}

const bitsPerWeight = ({ bytes, exceptions }: Result, count: number): number =>
  (8 * bytes + 32 * exceptions.length) / count;

describe.each(FORMATS)("adding to $name", (format) => {
  const { toPattern, bytes } = format;
  /** Elements of a whole window. */
  const whole = 65536 / bytes;

  it.each(Object.keys(WEIGHTS))("brings back weights that are %s, with any deltas", (kind) => {
    for (const kindOfDelta of Object.keys(DELTAS)) {
      const size = 10 ** (uniform() * 8 - 6);
      const patterns = weights(kind, COUNTS[random() % COUNTS.length]!, size, format);
      giveDeltas(patterns.map((pattern) => DELTAS[kindOfDelta]!(format.toValue(pattern), size)));
      expectReversible(format, patterns);
    }
  });

  it.each([1e-30, 1e-12, 1e-6, 1e-3, 0.01, 0.1, 1, 100, 1e6, 1e20])(
    "brings back weights under noise of %d",
    (std) => {
      for (const kind of Object.keys(WEIGHTS)) {
        const count = COUNTS[random() % COUNTS.length]!;
        addNoise(format, std, 1024 * (random() % 1000), count);
        expectReversible(format, weights(kind, count, 0.02, format));
      }
    },
  );

  it("does nothing where there is no element", () => {
    expect(format.open(wasm, 0)).toBe(0);
    expect(format.open(reference, 0)).toBe(0);
    expect([wasm.exceptionCount(), reference.exceptionCount()]).toEqual([0, 0]);
  });

  it("brings a whole window back", () => {
    addNoise(format, 0.01, 0, whole);
    expectReversible(format, weights("normal numbers", whole, 0.02, format));
  });

  it("stores weights under a delta of 0 in hardly any bits, zeros included", () => {
    const patterns = weights("many zeros", 4000, 0.02, format);
    giveDeltas(patterns.map(() => 0));
    const { index, bytes: parked, exceptions } = expectReversible(format, patterns);
    // a bit for a power of two in 16 bits, whose interval is half in the binade below
    expect(parked).toBeLessThan(format === FLOAT32 ? 1 : 20);
    expect(index.every((entry) => entry < RAW)).toBe(true);
    expect(exceptions).toEqual([]);
  });

  it("keeps a block with NaN as it is, payloads included, and no other", () => {
    const patterns = weights("normal numbers", 3000, 0.02, format);
    patterns[1500] = format.infinity + 0x23;
    giveDeltas(patterns.map(() => 0.01 * normal()));
    const { index } = expectReversible(format, patterns);
    expect(index.map((entry) => entry >= RAW)).toEqual([false, true, false]);
  });

  it("never takes more than the weights themselves", () => {
    // deltas that leave nothing of the weights
    const patterns = weights("normal numbers", 2500, 1e-6, format);
    giveDeltas(patterns.map(() => normal() * 1000));
    const { bytes: parked, exceptions } = expectReversible(format, patterns);
    expect(parked).toBe(2500 * bytes);
    expect(exceptions).toEqual([]);
  });

  it("does not look at operands behind the elements", () => {
    const patterns = weights("normal numbers", 1030, 0.02, format);
    giveDeltas(patterns.map(() => 0.01 * normal()));
    const clean = expectReversible(format, patterns);
    for (const { buffer } of [wasm, reference]) new Float32Array(buffer, OPERANDS + 4 * 1030, 1000).fill(NaN);
    expect(expectReversible(format, patterns)).toEqual(clean);
  });

  it.each([
    [0.01, 0.6],
    [0.001, 0.12],
    [0.1, 2.55],
  ])("parks what noise of %d costs of weights of 0.02: %d bits", (std, expected) => {
    addNoise(format, std, 0, whole);
    const parked = expectReversible(format, weights("normal numbers", whole, 0.02, format));
    // rounded up to a byte for each block
    expect(bitsPerWeight(parked, whole)).toBeGreaterThan(0.9 * expected);
    expect(bitsPerWeight(parked, whole)).toBeLessThan(1.1 * expected + 0.03);
  });

  it("shows the neighbour of a sum at most, and infinity where it overflows", () => {
    const [most] = [format.infinity - 1];
    const patterns = [most, most, most + 1, toPattern(1), toPattern(-1), 0];
    giveDeltas([format.toValue(most), -format.toValue(most), 1, Infinity, -Infinity, Infinity]);
    const { sums } = expectReversible(format, patterns);
    const infinities = [Infinity, 0, Infinity, Infinity, -Infinity, Infinity].map(toPattern);
    expect([...sums.subarray(0, 6)]).toEqual(infinities);
  });
});

describe.each([BFLOAT16, FLOAT16])("adding to each pattern of $name", (format) => {
  it.each([1e-30, 1e-9, 1e-4, 0.01, 1, 300, 1e30])("brings it back under noise of %d", (std) => {
    for (const first of [0, 32768]) {
      addNoise(format, std, first, 32768);
      expectReversible(
        format,
        Array.from({ length: 32768 }, (_, i) => first + i),
      );
    }
  });

  it("brings it back in blocks of patterns from all over", () => {
    for (const first of [0, 32768]) {
      addNoise(format, 0.02, first, 32768);
      expectReversible(
        format,
        // odd factor: each pattern once
        Array.from({ length: 32768 }, (_, i) => ((first + i) * 40503) & 0xffff),
      );
    }
  });

  it("predicts zeros where there are more than 48 in a block", () => {
    const zeros = (n: number): number[] =>
      Array.from({ length: BLOCK }, (_, i) => (i < n ? 0 : format.toPattern(1 + uniform())));
    const patterns = [...zeros(48), ...zeros(49), ...zeros(1000)];
    giveDeltas(patterns.map(() => 0.001 * (1 + uniform())));
    const { index, bytes } = expectReversible(format, patterns);
    expect(index.map((entry) => (entry & ZEROS) !== 0)).toEqual([false, true, true]);
    // the whole pattern of a zero, or nothing
    expect(index[1]! & 0x3fffffff).toBeGreaterThanOrEqual(2 * 48);
    expect(bytes - (index[1]! & 0x3fffffff)).toBeLessThan(300);
  });

  it("predicts zeros in a short block by its own elements, not by padding", () => {
    const patterns = weights("normal numbers", 100, 1, format);
    giveDeltas(patterns.map(() => 0.01 * normal()));
    expect(expectReversible(format, patterns).index[0]! & ZEROS).toBe(0);
    const sparse = patterns.map((pattern, i) => (i < 49 ? 0 : pattern));
    expect(expectReversible(format, sparse).index[0]! & ZEROS).toBe(ZEROS);
  });
});

describe.each([BFLOAT16, FLOAT16])("adding to $name what is $name as well", (format) => {
  it("has no exceptions, though many sums are ties", () => {
    const patterns = weights("normal numbers", 4096, 1, format);
    giveDeltas(patterns.map(() => format.toValue(format.toPattern(normal()))));
    const parked = expectReversible(format, patterns);
    expect(bitsPerWeight(parked, 4096)).toBeLessThan(2);
    expect(parked.exceptions.length / 2).toBeLessThan(20);
  });
});

describe("a low-rank delta on float32", () => {
  it("parks 0.2 bits of weights of 0.02 where it is a tenth of them", () => {
    const count = 16384;
    const patterns = weights("normal numbers", count, 0.02, FLOAT32);
    giveDeltas(patterns.map(() => 0.0017 * normal()));
    const parked = expectReversible(FLOAT32, patterns);
    expect(bitsPerWeight(parked, count)).toBeLessThan(0.2);
    expect(parked.exceptions.length / 2).toBeLessThan(10);
  });
});
