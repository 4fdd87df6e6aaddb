/** Maps of small formats by tables: every pattern comes back, and what that costs. */
import { describe, expect, it } from "vitest";
import { encode } from "../../../src/dtypes/convert.ts";
import { numberToFloat16 } from "../../../src/dtypes/float16.ts";
import type { Kernels } from "../../../src/reversible/kernels.ts";
import { BITS, BLOCK, INDEX, WINDOW } from "../../../src/reversible/layout.ts";
import {
  mapCodec,
  SIXTEEN_BIT_TABLE_BYTES,
  type Preimages,
  preimagesOf,
  scaleMap,
} from "../../../src/reversible/preimages.ts";
import { fillNoise, noiseSource } from "../../../src/random/noise.ts";
import { bits } from "../../support/bits.ts";
import { thrownBy } from "../../support/thrown.ts";

/** All that the codec uses of kernels is their memory. */
const kernels = { buffer: new ArrayBuffer(524288) } as Kernels;

/** Most elements of a window. */
const MOST = 32768;

const formats = [
  { dtype: "int8", bytesPerElement: 1, size: 256 },
  { dtype: "uint8", bytesPerElement: 1, size: 256 },
  { dtype: "float16", bytesPerElement: 2, size: 65536 },
] as const;
type Format = (typeof formats)[number];

const factors = [
  [0.9, 1 / 3, 0.5, 1, -1, 2, -0.7, 0, 0.999, 1.1, Math.SQRT1_2, 1e-3, -1e-5, 3.3, 100, 7e4, 1e30, 1e-30],
  // spread over 0 to 2
  Array.from({ length: 12 }, (_, i) => ((i + 1) * 1.1326) % 2),
].flat();

type Patterns = Uint8Array | Uint16Array;

function windowOf({ bytesPerElement }: Format, count: number): Patterns {
  const Carrier = bytesPerElement === 1 ? Uint8Array : Uint16Array;
  return new Carrier(kernels.buffer, WINDOW, count);
}

function codecOf({ bytesPerElement }: Format, preimages: Preimages): ReturnType<typeof mapCodec> {
  return mapCodec(
    () => preimages,
    bytesPerElement,
    (pattern) => `no image of ${pattern}`,
  );
}

/** Opens and closes a window of `patterns`. Checks what is shown and what is back; returns the bytes parked. */
function roundTrip(
  format: Format,
  preimages: Preimages,
  forward: (pattern: number) => number | undefined,
  patterns: Patterns,
): number {
  const codec = codecOf(format, preimages);
  const window = windowOf(format, patterns.length);
  const images = patterns.map((pattern) => forward(pattern)!);

  window.set(patterns);
  codec.apply(kernels, 0, patterns.length);
  expect(bits(window), "applied").toBe(bits(images));

  window.set(patterns);
  // What was there before must not matter.
  new Uint8Array(kernels.buffer, INDEX).fill(0xff);
  const { bytes, exceptions } = codec.open(kernels, 0, patterns.length);
  expect(bits(window), "opened").toBe(bits(images));
  expect(exceptions).toBe(0);
  // Only as many bytes as it says are kept; what is behind them is anything at all.
  new Uint8Array(kernels.buffer, BITS + bytes, 16).fill(0xa5);
  codec.close(kernels, 0, patterns.length);
  expect(bits(window), "closed").toBe(bits(patterns));
  return bytes;
}

/** The patterns that the map has an image for, again and again in a scattered order. */
function scattered({ size, bytesPerElement }: Format, { missing }: Preimages, count: number): Patterns {
  const Carrier = bytesPerElement === 1 ? Uint8Array : Uint16Array;
  const patterns = new Carrier(count);
  let at = 0;
  for (let i = 0; at < count; i++) {
    // an odd step visits all of them
    const pattern = (i * 40503) % size;
    if (missing[pattern] !== 1) patterns[at++] = pattern;
  }
  return patterns;
}

/** Normally distributed int8. */
function normalInt8(count: number, std: number): Uint8Array {
  const values = new Float64Array(count);
  fillNoise(values, noiseSource(7, "w", std, "float64"), 0);
  const data = new Int8Array(count);
  encode(
    values.map((value) => Math.max(-127, Math.min(127, value))),
    count,
    "int8",
    data,
    0,
  );
  return new Uint8Array(data.buffer);
}

/** What the index says of the blocks of the last window: which are raw. */
function rawBlocks(count: number): boolean[] {
  const index = new Uint32Array(kernels.buffer, INDEX, Math.ceil(count / BLOCK));
  return Array.from(index, (entry) => entry >= 0x80000000);
}

describe.each(formats)("scaling $dtype by tables", (format) => {
  it.each(factors)("gives every pattern back: %d", (factor) => {
    const forward = scaleMap(format.dtype, factor);
    const preimages = preimagesOf(format.size, forward);
    const mapped = preimages.members.length;
    const all = scattered(format, preimages, mapped);
    expect(new Set(all).size).toBe(mapped);
    for (let from = 0; from < mapped; from += MOST) {
      roundTrip(format, preimages, forward, all.subarray(from, from + MOST));
    }
  });

  it.each([0, 1, 2, 1023, 1024, 1025, 5000, MOST])("works on a window of %d elements", (count) => {
    for (const factor of [0.9, 1 / 3, 0]) {
      const forward = scaleMap(format.dtype, factor);
      const preimages = preimagesOf(format.size, forward);
      const bytes = roundTrip(format, preimages, forward, scattered(format, preimages, count));
      expect(bytes).toBeLessThanOrEqual(count * format.bytesPerElement);
    }
  });

  it("changes nothing behind its elements", () => {
    const codec = codecOf(format, preimagesOf(format.size, scaleMap(format.dtype, 0.3)));
    const window = windowOf(format, 64).fill(100);
    codec.apply(kernels, 0, 40);
    codec.open(kernels, 0, 40);
    codec.close(kernels, 0, 40);
    expect([...window.subarray(40)]).toEqual(Array.from({ length: 24 }, () => 100));
  });

  it("parks a block raw where its ranks are no shorter, and the blocks beside it as they are", () => {
    // the lower half of all patterns, and one more, have one image; the others have one each
    const half = format.size / 2;
    const forward = (pattern: number): number => (pattern <= half ? 0 : pattern);
    const preimages = preimagesOf(format.size, forward);
    const patterns = scattered(format, preimages, 3 * BLOCK);
    patterns.fill(format.size - 1, 0, BLOCK);
    for (let i = BLOCK; i < 2 * BLOCK; i++) patterns[i] = i % half;
    const bytes = roundTrip(format, preimages, forward, patterns);
    expect(rawBlocks(3 * BLOCK)).toEqual([false, true, false]);
    expect(bytes).toBeGreaterThan(BLOCK * format.bytesPerElement);
    expect(bytes).toBeLessThan(2 * BLOCK * format.bytesPerElement);
  });

  it("parks nothing where no two patterns have one image", () => {
    const rotate = (pattern: number): number => (pattern + 77) % format.size;
    const preimages = preimagesOf(format.size, rotate);
    expect(Math.max(...preimages.width)).toBe(0);
    expect(roundTrip(format, preimages, rotate, scattered(format, preimages, 2000))).toBe(0);
    expect(rawBlocks(2000)).toEqual([false, false]);
  });

  it("has no more table than it says", () => {
    const { bytes, isInjective, ...tables } = preimagesOf(format.size, scaleMap(format.dtype, 1.5));
    expect(isInjective).toBe(tables.width.every((width) => width === 0));
    const lengths = Object.fromEntries(Object.entries(tables).map(([name, { length }]) => [name, length]));
    const { size } = format;
    const isInteger = format.dtype !== "float16";
    expect(lengths).toMatchObject({ forward: size, rank: size, width: size, offset: size });
    expect(lengths["missing"]).toBe(isInteger ? size : 0);
    expect(lengths["members"]).toSatisfy((n: number) => (isInteger ? n < size : n === size));
    expect(bytes).toBe(Object.values(tables).reduce((sum, { byteLength }) => sum + byteLength, 0));
    if (!isInteger) expect(bytes).toBe(SIXTEEN_BIT_TABLE_BYTES);
  });
});

describe("the tables of a map", () => {
  const thirds = preimagesOf(256, (pattern) => (pattern < 250 ? Math.floor(pattern / 5) : undefined));

  it("list the patterns of an image in ascending order", () => {
    const at = thirds.offset[7]!;
    expect([...thirds.members.subarray(at, at + 5)]).toEqual([35, 36, 37, 38, 39]);
    expect(thirds.members).toHaveLength(250);
    expect([35, 36, 39].map((pattern) => thirds.rank[pattern])).toEqual([0, 1, 4]);
  });

  it("give an image the bits that its patterns need", () => {
    expect(thirds.width[7]).toBe(3);
    expect(thirds.width[50]).toBe(0);
    const widthOf = (n: number): number | undefined =>
      preimagesOf(256, (pattern) => (pattern < n ? 9 : undefined)).width[9];
    expect([0, 1, 2, 3, 4, 5, 8, 9, 128, 129, 256].map(widthOf)).toEqual([0, 0, 1, 2, 2, 3, 3, 4, 7, 8, 8]);
  });

  it("hold when all patterns have one image, which is the last one", () => {
    const format = formats[2];
    const preimages = preimagesOf(65536, () => 65535);
    expect(preimages.width[65535]).toBe(16);
    roundTrip(format, preimages, () => 65535, scattered(format, preimages, 3000));
    expect(rawBlocks(3000)).toEqual([true, true, true]);
  });
});

describe("bits per element of scaling int8 weights of standard deviation 32", () => {
  const format = formats[0];
  const weights = normalInt8(MOST, 32);

  it.each([
    { factor: 0.9, about: 0.2 },
    { factor: 1 / 3, about: 2 },
    { factor: 0.5, about: 1.5 },
    { factor: -1, about: 0 },
  ])("are about $about for $factor", ({ factor, about }) => {
    const forward = scaleMap("int8", factor);
    const bytes = roundTrip(format, preimagesOf(256, forward), forward, weights);
    expect(Math.abs((8 * bytes) / MOST - about)).toBeLessThan(0.02);
  });
});

describe("scaling integers", () => {
  it.each(["int8", "uint8"] as const)("rounds and refuses as converting does: %s", (dtype) => {
    const carrier = dtype === "int8" ? Int8Array : Uint8Array;
    for (const factor of factors) {
      const forward = scaleMap(dtype, factor);
      for (let pattern = 0; pattern < 256; pattern++) {
        const data = carrier.of(pattern);
        const run = (): void => encode(Float64Array.of(data[0]! * factor), 1, dtype, data, 0);
        const image = forward(pattern);
        if (image === undefined) expect(run).toThrow(RangeError);
        else {
          run();
          expect(image).toBe(data[0]! & 0xff);
        }
      }
    }
  });

  it("refuses a value outside the dtype before it changes anything", () => {
    const doubling = preimagesOf(256, scaleMap("int8", 2));
    const codec = mapCodec(
      () => doubling,
      1,
      (pattern) => `int8 cannot hold ${2 * ((pattern << 24) >> 24)}: its values are -128 to 127`,
    );
    for (const method of ["apply", "open"] as const) {
      const window = new Int8Array(kernels.buffer, WINDOW, 3000).fill(1);
      window[2500] = -65;
      const before = bits(window);
      const error = thrownBy(() => codec[method](kernels, 4_000_000_000, 3000));
      expect(error).toBeInstanceOf(RangeError);
      expect((error as Error).message).toBe(
        "int8 cannot hold -130: its values are -128 to 127 (element 4000002500)",
      );
      expect(bits(window)).toBe(before);
    }
  });

  it("does not look behind its elements for values outside the dtype", () => {
    const codec = codecOf(formats[0], preimagesOf(256, scaleMap("int8", 2)));
    new Int8Array(kernels.buffer, WINDOW, 5).set([1, 2, 3, 127, 127]);
    expect(codec.open(kernels, 0, 3)).toEqual({ bytes: 0, exceptions: 0 });
  });
});

describe("scaling float16", () => {
  it("gives the product in float32, rounded", () => {
    const forward = scaleMap("float16", 0.9);
    expect(forward(numberToFloat16(1))).toBe(numberToFloat16(Math.fround(0.9)));
    expect(forward(0x8000)).toBe(0x8000);
    expect(forward(0x7c00)).toBe(0x7c00);
    expect(scaleMap("float16", -1)(0x7c00)).toBe(0xfc00);
    expect(scaleMap("float16", 1e30)(0x0001)).toBe(0x7c00);
  });

  it("makes NaN of NaN, and of infinity times 0, the same ones each time", () => {
    const isNaN16 = (pattern: number): boolean => (pattern & 0x7fff) > 0x7c00;
    for (const factor of factors) {
      const forward = scaleMap("float16", factor);
      for (let pattern = 0; pattern < 65536; pattern++) {
        const expected = isNaN16(pattern) || (factor === 0 && (pattern & 0x7fff) === 0x7c00);
        if (isNaN16(forward(pattern)!) !== expected) expect.fail(`pattern ${pattern} times ${factor}`);
      }
    }
    expect([0x7c01, 0x7e01, 0xfc01, 0xffff].map(scaleMap("float16", 0.3))).toEqual([
      0x7e01, 0x7e01, 0xfe01, 0xffff,
    ]);
    expect(scaleMap("float16", 0)(0xfc00)).toBe(0x7e00);
  });
});
