import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bfloat16ToNumber, numberToBfloat16 } from "../../../src/dtypes/bfloat16.ts";
import { float16ToNumber, numberToFloat16 } from "../../../src/dtypes/float16.ts";

const view = new DataView(new ArrayBuffer(8));

function float64Of(bits: bigint): number {
  view.setBigUint64(0, bits);
  return view.getFloat64(0);
}

function float64Bits(value: number): bigint {
  view.setFloat64(0, value);
  return view.getBigUint64(0);
}

/** |value| in units of 2^-1074, of which every float64 is a whole number. */
function units(value: number): bigint {
  const bits = float64Bits(value) & 0x7fffffffffffffffn;
  const exponent = bits >> 52n;
  const fraction = bits & 0xfffffffffffffn;
  return exponent === 0n ? fraction : (fraction | 0x10000000000000n) << (exponent - 1n);
}

const FORMATS = [
  { name: "float16", exponentBits: 5, fractionBits: 10, decode: float16ToNumber, encode: numberToFloat16 },
  { name: "bfloat16", exponentBits: 8, fractionBits: 7, decode: bfloat16ToNumber, encode: numberToBfloat16 },
];

describe.each(FORMATS)("$name", ({ exponentBits, fractionBits, decode, encode }) => {
  const bias = 2 ** (exponentBits - 1) - 1;
  const infinity = ((1 << exponentBits) - 1) << fractionBits;

  /** Magnitudes of the patterns 0 … infinity in units of 2^-1074; infinity stands one step above the last. */
  const magnitudes = Array.from({ length: infinity + 1 }, (_, bits) => {
    const exponent = bits >> fractionBits;
    const fraction = BigInt(bits & ((1 << fractionBits) - 1));
    const significand = exponent === 0 ? fraction : fraction | (1n << BigInt(fractionBits));
    return significand << BigInt(Math.max(exponent, 1) - bias - fractionBits + 1074);
  });

  /** Nearest pattern by comparing exact distances to both neighbours. */
  function nearest(value: number): number {
    const sign = float64Bits(value) >> 63n === 1n ? 0x8000 : 0;
    if (Math.abs(value) === Infinity) return sign | infinity;
    const exact = units(value);
    let low = 0;
    let high = infinity;
    if (exact >= magnitudes[high]!) return sign | high;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (magnitudes[middle]! <= exact) low = middle;
      else high = middle;
    }
    const down = exact - magnitudes[low]!;
    const up = magnitudes[high]! - exact;
    if (down !== up) return sign | (down < up ? low : high);
    return sign | (low % 2 === 0 ? low : high);
  }

  /** Midway between the pattern and its successor; a float64, since it has one bit more. */
  function tieAfter(bits: number): number {
    const upper = bits + 1 === infinity ? 2 ** (bias + 1) : decode(bits + 1);
    return decode(bits) + (upper - decode(bits)) / 2;
  }

  /** The bit patterns below `end` of which a claim does not hold: none, when all is well. */
  const failures = (end: number, holds: (bits: number) => boolean): number[] =>
    Array.from({ length: end }, (_, bits) => bits).filter((bits) => !holds(bits));

  it("decodes every finite pattern to its exact value and sign", () => {
    const wrong = failures(infinity, (bits) => {
      const value = decode(bits);
      return (
        units(value) === magnitudes[bits]! &&
        Object.is(decode(bits | 0x8000), -value) &&
        !Object.is(value, -0)
      );
    });
    expect(wrong).toEqual([]);
    expect(decode(infinity)).toBe(Infinity);
    expect(decode(infinity | 0x8000)).toBe(-Infinity);
  });

  it("encodes the value of every pattern to that pattern; NaN stays NaN", () => {
    const isNaNPattern = (bits: number): boolean => (bits & 0x7fff) > infinity;
    const wrong = failures(65536, (bits) => {
      const value = decode(bits);
      const back = encode(value);
      return isNaNPattern(bits) ? Number.isNaN(value) && isNaNPattern(back) : back === bits;
    });
    expect(wrong).toEqual([]);
    expect(isNaNPattern(encode(Number.NaN))).toBe(true);
    // a NaN whose payload is in the lowest bits only must not become infinity
    expect(isNaNPattern(encode(float64Of(0x7ff0000000000001n)))).toBe(true);
  });

  it("rounds ties to even after every pattern, and the float64 values beside a tie away from it", () => {
    const wrong = failures(infinity, (bits) => {
      const tie = tieAfter(bits);
      const even = bits % 2 === 0 ? bits : bits + 1;
      const before = encode(float64Of(float64Bits(tie) - 1n));
      const after = encode(float64Of(float64Bits(tie) + 1n));
      return (
        encode(tie) === even && encode(-tie) === (even | 0x8000) && before === bits && after === bits + 1
      );
    });
    expect(wrong).toEqual([]);
  });

  it("rounds any float64 to the nearest pattern", () => {
    // any bits, and sizes around the format's own range, where rounding happens
    const anyBits = fc.bigInt(0n, 2n ** 64n - 1n).map(float64Of);
    const inRange = fc
      .tuple(
        fc.boolean(),
        fc.integer({ min: -bias - fractionBits - 3, max: bias + 2 }),
        fc.bigInt(0n, 2n ** 52n - 1n),
      )
      .map(([minus, exponent, fraction]) => {
        return float64Of((minus ? 1n << 63n : 0n) | (BigInt(exponent + 1023) << 52n) | fraction);
      });
    fc.assert(
      fc.property(fc.oneof({ weight: 1, arbitrary: anyBits }, { weight: 4, arbitrary: inRange }), (value) => {
        fc.pre(!Number.isNaN(value));
        return encode(value) === nearest(value);
      }),
      { numRuns: 20_000 },
    );
  });

  it("rounds values near ties, with few bits below, to the nearest pattern", () => {
    const nearTie = fc
      .tuple(fc.nat(infinity - 1), fc.integer({ min: -4, max: 4 }), fc.integer({ min: 0, max: 40 }))
      .map(([bits, steps, shift]) =>
        float64Of(float64Bits(tieAfter(bits)) + (BigInt(steps) << BigInt(shift))),
      );
    fc.assert(
      fc.property(nearTie, (value) => encode(value) === nearest(value)),
      { numRuns: 5000 },
    );
  });

  it("differs from rounding through float32 first, which rounds twice", () => {
    const justAboveTie = 1 + 2 ** -(fractionBits + 1) + 2 ** -40;
    const one = bias << fractionBits;
    expect(encode(justAboveTie)).toBe(one + 1);
    expect(nearest(justAboveTie)).toBe(one + 1);
    expect(encode(Math.fround(justAboveTie))).toBe(one);
  });

  it("keeps the sign of zero and of what rounds to zero", () => {
    const smallest = 2 ** (1 - bias - fractionBits);
    expect(encode(0)).toBe(0);
    expect(encode(-0)).toBe(0x8000);
    expect(encode(-5e-324)).toBe(0x8000);
    expect(encode(smallest)).toBe(1);
    expect(encode(smallest / 2)).toBe(0);
    expect(encode(-smallest / 2)).toBe(0x8000);
    expect(encode(smallest * 0.5000000000000001)).toBe(1);
    expect(encode(smallest * 1.5)).toBe(2);
  });

  it("overflows to infinity from half a step beyond the largest finite value", () => {
    const largest = decode(infinity - 1);
    const edge = tieAfter(infinity - 1);
    expect(encode(largest)).toBe(infinity - 1);
    expect(encode(float64Of(float64Bits(edge) - 1n))).toBe(infinity - 1);
    expect(encode(edge)).toBe(infinity);
    expect(encode(-edge)).toBe(infinity | 0x8000);
    expect(encode(Number.MAX_VALUE)).toBe(infinity);
    expect(encode(-Infinity)).toBe(infinity | 0x8000);
  });
});

describe("float16 and the engine's own", () => {
  it("agree where the engine has one, and on known patterns everywhere", () => {
    const known: [number, number][] = [
      [1, 0x3c00],
      [-2, 0xc000],
      [65504, 0x7bff],
      [2 ** -24, 1],
      [1 / 3, 0x3555],
    ];
    for (const [value, bits] of known) expect(numberToFloat16(value)).toBe(bits);
    const native = (Math as { f16round?: (value: number) => number }).f16round;
    fc.assert(
      fc.property(fc.double({ min: -70000, max: 70000, noNaN: true }), (value) => {
        const ours = float16ToNumber(numberToFloat16(value));
        return native === undefined || Object.is(ours, native(value));
      }),
    );
  });
});

describe("bfloat16 and float32", () => {
  it("share their upper sixteen bits", () => {
    const float32 = new Float32Array(1);
    const bits32 = new Uint32Array(float32.buffer);
    const wrong = Array.from({ length: 65536 }, (_, bits) => bits).filter((bits) => {
      bits32[0] = bits << 16;
      return !Object.is(bfloat16ToNumber(bits), float32[0]);
    });
    expect(wrong).toEqual([]);
  });
});
