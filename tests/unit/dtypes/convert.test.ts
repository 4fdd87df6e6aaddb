import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bfloat16ToNumber, numberToBfloat16 } from "../../../src/dtypes/bfloat16.ts";
import { decode, encode } from "../../../src/dtypes/convert.ts";
import {
  bytesPerElement,
  integerRange,
  isFloat,
  type DType,
  type NumericArray,
} from "../../../src/dtypes/dtype.ts";
import { float16ToNumber, numberToFloat16 } from "../../../src/dtypes/float16.ts";

const ARRAYS: Record<DType, new (length: number) => NumericArray> = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int32: Int32Array,
};
const DTYPES = Object.keys(ARRAYS) as DType[];
const INTEGERS = ["int8", "uint8", "int32"] as const;

describe("dtypes", () => {
  it.each(DTYPES)("know the size and the kind of %s", (dtype) => {
    expect(bytesPerElement(dtype)).toBe(new ARRAYS[dtype](1).BYTES_PER_ELEMENT);
    expect(isFloat(dtype)).toBe(dtype.includes("float"));
  });

  it("know the integer ranges", () => {
    expect(INTEGERS.map(integerRange)).toEqual([
      [-128, 127],
      [0, 255],
      [-(2 ** 31), 2 ** 31 - 1],
    ]);
  });
});

describe("decode and encode", () => {
  it.each(DTYPES)("bring any %s window back to the same bits, and touch nothing around it", (dtype) => {
    const size = bytesPerElement(dtype);
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 16 * size, maxLength: 16 * size }),
        fc.nat(16),
        fc.nat(16),
        (b, i, j) => {
          const Carrier = ARRAYS[dtype] as unknown as new (buffer: ArrayBuffer) => NumericArray;
          const data = new Carrier(b.slice().buffer);
          const [from, to] = i < j ? [i, j] : [j, i];
          const values = new Float64Array(17).fill(7);
          decode(data, dtype, from, to, values);
          expect(values.subarray(to - from).every((value) => value === 7)).toBe(true);
          // NaN bits are not promised
          fc.pre(!values.some(Number.isNaN));
          const copy = new Carrier(b.slice().buffer);
          copy.fill(0, from, to);
          encode(values, to - from, dtype, copy, from);
          expect(Buffer.from(copy.buffer).equals(Buffer.from(data.buffer))).toBe(true);
        },
      ),
    );
  });

  it.each([
    ["float16", float16ToNumber, numberToFloat16],
    ["bfloat16", bfloat16ToNumber, numberToBfloat16],
  ] as const)("agree with the single-number functions on every %s pattern", (dtype, toNumber, toBits) => {
    const data = Uint16Array.from({ length: 65536 }, (_, bits) => bits);
    const values = new Float64Array(65536);
    decode(data, dtype, 0, 65536, values);
    expect(values.every((value, bits) => Object.is(value, toNumber(bits)))).toBe(true);
    // just beside the values: rounding, not only exact numbers
    const beside = values.map((value) => value * (1 + 2 ** -30));
    encode(beside, 65536, dtype, data, 0);
    expect(data.every((bits, i) => bits === toBits(beside[i]!))).toBe(true);
  });

  it("round to float32 once, to nearest even", () => {
    const data = new Float32Array(4);
    encode(
      Float64Array.of(1 + 2 ** -24, 1 + 3 * 2 ** -24, 1 + 2 ** -24 + 2 ** -50, 1e39),
      4,
      "float32",
      data,
      0,
    );
    expect([...data]).toEqual([1, 1 + 2 ** -22, 1 + 2 ** -23, Infinity]);
  });

  it("keep -0 in the floating-point formats", () => {
    for (const dtype of DTYPES.filter(isFloat)) {
      const data = new ARRAYS[dtype](1);
      const values = Float64Array.of(-0);
      encode(values, 1, dtype, data, 0);
      values[0] = 1;
      decode(data, dtype, 0, 1, values);
      expect(Object.is(values[0], -0)).toBe(true);
    }
  });

  it("work on shared memory", () => {
    const data = new Int8Array(new SharedArrayBuffer(2));
    encode(Float64Array.of(-3, 4), 2, "int8", data, 0);
    const values = new Float64Array(2);
    decode(data, "int8", 0, 2, values);
    expect([...values]).toEqual([-3, 4]);
  });
});

describe("integer formats", () => {
  it("round half to even", () => {
    const data = new Int8Array(9);
    encode(
      Float64Array.of(0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 2.4999999999999996, 0.49999999999999994, -0),
      9,
      "int8",
      data,
      0,
    );
    expect([...data]).toEqual([0, 2, 2, 0, -2, -2, 2, 0, 0]);
  });

  it.each(INTEGERS)("hold what rounds into the range of %s and refuse what does not", (dtype) => {
    const [smallest, largest] = integerRange(dtype);
    const data = new ARRAYS[dtype](2);
    // the ends: both bounds are one odd and one even number, so their outer halves round differently
    encode(Float64Array.of(smallest - 0.5, largest + 0.25), 2, dtype, data, 0);
    expect([...data]).toEqual([smallest, largest]);
    for (const value of [
      smallest - 1,
      smallest - 0.75,
      largest + 0.5,
      largest + 1,
      1e300,
      -Infinity,
      Number.NaN,
    ]) {
      expect(() => encode(Float64Array.of(value), 1, dtype, data, 0)).toThrow(RangeError);
    }
    expect([...data]).toEqual([smallest, largest]);
  });

  it("name the value and the element, and write nothing of a refused window", () => {
    const data = Int8Array.of(1, 2, 3, 4);
    expect(() => encode(Float64Array.of(9, 9, 128), 3, "int8", data, 1)).toThrow(
      "int8 cannot hold 128 (element 3): its values are -128 to 127",
    );
    expect(() => encode(Float64Array.of(9, Number.NaN), 2, "uint8", new Uint8Array(2), 0)).toThrow(
      /NaN \(element 1\)/,
    );
    expect([...data]).toEqual([1, 2, 3, 4]);
  });
});

describe("wrong calls", () => {
  it("are refused when the array does not carry the format", () => {
    const out = new Float64Array(1);
    expect(() => decode(new Float32Array(1), "float16", 0, 1, out)).toThrow(
      new TypeError("float16 elements are carried by a Uint16Array, got a Float32Array"),
    );
    expect(() => encode(out, 1, "int8", new Uint8Array(1), 0)).toThrow(TypeError);
    expect(() => encode(out, 1, "uint8", new Uint8ClampedArray(1) as unknown as Uint8Array, 0)).toThrow(
      TypeError,
    );
  });

  it.each([
    [-1, 1],
    [2, 1],
    [0, 5],
    [0.5, 1],
    [0, 3],
  ])("are refused for elements %d to %d of four, decoded into two", (from, to) => {
    expect(() => decode(new Float32Array(4), "float32", from, to, new Float64Array(2))).toThrow(RangeError);
  });

  it("are refused when encoding beyond either array", () => {
    expect(() => encode(new Float64Array(2), 3, "float32", new Float32Array(9), 0)).toThrow(RangeError);
    expect(() => encode(new Float64Array(2), 2, "float32", new Float32Array(2), 1)).toThrow(RangeError);
  });
});
