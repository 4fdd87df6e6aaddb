/**
 * Any step on any data: both sets of kernels show the same bits, the right ones, park the same, and bring every bit back.
 * `npm run fuzz` takes 100,000 runs; FUZZ_RUNS says how many, FUZZ_SEED which.
 */
import * as fc from "fast-check";
import { expect, it } from "vitest";
import { fillNoise, noiseSource } from "../../../src/random/noise.ts";
import { addCodec, lowRankDeltas, noiseDeltas, valueDeltas } from "../../../src/reversible/add.ts";
import type { Codec } from "../../../src/reversible/codec.ts";
import { mostParked } from "../../../src/reversible/estimate.ts";
import type { Kernels } from "../../../src/reversible/kernels.ts";
import { applyCodec, Parking } from "../../../src/reversible/park.ts";
import { mapCodec, preimagesOf, scaleMap } from "../../../src/reversible/preimages.ts";
import { referenceKernels } from "../../../src/reversible/reference.ts";
import { scaleBfloat16Codec, scaleEachCodec, scaleFloat32Codec } from "../../../src/reversible/scale.ts";
import { wasmKernels } from "../../../src/reversible/wasm.ts";
import type { NumericArray } from "../../../src/dtypes/dtype.ts";
import {
  add16,
  bfloat16,
  type DataKind,
  dataKinds,
  dataOf,
  float16,
  float32,
  float32ToNumber,
  type Format,
  multiply,
  numberToFloat32,
  type Patterns,
} from "../../support/patterns.ts";

const runs = Number(process.env["FUZZ_RUNS"] ?? 4000);
const seed = Number(process.env["FUZZ_SEED"] ?? 1);

/** What all runs use, one after the other, whatever the one before has left in their memory. */
const wasm = wasmKernels();
const reference = referenceKernels();

/** Deltas of a run: a name for it, and what it needs. */
type Addend =
  | { readonly kind: "noise"; readonly exponent: number }
  | { readonly kind: "lowRank"; readonly rank: number; readonly columns: number; readonly factors: DataKind }
  | { readonly kind: "values"; readonly values: DataKind };

type Operation =
  | { readonly kind: "scale"; readonly factor: number; readonly plane: boolean }
  | { readonly kind: "each"; readonly exponents: number; readonly plane: boolean }
  | Addend;

/** A run, small enough to be read in a failure. */
interface Run {
  readonly format: Format | undefined;
  readonly data: DataKind;
  readonly length: number;
  readonly offset: number;
  readonly seed: number;
  readonly operation: Operation;
}

// ---- Runs ----

const lengths = fc.oneof(
  { arbitrary: fc.constantFrom(0, 1, 3), weight: 2 },
  { arbitrary: fc.constantFrom(1023, 1024, 1025), weight: 12 },
  { arbitrary: fc.nat(3000), weight: 4 },
  { arbitrary: fc.constant(5000), weight: 2 },
  { arbitrary: fc.constantFrom(16384, 16385, 32768, 32769, 40000), weight: 1 },
);

/** Of powers of ten, from −`most` to `most`. */
const decades = (most: number): fc.Arbitrary<number> => fc.double({ min: -most, max: most, noNaN: true });

const factors = fc.oneof(
  fc.tuple(decades(4), fc.constantFrom(1, -1)).map(([exponent, sign]) => sign * 10 ** exponent),
  fc.tuple(fc.integer({ min: -12, max: 12 }), fc.constantFrom(1, -1)).map(([n, sign]) => sign * 2 ** n),
);

const kinds = fc.constantFrom(...dataKinds);

const scales: fc.Arbitrary<Operation> = fc.record({
  kind: fc.constant("scale" as const),
  factor: factors.map(Math.fround),
  plane: fc.boolean(),
});
const each: fc.Arbitrary<Operation> = fc.record({
  kind: fc.constant("each" as const),
  exponents: fc.double({ min: 0, max: 4, noNaN: true }),
  plane: fc.boolean(),
});
const addends: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({
    kind: fc.constant("noise" as const),
    exponent: fc.oneof(fc.double({ min: -30, max: 20, noNaN: true }), decades(3)),
  }),
  fc.record({
    kind: fc.constant("lowRank" as const),
    rank: fc.integer({ min: 1, max: 8 }),
    columns: fc.constantFrom(1, 3, 7, 61, 257, 1021, 4099),
    factors: kinds,
  }),
  fc.record({ kind: fc.constant("values" as const), values: kinds }),
);

/** Formats and what can be done to them; undefined is int8. */
const subjects = fc.oneof(
  { arbitrary: fc.tuple(fc.constant(float32), fc.oneof(scales, each, addends)), weight: 5 },
  { arbitrary: fc.tuple(fc.constant(bfloat16), fc.oneof(scales, addends)), weight: 4 },
  { arbitrary: fc.tuple(fc.constant(float16), addends), weight: 4 },
  { arbitrary: fc.tuple(fc.constantFrom(float16, undefined), scales), weight: 1 },
);

const anyRun: fc.Arbitrary<Run> = fc
  .record({
    subject: subjects,
    data: kinds,
    length: lengths,
    offset: fc.integer({ min: 1, max: 7 }),
    seed: fc.nat(),
  })
  .map(({ subject: [format, operation], ...rest }) => ({ format, operation, ...rest }));

// ---- What a run does ----

/** Elements of a run in the middle of a larger buffer, at an odd offset. */
interface Place {
  readonly data: NumericArray;
  readonly all: Uint8Array;
}

const MARGIN = 64;

function place({ format, offset }: Run, original: Uint8Array): Place {
  const size = format?.bytes ?? 1;
  const begin = MARGIN + size * (2 * offset - 1);
  const all = new Uint8Array(begin + original.length + MARGIN).fill(0xa5);
  all.set(original, begin);
  const Carrier = format === undefined ? Int8Array : size === 4 ? Float32Array : Uint16Array;
  return { data: new Carrier(all.buffer, begin, original.length / size), all };
}

/** The original: of int8, small numbers, so that products are in range more often than not. */
function originalOf({ format, data, length, seed }: Run): Uint8Array {
  const patterns = dataOf(data, format ?? bfloat16, length, seed);
  if (format !== undefined) return new Uint8Array(patterns.buffer);
  return Uint8Array.from(patterns, (pattern) => ((pattern & 0xff) << 24) >> (24 + (seed & 7)));
}

function lowRankFactors(run: Run, { rank, columns, factors }: Addend & { kind: "lowRank" }): Float32Array[] {
  const rows = Math.ceil(run.length / columns);
  return [rows * rank, rank * columns].map(
    (size, i) => new Float32Array(dataOf(factors, float32, size, run.seed + 1 + i).buffer),
  );
}

/** left · right, element by element. */
function lowRankProduct(
  { length }: Run,
  { rank, columns }: { rank: number; columns: number },
  [left, right]: Float32Array[],
): Float32Array {
  return Float32Array.from({ length }, (_, element) => {
    const row = Math.floor(element / columns);
    const product = (k: number): number =>
      Math.fround(left![row * rank + k]! * right![k * columns + (element % columns)]!);
    let sum = product(0);
    for (let k = 1; k < rank; k++) sum = Math.fround(sum + product(k));
    return sum;
  });
}

/** A codec of an addition, and the deltas that it is to add. */
function addition(run: Run, addend: Addend): { codec: Codec; deltas: Float32Array } {
  const { dtype } = run.format!;
  switch (addend.kind) {
    case "noise": {
      const source = noiseSource(run.seed, "fuzz", 10 ** addend.exponent, dtype);
      const deltas = new Float32Array(run.length);
      fillNoise(deltas, source, 0);
      return { codec: addCodec(dtype, noiseDeltas(source)), deltas };
    }
    case "lowRank": {
      const [left, right] = lowRankFactors(run, addend);
      const codec = addCodec(dtype, lowRankDeltas(left!, right!, addend.rank));
      return { codec, deltas: lowRankProduct(run, addend, [left!, right!]) };
    }
    case "values": {
      const deltas = new Float32Array(dataOf(addend.values, float32, run.length, run.seed + 1).buffer);
      const read = (first: number, out: Float32Array): void =>
        out.set(deltas.subarray(first, first + out.length));
      return { codec: addCodec(dtype, valueDeltas(read)), deltas };
    }
  }
}

/** Whether p' is p + d: exactly in 16 bits, within 1 ulp of the rounded sum in float32. Any NaN is as good as another. */
function isSum(format: Format, shown: number, expected: number): boolean {
  const [is, wanted] = [format.toNumber(shown), format.toNumber(expected)];
  if (Number.isNaN(wanted)) return Number.isNaN(is);
  if (format.bytes === 2 || !Number.isFinite(wanted)) return shown === expected;
  const ordered = (pattern: number): number => (pattern < 0 ? -(pattern & 0x7fffffff) : pattern);
  return Number.isFinite(is) && Math.abs(ordered(shown) - ordered(expected)) <= 1;
}

type IsRight = (shown: number, expected: number) => boolean;

/** What a run does, what it should show, and how near that must be. */
interface Plan {
  readonly codec: Codec;
  readonly expected: Patterns;
  readonly isRight: IsRight;
}

function planAddition(run: Run, addend: Addend, original: Patterns): Plan {
  const format = run.format!;
  const { codec, deltas } = addition(run, addend);
  const expected = original.slice();
  if (format.bytes === 2) add16(format, original, deltas, expected);
  else
    for (const [i, p] of original.entries()) expected[i] = numberToFloat32(float32ToNumber(p) + deltas[i]!);
  return { codec, expected, isRight: (shown, wanted) => isSum(format, shown, wanted) };
}

/** Factors that differ from element to element. */
function planEach(run: Run, { exponents, plane }: Operation & { kind: "each" }, original: Patterns): Plan {
  const each = Float32Array.from(
    { length: 37 },
    (_, i) => 10 ** (exponents * Math.sin(i + run.seed)) * (i % 3 ? 1 : -1),
  );
  const sizes = each.map(Math.abs);
  const expected = original.slice();
  for (const [i, p] of original.entries()) expected[i] = numberToFloat32(float32ToNumber(p) * each[i % 37]!);
  const fill = (first: number, out: Float32Array): void => {
    for (let i = 0; i < out.length; i++) out[i] = each[(first + i) % 37]!;
  };
  const codec = scaleEachCodec(fill, Math.min(...sizes), Math.max(...sizes), plane);
  return { codec, expected, isRight: isSameNumber(float32) };
}

function isSameNumber({ toNumber }: Format): IsRight {
  return (shown, wanted) =>
    shown === wanted || (Number.isNaN(toNumber(shown)) && Number.isNaN(toNumber(wanted)));
}

function planScale({ format }: Run, factor: number, plane: boolean, original: Patterns): Plan {
  const expected = original.slice();
  multiply(format!, original, factor, expected);
  const isRight = isSameNumber(format!);
  if (format === float16) {
    const tables = preimagesOf(65536, scaleMap("float16", factor));
    return { codec: mapCodec(() => tables, 2, String), expected, isRight };
  }
  const codec = (format === float32 ? scaleFloat32Codec : scaleBfloat16Codec)(factor, plane);
  return { codec, expected, isRight };
}

function planOf(run: Run, original: Patterns): Plan {
  const { operation } = run;
  if (operation.kind === "scale") return planScale(run, operation.factor, operation.plane, original);
  if (operation.kind === "each") return planEach(run, operation, original);
  return planAddition(run, operation, original);
}

// ---- Checks ----

function patternsOf({ buffer, byteOffset, length }: NumericArray, { bytes }: Format): Patterns {
  const memory = buffer as ArrayBuffer;
  return bytes === 4
    ? new Int32Array(memory, byteOffset, length)
    : new Uint16Array(memory, byteOffset, length);
}

function expectSameBytes(found: Uint8Array, expected: Uint8Array, what: string): void {
  for (const [i, byte] of expected.entries()) {
    if (found[i] !== byte) expect.fail(`${what}: byte ${i} is ${found[i]}, not ${byte}`);
  }
}

function expectShown(found: Patterns, expected: Patterns, isRight: IsRight, what: string): void {
  for (const [i, wanted] of expected.entries()) {
    if (isRight(found[i]!, wanted)) continue;
    expect.fail(`${what}: element ${i} is ${found[i]!.toString(16)}, not ${wanted.toString(16)}`);
  }
}

/** Opens and closes with one set of kernels. @returns what was shown, and how much was parked */
function roundTrip(
  run: Run,
  codec: Codec,
  original: Uint8Array,
  kernels: Kernels,
): { shown: NumericArray; parked: number } {
  const { data, all } = place(run, original);
  const before = all.slice();
  const parking = new Parking(data, codec);
  parking.do(undefined, kernels);
  const shown = data.slice() as NumericArray;
  const parked = parking.bytes;
  expect(parked, `parked by ${kernels.name}`).toBeLessThanOrEqual(mostParked(data));
  parking.undo({ lost: new Set() }, kernels);
  expectSameBytes(all, before, `back by ${kernels.name}`);
  return { shown, parked };
}

function checkFloats(run: Run): void {
  const format = run.format!;
  const original = originalOf(run);
  const plan = planOf(run, patternsOf(place(run, original).data, format));
  const [first, second] = [wasm, reference].map((kernels) => roundTrip(run, plan.codec, original, kernels));
  const shown = patternsOf(first!.shown, format);
  expectShown(shown, plan.expected, plan.isRight, "shown by WASM");
  expectShown(patternsOf(second!.shown, format), shown, isSameNumber(format), "shown by the reference");
  expect(second!.parked, "parked by the reference").toBe(first!.parked);
  const { data } = place(run, original);
  applyCodec(data, plan.codec, wasm);
  expectShown(patternsOf(data, format), shown, isSameNumber(format), "applied");
}

/** int8: shows the rounded products, or refuses and changes nothing for good. */
function checkInt8(run: Run): void {
  const { factor } = run.operation as Operation & { kind: "scale" };
  const forward = scaleMap("int8", factor);
  const tables = preimagesOf(256, forward);
  const codec = mapCodec(() => tables, 1, String);
  const original = originalOf(run);
  if (original.every((pattern) => forward(pattern) !== undefined)) {
    const { shown } = roundTrip(run, codec, original, wasm);
    expectSameBytes(
      new Uint8Array(shown.buffer),
      original.map((pattern) => forward(pattern)!),
      "shown",
    );
    return;
  }
  const { data, all } = place(run, original);
  const before = all.slice();
  const parking = new Parking(data, codec);
  expect(() => parking.do(undefined, wasm)).toThrow(RangeError);
  parking.undo({ lost: new Set() }, wasm);
  expectSameBytes(all, before, "back after a failure");
}

it(
  `every step on every data, ${runs} runs`,
  () => {
    const property = fc.property(anyRun, (run) =>
      run.format === undefined ? checkInt8(run) : checkFloats(run),
    );
    fc.assert(property, { numRuns: runs, seed });
  },
  30_000 + 20 * runs,
);
