/** Many adapters on one model in memory, opened and closed in any order. */
import { describe, expect, it } from "vitest";
import { lora, type NumericArray, type ShapedArray, surgicalTheater, withTheater } from "../../src/index.ts";
import { encode } from "../../src/dtypes/convert.ts";
import { adapterOf, adaptedShapes, baseWeights, shuffleTheaters } from "../support/adapters.ts";
import { bits } from "../support/bits.ts";

type Half = "float16" | "bfloat16";

const modifications = Array.from({ length: 10 }, (_, which) => {
  const { adapter, options } = adapterOf<NumericArray>(which, (values) => values);
  return lora(adapter, options);
});

function model(dtype: "float32" | Half): Record<string, ShapedArray> {
  return Object.fromEntries(
    Object.entries(baseWeights()).map(([name, values]) => {
      const data = dtype === "float32" ? values : new Uint16Array(values.length);
      if (data instanceof Uint16Array) encode(Float64Array.from(values), values.length, dtype, data, 0);
      return [name, { data, shape: adaptedShapes[name as "conv.kernel"], dtype }];
    }),
  );
}

const bitsOf = (of: Record<string, ShapedArray>): string[] => Object.values(of).map(({ data }) => bits(data));

describe.each(["float32", "float16", "bfloat16"] as const)("40 theaters over 10 adapters on %s", (dtype) => {
  it.each(["reversible", "plane", "copy"] as const)(
    "show what refolding the base shows, and leave it as it was: %s",
    (technique) => {
      const [theirs, ours] = [model(dtype), model(dtype)];
      const base = bitsOf(theirs);
      // One theater with all of them, and the other technique: nothing in common but the definition.
      const other = technique === "copy" ? "reversible" : "copy";
      const open = (adapter: number) => {
        const theater = surgicalTheater(theirs, { modification: modifications[adapter]!, technique });
        return () => expect(theater.close().identical).toBe(true);
      };
      for (const seed of [1, 2, 3]) {
        shuffleTheaters(seed, open, (adapters) => {
          const modification = adapters.map((each) => modifications[each]!);
          const options = adapters.length === 0 ? {} : ({ modification, technique: other } as const);
          const folded = withTheater(ours, options, () => bitsOf(ours));
          expect(bitsOf(theirs)).toEqual(folded);
        });
        expect(bitsOf(theirs)).toEqual(base);
        expect(bitsOf(ours)).toEqual(base);
      }
    },
  );
});
