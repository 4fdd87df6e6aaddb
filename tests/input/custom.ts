/** Functions that are no custom modification, and what they may return. */
import { ModificationError } from "../../src/index.ts";
import { type Case, modifying } from "./cases.ts";

/** What a long function must not do to a message: be printed in it. */
const longFunction = (w: { map(fn: (x: number) => number): unknown }): unknown => {
  const threshold = 0.125;
  const clip = (x: number): number => (Math.abs(x) < threshold ? 0 : x);
  return w.map(clip);
};

const builders: readonly Case[] = [
  {
    name: "a function in place of a modification",
    run: modifying(() => longFunction, "all"),
    error: TypeError,
    says: ["modification must be made by", "custom"],
  },
  {
    name: "custom without a function",
    run: modifying(({ entry }) => entry.custom(), "all"),
    error: TypeError,
    says: ["custom: fn must be a function", "undefined"],
  },
  {
    name: "a misspelt returns",
    run: modifying(({ entry }) => entry.custom(longFunction, { returns: "values" }), "all"),
    error: TypeError,
    says: ["custom: returns", '"values"', '"delta" or "value"'],
  },
];

/** Runs a custom function on the attention kernel, a 2 × 2 float32. */
const returning = (fn: (...args: never[]) => unknown): Case["run"] =>
  modifying(({ entry }) => entry.custom(fn, { returns: "value" }), "attention");

const kernel = '"encoder.attn.kernel"';

const results: readonly Case[] = [
  {
    name: "a custom function that throws",
    run: returning(() => {
      throw new Error("out of luck");
    }),
    error: ModificationError,
    code: "modification_threw",
    says: ["custom, for", kernel, "threw", "out of luck"],
  },
  {
    name: "a custom function that throws at its second parameter",
    run: modifying(
      ({ entry }) =>
        entry.custom(
          (w: unknown, { name }: { name: string }) => {
            if (name === "head.kernel") throw new Error("out of luck");
            return w;
          },
          { returns: "delta" },
        ),
      "all",
    ),
    error: ModificationError,
    code: "modification_threw",
    says: ['custom, for "head.kernel"', "threw", "out of luck"],
  },
  ...[
    { name: "a promise", fn: async (w: unknown) => w, got: "romise" },
    { name: "nothing", fn: () => undefined, got: "undefined" },
    { name: "a plain number", fn: () => 0, got: "got 0" },
    { name: "a plain list", fn: () => [1, 2, 3, 4], got: "an array of 4" },
  ].map(({ name, fn, got }) => ({
    name: `a custom function that returns ${name}`,
    run: returning(fn),
    error: ModificationError,
    code: "dtype_mismatch",
    says: ["custom", kernel, "return", got],
  })),
];

/** Whatever the subject's own arrays are, of a shape or dtype that the kernel does not have. */
const wrongArrays: readonly Case[] = [
  {
    name: "a custom function that returns another shape",
    run: modifying((subject) => subject.entry.custom(() => subject.values([1, 2, 3])), "attention"),
    error: ModificationError,
    code: "shape_mismatch",
    says: [kernel, "[2, 2]", "3"],
  },
  {
    name: "a custom function that returns an array of another dtype",
    run: modifying(
      (subject) => subject.entry.custom(() => subject.values([1, 2, 3, 4], [2, 2], "int32")),
      "attention",
    ),
    error: ModificationError,
    code: "dtype_mismatch",
    says: [kernel, "loat32", "Int32Array"],
    on: "surgical-theater",
  },
  {
    name: "a custom function that returns a tensor of another dtype",
    run: modifying(
      (subject) => subject.entry.custom(() => subject.values([1, 2, 3, 4], [2, 2], "int32")),
      "attention",
    ),
    error: ModificationError,
    code: "dtype_mismatch",
    says: [kernel, "float32", "int32"],
    on: "surgical-theater/tfjs",
  },
];

export const customCases: readonly Case[] = [...builders, ...results, ...wrongArrays];
