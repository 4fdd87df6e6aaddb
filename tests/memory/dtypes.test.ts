import { describe, expect, it } from "vitest";
import { decode, encode } from "../../src/dtypes/convert.ts";
import { bytesPerElement, type DType, type NumericArray } from "../../src/dtypes/dtype.ts";
import {
  custom,
  disable,
  interpolate,
  noise,
  planTheater,
  scale,
  surgicalTheater,
  withTheater,
} from "../../src/index.ts";
import { fillNoise, noiseSource } from "../../src/random/noise.ts";
import type { ShapedArray } from "../../src/stores/memory/record.ts";
import { anyFloats, bits } from "../support/bits.ts";
import { reversibleSum } from "../support/plain-model.ts";
import { thrownBy } from "../support/thrown.ts";

const carriers = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int32: Int32Array,
} as const;

const floats = ["float32", "float64", "float16", "bfloat16"] as const;
const integers = ["int8", "uint8", "int32"] as const;
const SIZE = 2048;

/** `SIZE` elements of any bits at all; finite ones for formats in which that is asked. */
function parameter(dtype: DType, seed: number): ShapedArray {
  const bytes = new Uint8Array(anyFloats(SIZE * 2, seed).buffer).slice(0, SIZE * bytesPerElement(dtype));
  return { data: new carriers[dtype](bytes.buffer), shape: [32, 64], dtype };
}

const valuesOf = ({ data, dtype }: ShapedArray): Float64Array => {
  const values = new Float64Array(data.length);
  decode(data, dtype, 0, data.length, values);
  return values;
};

/** What `values` are in `dtype`, NaNs all alike. */
function rounded(values: Float64Array, dtype: DType): string {
  const data = new carriers[dtype](values.length);
  encode(values, values.length, dtype, data, 0);
  return canonical({ data, shape: [], dtype });
}

function canonical(array: ShapedArray): string {
  return bits(valuesOf(array).map((value) => (Number.isNaN(value) ? NaN : value)));
}

const coefficient = (factor: number, dtype: DType): number =>
  dtype === "float64" ? factor : Math.fround(factor);

/** Noise as it reaches a parameter of that format. */
function noiseOf(dtype: (typeof floats)[number]): Float64Array {
  const deltas = new Float64Array(SIZE);
  fillNoise(deltas, noiseSource(4, "w", 0.25, dtype), 0);
  return deltas;
}

describe.each(floats)("%s", (dtype) => {
  // 16-bit formats compute in float32, as elsewhere, and round that.
  const wide = (x: number): number => (dtype === "float64" ? x : Math.fround(x));
  const sum = dtype === "float32" ? reversibleSum : (a: number, b: number): number => wide(a + b);
  const towards = parameter(dtype, 9);
  const cases = [
    { title: "scale", modification: scale(0.9), of: (x: number) => wide(x * coefficient(0.9, dtype)) },
    {
      title: "a scale near 1",
      modification: scale(0.999),
      of: (x: number) => wide(x * coefficient(0.999, dtype)),
    },
    {
      title: "noise",
      modification: noise({ std: 0.25, seed: 4 }),
      of: (x: number, i: number) => sum(x, noiseOf(dtype)[i]!),
    },
    { title: "disable", modification: disable(), of: () => 0 },
    {
      title: "interpolate",
      modification: interpolate<NumericArray>({ w: towards.data }),
      of: (_: number, i: number) => valuesOf(towards)[i]!,
    },
    {
      title: "custom",
      modification: custom<Float32Array>((w) => w.map(Math.abs), { returns: "value" }),
      of: Math.abs,
    },
  ];

  it.each(cases)(
    "shows each value as its format computes it under $title, and every bit is back after it",
    ({ modification, of }) => {
      const w = parameter(dtype, 1);
      const before = bits(w.data);
      const should = rounded(Float64Array.from(valuesOf(w), of), dtype);
      withTheater({ w }, { modification, layers: "all" }, () => {
        expect(canonical(w)).toBe(should);
      });
      expect(bits(w.data)).toBe(before);
    },
  );

  it("comes back from 1,000 cycles of everything at once", () => {
    const w = parameter(dtype, 2);
    const before = bits(w.data);
    const modification = [scale(1.1), noise({ std: 3, seed: 8 }), disable(), scale(-1)];
    for (let cycle = 0; cycle < 1000; cycle++) {
      withTheater({ w }, { modification, layers: "all" }, () => undefined);
    }
    expect(bits(w.data)).toBe(before);
  });
});

describe.each(integers)("%s", (dtype) => {
  it("is left out of a selection that does not name it, and the plan says so", () => {
    const w = parameter(dtype, 1);
    const kernel = new Float32Array(4);
    const plan = planTheater({ w, kernel }, { modification: disable(), layers: "all" });
    expect(plan.parameters.map(({ name }) => name)).toEqual(["kernel"]);
    expect(plan.leftOut).toEqual([{ name: "w", reason: "dtype" }]);
    const error = thrownBy(() => planTheater({ w }, { modification: disable(), layers: "all" }));
    expect(error).toMatchObject({ code: "no_match" });
  });

  it.each([
    { title: "disable", modification: disable(), of: () => 0 },
    { title: "scale by a half, ties to even", modification: scale(0.5), of: (x: number) => half(x) },
  ])("is modified by exact name, and every bit is back after it: $title", ({ modification, of }) => {
    const w = parameter(dtype, 3);
    const before = bits(w.data);
    const should = bits(new carriers[dtype](Array.from(w.data, of)));
    withTheater({ w }, { modification, layers: "w" }, () => expect(bits(w.data)).toBe(should));
    expect(bits(w.data)).toBe(before);
  });

  it("that cannot hold a result is an error, after everything is back", () => {
    const kernel = anyFloats(8, 1);
    const w = parameter(dtype, 4);
    const before = bits(kernel) + bits(w.data);
    const error = thrownBy(() =>
      surgicalTheater({ kernel, w }, { modification: scale(1e10), layers: ["kernel", "w"] }),
    );
    expect(error).toMatchObject({ code: "out_of_range", parameter: "w" });
    expect(bits(kernel) + bits(w.data)).toBe(before);
  });
});

function half(x: number): number {
  const below = Math.floor(x / 2);
  if (x / 2 - below !== 0.5) return Math.round(x / 2);
  return below % 2 === 0 ? below : below + 1;
}
