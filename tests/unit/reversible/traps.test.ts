/** Mistakes that reversible kernels invite, one test each; and what the driver over a user's array must survive. */
import { describe, expect, it } from "vitest";
import { fillNoise, noiseSource } from "../../../src/random/noise.ts";
import { addCodec, lowRankDeltas, noiseDeltas, valueDeltas } from "../../../src/reversible/add.ts";
import type { NumericArray } from "../../../src/dtypes/dtype.ts";
import type { Codec } from "../../../src/reversible/codec.ts";
import { mostParked } from "../../../src/reversible/estimate.ts";
import type { Kernels } from "../../../src/reversible/kernels.ts";
import { Parking } from "../../../src/reversible/park.ts";
import { mapCodec, preimagesOf, scaleMap } from "../../../src/reversible/preimages.ts";
import { referenceKernels } from "../../../src/reversible/reference.ts";
import { scaleBfloat16Codec, scaleFloat32Codec } from "../../../src/reversible/scale.ts";
import { wasmKernels } from "../../../src/reversible/wasm.ts";
import { windowLength } from "../../../src/reversible/window.ts";
import { bits } from "../../support/bits.ts";
import {
  bfloat16,
  dataOf,
  float16,
  float32,
  type Format,
  loadPatterns,
  putExceptions,
} from "../../support/patterns.ts";
import { thrownBy } from "../../support/thrown.ts";

/** Elements in a window: of all formats here. */
const WINDOW = windowLength(new Float32Array(0));
/** Elements whose bits share a buffer, or a multiple of that. */
const CHUNK = 2 ** 20;

const wasm = wasmKernels();
const both: readonly Kernels[] = [wasm, referenceKernels()];

/** Normally distributed values. */
function normals(count: number, std: number, seed = 1): Float32Array {
  const values = new Float32Array(count);
  fillNoise(values, noiseSource(seed, "weights", std, "float32"), 0);
  return values;
}

/** Patterns in a format of 16 bits. */
function halves({ toPattern }: Format, values: Float32Array): Uint16Array {
  return Uint16Array.from(values, toPattern);
}

function noiseCodec(dtype: "float32" | "float16" | "bfloat16", std: number): Codec {
  return addCodec(dtype, noiseDeltas(noiseSource(2, "noise", std, dtype)));
}

function adding(deltas: Float32Array, dtype: "float32" | "float16" | "bfloat16" = "float32"): Codec {
  return addCodec(
    dtype,
    valueDeltas((first, out) => out.set(deltas.subarray(first, first + out.length))),
  );
}

function undo(parking: Parking, kernels: Kernels): void {
  parking.undo({ lost: new Set() }, kernels);
}

/** What {@link roundTrip} found. */
interface Trip<T> {
  readonly shown: T;
  /** Bytes, beside the index. */
  readonly parked: number;
}

/** Takes a step and undoes it, with both kernels, which must agree. */
function roundTrip<T extends NumericArray>(original: T, codec: Codec): Trip<T> {
  const [first, second] = both.map((kernels): Trip<T> => {
    const data = original.slice() as T;
    const parking = new Parking(data, codec);
    parking.do(undefined, kernels);
    const shown = data.slice() as T;
    const parked = parking.bytes - 4 * Math.ceil(data.length / 1024);
    expect(parking.bytes).toBeLessThanOrEqual(mostParked(data));
    undo(parking, kernels);
    expect(bits(data), `back by ${kernels.name}`).toBe(bits(original));
    return { shown, parked };
  });
  expect(second!.parked).toBe(first!.parked);
  return first!;
}

/** Bits of an element that {@link roundTrip} parks. */
function bitsPerElement(original: NumericArray, codec: Codec): number {
  return (8 * roundTrip(original, codec).parked) / original.length;
}

describe("the width of a code", () => {
  // From (p, p + d) instead of (p', d) it differs just at the edges of binades, and the rest of the block is shifted.
  it.each([1, -1])("is that which closing finds, at the edges of binades: deltas of sign %d", (sign) => {
    const count = 8192;
    const ulp = 2 ** -24;
    const weights = Float32Array.from({ length: count }, (_, i) => 1 + ((i % 97) - 48) * ulp);
    const deltas = Float32Array.from({ length: count }, (_, i) => sign * ((i % 89) - 44) * 0.75 * ulp);
    // Exceptions would hide a mistake, at 64 bits each.
    expect(bitsPerElement(weights, adding(deltas))).toBeLessThan(2);
    const doubled = deltas.map((delta, i) => delta + sign * weights[i]!);
    expect(bitsPerElement(weights, adding(doubled))).toBeLessThan(sign > 0 ? 2 : 40);
    for (const format of [bfloat16, float16]) {
      const step = 2 ** -(format.fractionBits + 1);
      const near = halves(
        format,
        weights.map((_, i) => 1 + ((i % 17) - 8) * step),
      );
      const by = deltas.map((_, i) => sign * ((i % 89) - 44) * 0.375 * step);
      expect(bitsPerElement(near, adding(by, format.dtype)), `bits of ${format.dtype}`).toBeLessThan(4);
    }
  });

  it("survives a difference, and an end of an interval, of exactly 0", () => {
    const count = 3000;
    // every second p vanishes in p': p' − d is 0
    const weights = normals(count, 0.02).map((weight, i) => (i % 2 ? weight : 1e-30 * weight));
    const deltas = normals(count, 3, 5);
    roundTrip(weights, adding(deltas));
    for (const format of [bfloat16, float16]) {
      const one = halves(format, Float32Array.of(1))[0]!;
      // deltas that lie half a last place from p', so that the interval of p ends at 0
      const half = 2 ** -(format.fractionBits + 1);
      const ends = Float32Array.from(
        { length: count },
        (_, i) => (i % 2 ? 1 + half : 1 - half / 2) * (i % 3 ? 1 : -1),
      );
      const patterns = Uint16Array.from({ length: count }, (_, i) => (i % 5 === 0 ? one : i % 3));
      roundTrip(patterns, adding(ends, format.dtype));
      roundTrip(patterns, adding(ends.fill(1), format.dtype));
    }
  });
});

describe("what a scale parks", () => {
  it.each([0.9, 0.5000001, 1 / 3, 1e-3])("is nothing for zeros of either sign: factor %d", (factor) => {
    const zeros = new Float32Array(5000).map((_, i) => (i % 3 ? 0 : -0));
    expect(roundTrip(zeros, scaleFloat32Codec(Math.fround(factor), false)).parked).toBe(0);
    const patterns = halves(bfloat16, zeros);
    expect(roundTrip(patterns, scaleBfloat16Codec(Math.fround(factor), false)).parked).toBe(0);
  });

  it.each([0.9, 1 / 3])("does not go out of step at a zero among weights: factor %d", (factor) => {
    const weights = normals(5000, 0.02);
    const sparse = weights.map((weight, i) => (i % 7 < 3 ? (i % 2 ? 0 : -0) : weight));
    for (const plane of [false, true]) {
      roundTrip(sparse, scaleFloat32Codec(Math.fround(factor), plane));
      roundTrip(halves(bfloat16, sparse), scaleBfloat16Codec(Math.fround(factor), plane));
    }
    const dense = roundTrip(weights, scaleFloat32Codec(Math.fround(factor), false)).parked;
    const parked = roundTrip(sparse, scaleFloat32Codec(Math.fround(factor), false)).parked;
    expect(parked).toBeLessThan(0.7 * dense);
  });
});

describe("two instances of the kernels", () => {
  it.each([
    ["WASM", wasmKernels],
    ["the reference", referenceKernels],
  ])("do not disturb each other: %s", (_, make) => {
    const [mine, theirs] = [make(), make()];
    const codec = noiseCodec("float32", 0.01);
    const original = dataOf("normals", float32, 3000, 1);
    codec.begin(mine);
    const window = loadPatterns(mine, float32, original);
    const { exceptions } = codec.open(mine, 0, original.length);
    const memory = bits(new Uint8Array(mine.buffer));

    const other = halves(bfloat16, normals(40_000, 1));
    const before = bits(other);
    const busy = new Parking(other, noiseCodec("bfloat16", 0.3));
    busy.do(undefined, theirs);
    expect(bits(new Uint8Array(mine.buffer))).toBe(memory);
    expect(mine.exceptionCount()).toBe(exceptions);

    codec.close(mine, 0, original.length);
    putExceptions(mine, window, exceptions);
    expect(bits(window)).toBe(bits(original));
    undo(busy, theirs);
    expect(bits(other)).toBe(before);
  });
});

describe("what an addition parks", () => {
  it("stays small where a low-rank delta is as large as the weights", () => {
    const [rows, columns, rank] = [96, 250, 8];
    const weights = normals(rows * columns, 0.02);
    const left = normals(rows * rank, 1, 3);
    const right = normals(rank * columns, 0.02 / Math.sqrt(rank), 4);
    const codec = addCodec("float32", lowRankDeltas(left, right, rank));
    // noise of this size costs 1.07 bits
    expect(bitsPerElement(weights, codec)).toBeLessThan(1.3);
  });

  it("stays small where the noise is far below the last places of the largest weight", () => {
    const weights = normals(20_000, 0.02);
    weights[4321] = 200;
    for (const std of [1e-9, 1e-7, 1e-5]) {
      expect(bitsPerElement(weights, noiseCodec("float32", std))).toBeLessThan(0.1);
    }
  });

  it.each([bfloat16, float16])("stays small where half of the weights are zeros: $dtype", (format) => {
    const weights = normals(20_000, 0.02).map((weight, i) => (i % 2 ? weight : 0));
    const codec = noiseCodec(format.dtype, 0.01);
    expect(bitsPerElement(halves(format, weights), codec)).toBeLessThan(0.6);
  });

  it("does not count zeros as nothing where there are few", () => {
    const weights = normals(20_000, 0.02).map((weight, i) => (i % 100 ? weight : 0));
    for (const { dtype, toPattern } of [bfloat16, float16]) {
      const codec = noiseCodec(dtype, 0.01);
      expect(bitsPerElement(Uint16Array.from(weights, toPattern), codec)).toBeLessThan(1.2);
    }
  });
});

describe("NaNs", () => {
  it.each([float32, bfloat16, float16])("come back with payload and quiet bit: $dtype", (format) => {
    const patterns = dataOf("nans", format, 5000, 3);
    const data = format.bytes === 4 ? new Float32Array(patterns.buffer) : (patterns as Uint16Array);
    const scale =
      format === float32
        ? scaleFloat32Codec(Math.fround(0.9), false)
        : format === bfloat16
          ? scaleBfloat16Codec(Math.fround(0.9), false)
          : mapCodec(() => preimagesOf(65536, scaleMap("float16", 0.9)), 2, String);
    for (const codec of [scale, noiseCodec(format.dtype, 0.1)]) {
      const { shown } = roundTrip<NumericArray>(data, codec);
      const found = format.bytes === 4 ? new Int32Array(shown.buffer as ArrayBuffer) : shown;
      // What NaN it becomes is up to the engine; that it is one is not.
      for (const [i, pattern] of patterns.entries()) {
        const isNaN = Number.isNaN(format.toNumber(pattern));
        if (Number.isNaN(format.toNumber(found[i]!)) !== isNaN) expect.fail(`element ${i}`);
      }
    }
  });
});

describe("the driver", () => {
  const lengths = [0, 1, 1023, 1025, WINDOW - 1, WINDOW, WINDOW + 1, 2 * WINDOW, 2 * WINDOW + 1023];

  it.each(lengths)("goes from window to window: %d elements", (length) => {
    const weights = normals(length, 0.02);
    roundTrip(weights, scaleFloat32Codec(Math.fround(0.9), false));
    roundTrip(weights, scaleFloat32Codec(Math.fround(0.9), true));
    const { shown } = roundTrip(weights, noiseCodec("float32", 0.01));
    // Every element has the noise of its own place.
    const noise = new Float32Array(length);
    fillNoise(noise, noiseSource(2, "noise", 0.01, "float32"), 0);
    for (const [i, value] of shown.entries()) {
      if (Math.abs(value - weights[i]! - noise[i]!) > 1e-7) expect.fail(`element ${i}`);
    }
    roundTrip(halves(bfloat16, weights), noiseCodec("bfloat16", 0.01));
  });

  /** A parameter of two chunks, the second of which ends in a part of a block, with exceptions in both. */
  function twoChunks(): Float32Array {
    const weights = normals(CHUNK + 2 * WINDOW + 777, 0.02);
    for (const i of [5, WINDOW - 1, CHUNK - 1, CHUNK, CHUNK + 1030, CHUNK + WINDOW + 3, weights.length - 1]) {
      weights[i] = -0;
    }
    return weights;
  }

  it("puts exceptions back where they were, in the first chunk and in the second", () => {
    const weights = twoChunks();
    const data = weights.slice();
    const parking = new Parking(data, noiseCodec("float32", 0.01));
    parking.do(undefined, wasm);
    expect(data[CHUNK]).not.toBe(0);
    undo(parking, wasm);
    expect(bits(data)).toBe(bits(weights));
    for (const plane of [false, true]) {
      const scaling = new Parking(data, scaleFloat32Codec(Math.fround(1.1), plane));
      scaling.do(undefined, wasm);
      undo(scaling, wasm);
      expect(bits(data)).toBe(bits(weights));
    }
  });

  it("leaves windows that are lost alone, and brings back all others", () => {
    const weights = twoChunks();
    const data = weights.slice();
    const parking = new Parking(data, noiseCodec("float32", 0.01));
    parking.do(undefined, wasm);
    const window = CHUNK / WINDOW;
    data.fill(7, CHUNK, CHUNK + WINDOW);
    parking.undo({ lost: new Set([window]) }, wasm);
    expect(data.subarray(CHUNK, CHUNK + WINDOW).every((value) => value === 7)).toBe(true);
    weights.fill(7, CHUNK, CHUNK + WINDOW);
    expect(bits(data)).toBe(bits(weights));
  });

  it.each([0, WINDOW, 3 * WINDOW + 1000, CHUNK + 5000])(
    "can undo what has been done before a failure: element %d is out of range",
    (element) => {
      const tables = preimagesOf(256, scaleMap("int8", 1.5));
      const codec = mapCodec(
        () => tables,
        1,
        (pattern) => `no image of ${pattern}`,
      );
      const original = Int8Array.from({ length: element + 40_000 }, (_, i) => ((i * 31) % 160) - 80);
      original[element] = 127;
      const data = original.slice();
      const parking = new Parking(data, codec);
      const error = thrownBy(() => parking.do(undefined, wasm));
      expect((error as Error).message).toBe(`no image of 127 (element ${element})`);
      // Windows are done one after the other, each one whole or not at all.
      const done = Math.floor(element / WINDOW) * WINDOW;
      expect(bits(data.subarray(done))).toBe(bits(original.subarray(done)));
      if (done > 0) expect(bits(data)).not.toBe(bits(original));
      undo(parking, wasm);
      expect(bits(data)).toBe(bits(original));
    },
  );

  it("can undo again what has failed to be undone", () => {
    const weights = twoChunks();
    const noise = noiseCodec("float32", 0.01);
    let calls = 0;
    const failing: Codec = {
      ...noise,
      close(kernels, first, count) {
        if (++calls === CHUNK / WINDOW + 2) throw new Error("no memory");
        noise.close(kernels, first, count);
      },
    };
    const data = weights.slice();
    const parking = new Parking(data, failing);
    parking.do(undefined, wasm);
    expect(thrownBy(() => undo(parking, wasm))).toEqual(new Error("no memory"));
    expect(bits(data.subarray(0, CHUNK + WINDOW))).toBe(bits(weights.subarray(0, CHUNK + WINDOW)));
    expect(bits(data)).not.toBe(bits(weights));
    undo(parking, wasm);
    expect(bits(data)).toBe(bits(weights));
  });
});
