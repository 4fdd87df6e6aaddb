import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { planTheater, scale } from "../../src/index.ts";
import {
  decodeBlocks,
  decodeQuantized,
  encodeQuantized,
  type KQuantBlocks,
  quantizedBytes,
  type QuantizedFormat,
  quantizedFormats,
  type QuantizedParameter,
  UnsupportedError,
} from "../../src/quantized.ts";
import { arraysOf } from "../../src/quantized/parameter.ts";
import { bits, smallFloats } from "../support/bits.ts";

interface Case {
  readonly shape: readonly number[];
  readonly options: {
    readonly format: QuantizedFormat;
    readonly blockSize?: number;
    readonly nested?: boolean;
  };
}

/** Shapes that each format can have, and every option. */
const cases: fc.Arbitrary<Case> = fc
  .record({
    format: fc.constantFrom(...quantizedFormats),
    rows: fc.integer({ min: 1, max: 30 }),
    columns: fc.integer({ min: 1, max: 30 }),
    blockSize: fc.constantFrom(32, 64, 128, 1024, 4096),
    nested: fc.boolean(),
  })
  .map(({ format, rows, columns, blockSize, nested }) => {
    if (format.startsWith("gguf-")) return { shape: [rows, 32 * columns], options: { format } };
    if (format === "bnb-int8") return { shape: [rows, columns], options: { format } };
    return { shape: [rows, 40 * columns, 3], options: { format, blockSize, nested } };
  });

const sizeOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

const bytesOf = (parameter: QuantizedParameter): number =>
  arraysOf(parameter).reduce((sum, { byteLength }) => sum + byteLength, 0);

describe("encoding", () => {
  it("makes what was promised: as many bytes, for a theater too", () => {
    const check = ({ shape, options }: Case): void => {
      const parameter = encodeQuantized(smallFloats(sizeOf(shape), 1), shape, options);
      const bytes = quantizedBytes(shape, options);
      expect(bytesOf(parameter)).toBe(bytes);
      const plan = planTheater({ parameter }, { modification: scale(0.5), layers: "all" });
      expect(plan.targetBytes).toBe(bytes);
    };
    fc.assert(fc.property(cases, check), { numRuns: 100 });
  });

  it("is the same from values that are not in memory", () => {
    const check = ({ shape, options }: Case): void => {
      const values = smallFloats(sizeOf(shape), 2);
      let next = 0;
      const parameter = encodeQuantized(
        (first, out) => {
          expect(first).toBe(next);
          next += out.length;
          out.set(values.subarray(first, next));
        },
        shape,
        options,
      );
      expect(next).toBe(values.length);
      expect(parameter).toEqual(encodeQuantized(values, shape, options));
    };
    fc.assert(fc.property(cases, check), { numRuns: 100 });
  });

  it("asks for a few rows or blocks at a time", () => {
    let largest = 0;
    encodeQuantized((_, out) => void (largest = Math.max(largest, out.byteLength)), [64, 8192], {
      format: "bnb-int8",
    });
    expect(largest).toBe(65_536);
  });

  it("is near: Q8_0 within half a step, and half a rounding of its scale", () => {
    const values = smallFloats(4096, 3);
    const decoded = decodeQuantized(encodeQuantized(values, [64, 64], { format: "gguf-q8_0" }));
    // |scale| is at most 1/3 / 127. Rounding it to float16 moves a code of 127 by 127 * 2^-11 scales at most.
    for (const [i, value] of values.entries()) {
      expect(Math.abs(decoded[i]! - value)).toBeLessThanOrEqual(((1 / 3 / 127) * (1 + 127 / 1024)) / 2);
    }
  });

  it("quantizes nested scales less their mean", () => {
    const values = new Float32Array(192);
    for (const [i, largest] of [2, 1, 0.5].entries()) values[64 * i] = largest;
    const { absmax } = encodeQuantized(values, [192], { format: "bnb-nf4", nested: true });
    if (absmax instanceof Float32Array) throw new Error("not nested");
    expect([absmax.offset[0], bits(absmax.codes), bits(absmax.absmax)]).toEqual([
      1.1666666269302368,
      "ff380e",
      "5655553f",
    ]);
  });

  it("gives arrays of its own", () => {
    const shape = [1, 32];
    const a = encodeQuantized(new Float32Array(32).fill(1), shape, { format: "bnb-nf4", nested: true });
    const b = encodeQuantized(new Float32Array(32).fill(1), shape, { format: "bnb-nf4", nested: true });
    shape[0] = 7;
    expect(a.shape).toEqual([1, 32]);
    if (a.absmax instanceof Float32Array || b.absmax instanceof Float32Array) throw new Error("not nested");
    expect(a.absmax.map).not.toBe(b.absmax.map);
  });

  it.each([
    [
      "a K-quant",
      [1, 256],
      { format: "gguf-q4_k" },
      UnsupportedError,
      /"gguf-q4_k" is not supported\. It can be decoded/,
    ],
    [
      "a format that is not known",
      [1, 32],
      { format: "gguf-q8_1" },
      UnsupportedError,
      /Did you mean "gguf-q8_0"/,
    ],
    [
      "another quantization",
      [1, 32],
      { format: "gptq" },
      UnsupportedError,
      /"gptq" is not supported.*Supported: bnb-int8/,
    ],
    [
      "an unknown option",
      [1, 32],
      { format: "bnb-nf4", blocksize: 64 },
      TypeError,
      /Did you mean "blockSize"/,
    ],
    [
      "options of another format",
      [1, 32],
      { format: "gguf-q8_0", nested: true },
      TypeError,
      /bnb-nf4 and bnb-fp4/,
    ],
    ["a block size of 48", [1, 32], { format: "bnb-nf4", blockSize: 48 }, RangeError, /power of two from 32/],
    ["nested that is no boolean", [1, 32], { format: "bnb-nf4", nested: 1 }, TypeError, /true or false/],
    ["one dimension for int8", [32], { format: "bnb-int8" }, RangeError, /\[outputs, inputs\]/],
    ["rows of half a block", [2, 16], { format: "gguf-q4_0" }, RangeError, /multiple of 32/],
    ["a shape of another size", [2, 32], { format: "bnb-nf4" }, RangeError, /needs 64 values, got 32/],
    ["a size of 0", [0, 32], { format: "bnb-nf4" }, RangeError, /positive integers/],
    ["sizes that overflow", [2 ** 30, 2 ** 30], { format: "bnb-nf4" }, RangeError, /positive integers/],
    ["no shape", undefined, { format: "bnb-nf4" }, RangeError, /positive integers/],
  ])("refuses %s", (_, shape, options, kind, message) => {
    const encode = (): unknown => encodeQuantized(new Float32Array(32), shape as never, options as never);
    expect(encode).toThrow(kind);
    expect(encode).toThrow(message);
  });

  it.each(quantizedFormats)(
    "refuses values that are not finite, and what scales cannot reach: %s",
    (format) => {
      const encode = (value: number): unknown => {
        const values = smallFloats(64, 1);
        values[40] = value;
        return encodeQuantized(values, [2, 32], { format });
      };
      for (const value of [NaN, Infinity, -Infinity]) {
        expect(() => encode(value)).toThrow(`element 40 is ${value}`);
      }
      if (format === "bnb-nf4" || format === "bnb-fp4") encode(3e38);
      else expect(() => encode(3e38)).toThrow(/float16/);
    },
  );

  it("refuses values of another kind", () => {
    const options = { format: "bnb-nf4" } as const;
    expect(() => encodeQuantized([1, 2] as never, [2], options)).toThrow(/Float32Array or a function/);
    expect(() => encodeQuantized(Float64Array.of(1, 2) as never, [2], options)).toThrow(TypeError);
  });
});

describe("sizes", () => {
  it.each([
    [[4096, 4096], { format: "bnb-int8" }, 16_777_216 + 16_384],
    [[4096, 4096], { format: "bnb-nf4" }, 8_388_608 + 1_048_576],
    [[4096, 4096], { format: "bnb-fp4", blockSize: 4096 }, 8_388_608 + 16_384],
    [[4096, 4096], { format: "bnb-nf4", nested: true }, 8_388_608 + 262_144 + 4096 + 4],
    [[3, 1], { format: "bnb-nf4" }, 2 + 4],
    [[4096, 4096], { format: "gguf-q8_0" }, 524_288 * 34],
    [[4096, 4096], { format: "gguf-q4_0" }, 524_288 * 18],
    [[2, 256], { format: "gguf-q4_k" }, 288],
    [[2, 256], { format: "gguf-q6_k" }, 420],
  ] as const)("of %j as %j are known before anything is made", (shape, options, bytes) => {
    expect(quantizedBytes(shape, options)).toBe(bytes);
  });

  it("are refused for what cannot be", () => {
    expect(() => quantizedBytes([2, 32], { format: "gguf-q4_k" })).toThrow(/multiple of 256/);
    expect(() => quantizedBytes([2, 32], { format: "Q5_K" as never })).toThrow(UnsupportedError);
  });
});

describe("decoding", () => {
  it("some blocks gives the same as all of them", () => {
    const check = ({ shape, options }: Case): void => {
      const parameter = encodeQuantized(smallFloats(sizeOf(shape), 4), shape, options);
      const all = decodeQuantized(parameter);
      const { format, blockSize } = { blockSize: 64, ...options };
      const block = format === "bnb-int8" ? shape[1]! : format.startsWith("bnb") ? blockSize : 32;
      for (let first = 0; first < all.length; first += 3 * block) {
        const part = new Float32Array(Math.min(3 * block, all.length - first));
        decodeBlocks(parameter, first, part);
        expect(bits(part)).toBe(bits(all.subarray(first, first + part.length)));
      }
    };
    fc.assert(fc.property(cases, check), { numRuns: 50 });
  });

  it("parts of blocks is refused", () => {
    const parameter = encodeQuantized(smallFloats(150, 1), [150], { format: "bnb-nf4" });
    decodeBlocks(parameter, 128, new Float32Array(22));
    for (const [first, count] of [
      [1, 64],
      [0, 63],
      [128, 21],
      [128, 64],
      [-64, 64],
      [192, 0],
      [NaN, 64],
    ] as const) {
      expect(() => decodeBlocks(parameter, first, new Float32Array(count))).toThrow(
        /whole blocks of 64, of 150/,
      );
    }
    const blocks: KQuantBlocks = { format: "gguf-q6_k", shape: [256], blocks: new Uint8Array(210) };
    expect(() => decodeBlocks(blocks, 128, new Float32Array(128))).toThrow(/whole blocks of 256/);
  });

  it("what does not fit is refused", () => {
    const parameter = encodeQuantized(smallFloats(64, 1), [64], { format: "bnb-nf4" });
    expect(() => decodeQuantized({ ...parameter, codes: new Uint8Array(31) })).toThrow(
      /must have 32 elements/,
    );
    expect(() => decodeQuantized({ ...parameter, format: "bnb-nf5" as never })).toThrow(UnsupportedError);
    expect(() => decodeQuantized({ format: "gguf-q4_k", shape: [256], blocks: new Uint8Array(143) })).toThrow(
      /must have 144 elements/,
    );
  });
});
