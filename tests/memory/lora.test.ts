/** Low-rank adapters on typed arrays: what is visible, what comes back, and factors that do not fit. */
import { describe, expect, it } from "vitest";
import { decode, encode } from "../../src/dtypes/convert.ts";
import type { NumericArray } from "../../src/dtypes/dtype.ts";
import { lora, type ModificationError, surgicalTheater, withTheater } from "../../src/index.ts";
import type { ShapedArray } from "../../src/stores/memory/record.ts";
import { bits, smallFloats } from "../support/bits.ts";
import { thrownBy } from "../support/thrown.ts";

const layouts = ["outIn", "inOut"] as const;
type Layout = (typeof layouts)[number];

const OUTPUTS = 3;
const INPUTS = 4;
const RANK = 2;
const ALPHA = 3;

/** A parameter of 3 outputs and 4 inputs. */
function kernel(data: NumericArray, dtype: ShapedArray["dtype"], layout: Layout): ShapedArray {
  return { data, shape: layout === "outIn" ? [OUTPUTS, INPUTS] : [INPUTS, OUTPUTS], dtype };
}

interface Factors {
  readonly a: NumericArray;
  readonly b: NumericArray;
}

/** `alpha / loraRank · b · a` in the parameter's order, in float64. */
function exactDelta({ a, b }: Factors, layout: Layout): number[] {
  const delta: number[] = [];
  const [rows, columns] = layout === "outIn" ? [OUTPUTS, INPUTS] : [INPUTS, OUTPUTS];
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const [output, input] = layout === "outIn" ? [row, column] : [column, row];
      let sum = 0;
      for (let k = 0; k < RANK; k++) sum += b[output * RANK + k]! * a[k * INPUTS + input]!;
      delta.push((ALPHA / RANK) * sum);
    }
  }
  return delta;
}

/** The same in float32: the left factor is scaled first, and each product and each sum is rounded. */
function roundedDelta({ a, b }: Factors, layout: Layout): number[] {
  const delta: number[] = [];
  const scaled = (value: number): number => Math.fround(Math.fround(ALPHA / RANK) * value);
  const [rows, columns] = layout === "outIn" ? [OUTPUTS, INPUTS] : [INPUTS, OUTPUTS];
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      let sum: number | undefined;
      for (let k = 0; k < RANK; k++) {
        const [left, right] =
          layout === "outIn"
            ? [b[row * RANK + k]!, a[k * INPUTS + column]!]
            : [a[k * INPUTS + row]!, b[column * RANK + k]!];
        const product = Math.fround(scaled(left) * right);
        sum = sum === undefined ? product : Math.fround(sum + product);
      }
      delta.push(sum!);
    }
  }
  return delta;
}

/** Distance from a float32 to the next one away from zero. */
function ulp(value: number): number {
  const next = Float32Array.of(Math.abs(value));
  new Uint32Array(next.buffer)[0]!++;
  return next[0]! - Math.abs(value);
}

/** Integers, so that every product and every sum is exact in every format. */
const small: Factors = {
  a: Float32Array.of(1, -2, 3, 0, 2, 4, -6, 8),
  b: Float32Array.of(2, 0, -4, 6, 8, 2),
};
const counted = Float32Array.from({ length: OUTPUTS * INPUTS }, (_, i) => i - 5);

/** Factors and weights of ordinary sizes. */
const ordinary: Factors = { a: smallFloats(RANK * INPUTS, 1), b: smallFloats(OUTPUTS * RANK, 2) };
const weights = smallFloats(OUTPUTS * INPUTS, 3);

describe.each(layouts)("lora on a parameter of layout %s", (layout) => {
  const of = ({ a, b }: Factors) => lora({ w: { a, b } }, { alpha: ALPHA, loraRank: RANK, layout });

  it.each(["float32", "float64", "float16", "bfloat16"] as const)(
    "shows the exact sum where there is nothing to round: %s",
    (dtype) => {
      const carrier = {
        float32: Float32Array,
        float64: Float64Array,
        float16: Uint16Array,
        bfloat16: Uint16Array,
      };
      const data = new carrier[dtype](counted.length);
      encode(Float64Array.from(counted), counted.length, dtype, data, 0);
      const before = bits(data);
      const own = dtype === "float64" ? Float64Array : Float32Array;
      const factors = { a: own.from(small.a), b: own.from(small.b) };
      const shown = withTheater({ w: kernel(data, dtype, layout) }, { modification: of(factors) }, () => {
        const values = new Float64Array(data.length);
        decode(data, dtype, 0, data.length, values);
        return [...values];
      });
      const delta = exactDelta(small, layout);
      expect(shown).toEqual([...counted].map((value, i) => value + delta[i]!));
      expect(bits(data)).toBe(before);
    },
  );

  it("shows the rounded sum of the float32 product, within one unit of the last place", () => {
    const data = weights.slice();
    const shown = withTheater({ w: kernel(data, "float32", layout) }, { modification: of(ordinary) }, () =>
      data.slice(),
    );
    const delta = roundedDelta(ordinary, layout);
    for (const [i, value] of shown.entries()) {
      const sum = Math.fround(weights[i]! + delta[i]!);
      expect(Math.abs(value - sum), `element ${i}`).toBeLessThanOrEqual(ulp(sum));
      expect(value).not.toBe(weights[i]);
    }
    expect(bits(data)).toBe(bits(weights));
  });

  it("keeps its own factors: changing them inside changes nothing", () => {
    const data = weights.slice();
    const [a, b] = [ordinary.a.slice(), ordinary.b.slice()];
    const theater = surgicalTheater({ w: kernel(data, "float32", layout) }, { modification: of({ a, b }) });
    const shown = bits(data);
    a.fill(7);
    b.fill(NaN);
    // closing a theater above shows this one again
    const above = surgicalTheater({ w: kernel(data, "float32", layout) }, { modification: of(small) });
    expect(bits(data)).not.toBe(shown);
    above.close();
    expect(bits(data)).toBe(shown);
    expect(theater.close().identical).toBe(true);
    expect(bits(data)).toBe(bits(weights));
  });

  it("comes back in any order of closing", () => {
    const data = weights.slice();
    const model = { w: kernel(data, "float32", layout) };
    const below = surgicalTheater(model, { modification: of(ordinary) });
    const above = surgicalTheater(model, { modification: of(small) });
    below.close();
    const left = bits(data);
    above.close();
    expect(bits(data)).toBe(bits(weights));
    expect(withTheater(model, { modification: of(small) }, () => bits(data))).toBe(left);
  });

  interface Misfit extends Factors {
    readonly name: string;
    readonly code: ModificationError["code"];
    readonly says: readonly string[];
  }

  const { a, b } = ordinary;
  const holding = (value: number, of: NumericArray): NumericArray => {
    const copy = of.slice();
    copy[copy.length - 1] = value;
    return copy;
  };
  const misfits: readonly Misfit[] = [
    { name: "a too short", a: a.slice(1), b, code: "shape_mismatch", says: ["7", "8"] },
    { name: "a too long", a: new Float32Array(9), b, code: "shape_mismatch", says: ["9", "8"] },
    { name: "b too short", a, b: b.slice(1), code: "shape_mismatch", says: ["5", "6"] },
    { name: "a and b exchanged", a: b, b: a, code: "shape_mismatch", says: [] },
    { name: "a in an Int32Array", a: Int32Array.from(a), b, code: "dtype_mismatch", says: ["Int32Array"] },
    {
      name: "b in a plain list",
      a,
      b: [...b] as unknown as NumericArray,
      code: "dtype_mismatch",
      says: ["an array of 6"],
    },
    { name: "NaN in a", a: holding(NaN, a), b, code: "non_finite", says: [] },
    { name: "infinity in b", a, b: holding(-Infinity, b), code: "non_finite", says: [] },
  ];

  it.each(misfits)("refuses $name", ({ a, b, code, says }) => {
    const data = weights.slice();
    const other = weights.slice();
    const model = { v: kernel(other, "float32", layout), w: kernel(data, "float32", layout) };
    const adapter = { v: ordinary, w: { a, b } };
    const modification = lora<NumericArray>(adapter, { alpha: ALPHA, loraRank: RANK, layout });
    const error = thrownBy(() => surgicalTheater(model, { modification }));
    expect(error).toMatchObject({ name: "ModificationError", code, parameter: "w" });
    const { message } = error as Error;
    expect(message).toContain('"w"');
    expect(message).toContain("lora");
    expect(message).toMatch(/unchanged|as it was/);
    for (const part of says) expect(message).toContain(part);
    expect(bits(data)).toBe(bits(weights));
    expect(bits(other)).toBe(bits(weights));
  });

  it.each([
    { name: "both factors fit it", b: a, says: true },
    { name: "not where one alone does", b: a.slice(1), says: false },
  ])("names the other layout: $name", ({ b: second, says }) => {
    const model = { w: kernel(weights.slice(), "float32", layout) };
    const modification = lora<NumericArray>(
      { w: { a: b, b: second } },
      { alpha: ALPHA, loraRank: RANK, layout },
    );
    const { message } = thrownBy(() => surgicalTheater(model, { modification })) as Error;
    const other = layout === "outIn" ? "inOut" : "outIn";
    expect(message.includes(`Both factors fit layout: "${other}"`)).toBe(says);
  });
});
