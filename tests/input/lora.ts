/** Mistakes in low-rank adapters, which the entry point for typed arrays offers. */
import { LayersError, lora, ModificationError } from "../../src/index.ts";
import { body, type Case, modifying } from "./cases.ts";

/** The builder as somebody without types sees it. */
const build = lora as (adapter?: unknown, options?: unknown) => unknown;

const factors = { a: Float32Array.of(1, 2), b: Float32Array.of(3, 4) };
const options = { alpha: 1, loraRank: 1, layout: "outIn" };

/** Builds, with `head.kernel` as the parameter where nothing else is given. */
function building(given: object, adapter: unknown = { "head.kernel": factors }): Case["run"] {
  return modifying(() => build(adapter, { ...options, ...given }));
}

const cases: readonly Case[] = [
  {
    name: "lora without anything",
    run: modifying(() => build()),
    error: TypeError,
    says: ["lora: adapter must be a record of { a, b } by parameter name", "undefined"],
  },
  {
    name: "an empty adapter",
    run: building({}, {}),
    error: RangeError,
    says: ["lora: adapter is empty"],
  },
  {
    name: "a list of adapters",
    run: building({}, [factors]),
    error: TypeError,
    says: ["lora: adapter must be a record", "an array of 1"],
  },
  {
    name: "a pair of factors in a list",
    run: building({}, { "head.kernel": [factors.a, factors.b] }),
    error: TypeError,
    says: ['lora: adapter["head.kernel"] must be { a, b }', "an array of 2"],
  },
  {
    name: "a delta that is not factored",
    run: building({}, { "head.kernel": new Float32Array(4) }),
    error: TypeError,
    says: ['lora: adapter["head.kernel"] must be { a, b }', "a Float32Array"],
  },
  {
    name: "factors without b",
    run: building({}, { "head.kernel": { a: factors.a } }),
    error: TypeError,
    says: ['lora: adapter["head.kernel"] must be { a, b }', "has no b"],
  },
  {
    name: "factors with capital letters",
    run: building({}, { "head.kernel": { A: factors.a, B: factors.b } }),
    error: TypeError,
    says: ['lora: adapter["head.kernel"]: unknown property "A"', 'Did you mean "a"'],
  },
  {
    name: "lora without options",
    run: modifying(() => build({ "head.kernel": factors })),
    error: TypeError,
    says: ["lora: alpha must be a number", "undefined"],
  },
  {
    name: "a literal lora without a rank",
    run: modifying(() => ({ type: "lora", adapter: { "head.kernel": factors }, alpha: 1 })),
    error: TypeError,
    says: ["lora: loraRank must be a number", "undefined"],
  },
  {
    name: "a rank by another name",
    run: modifying(() => build({ "head.kernel": factors }, { alpha: 1, rank: 1 })),
    error: TypeError,
    says: ['lora: unknown property "rank"', 'Did you mean "loraRank"'],
  },
  ...[Number.NaN, Infinity].map((alpha) => ({
    name: `an alpha of ${alpha}`,
    run: building({ alpha }),
    error: RangeError,
    says: ["lora: alpha must be finite", `${alpha}`],
  })),
  {
    name: "an alpha as a string",
    run: building({ alpha: "16" }),
    error: TypeError,
    says: ["lora: alpha must be a number", '"16"'],
  },
  ...[0, -1, 1.5].map((loraRank) => ({
    name: `a rank of ${loraRank}`,
    run: building({ loraRank }),
    error: RangeError,
    says: ["lora: loraRank must be a positive integer", `${loraRank}`],
  })),
  {
    name: "an infinite rank",
    run: building({ loraRank: Infinity }),
    error: RangeError,
    says: ["lora: loraRank must be finite"],
  },
  {
    name: "a misspelt layout",
    run: building({ layout: "inout" }),
    error: TypeError,
    says: ['lora: layout must be "outIn" or "inOut"', '"inout"', 'Did you mean "inOut"'],
  },
  {
    name: "an adapter of a parameter that the model does not have",
    run: building({}, { "head.kernal": factors }),
    error: LayersError,
    code: "unknown_name",
    says: ["lora", '"head.kernal"', 'Did you mean "head.kernel"'],
  },
  {
    name: "an adapter of a vector",
    run: building({}, { "encoder.norm.gamma": factors }),
    error: ModificationError,
    code: "shape_mismatch",
    says: ['lora: "encoder.norm.gamma" has shape [2]', "two dimensions or more, [outputs, ...inputs]"],
  },
  {
    name: "an adapter of a vector in the other layout",
    run: building({ layout: "inOut" }, { "encoder.norm.gamma": factors }),
    error: ModificationError,
    code: "shape_mismatch",
    says: ["two dimensions or more, [...inputs, outputs]"],
  },
  {
    name: "an adapter of integers",
    run: ({ entry }) => {
      const model = { codes: { data: new Int8Array(4), shape: [2, 2], dtype: "int8" } };
      return entry.withTheater(model, { modification: build({ codes: factors }, options) }, body);
    },
    error: ModificationError,
    code: "dtype_mismatch",
    says: ['lora: "codes" has dtype int8', "must be float32, float64, float16 or bfloat16"],
  },
  {
    name: "an alpha too large for float32",
    run: building({ alpha: 1e39 }),
    error: ModificationError,
    code: "non_finite",
    says: ["lora: alpha / loraRank 1e+39 is too large for float32", '"head.kernel"'],
  },
  {
    name: "two adapters of one parameter",
    run: ({ entry }) => {
      const kernel = { data: new Float32Array(4), shape: [2, 2], dtype: "float32" };
      const adapter = { kernel: factors, tied: { ...factors, a: Float32Array.of(1, 2) } };
      return entry.withTheater({ kernel, tied: kernel }, { modification: build(adapter, options) }, body);
    },
    error: TypeError,
    says: ["lora: kernel and tied are one parameter", "different factors", "Give one"],
  },
];

/** Opens a theater on `name` of the model without attention, with factors of these shapes. */
function opening(
  name: string,
  { a, b, magnitude }: Readonly<Record<"a" | "b", readonly number[]>> & { readonly magnitude?: number },
  given: object = {},
): Case["run"] {
  return ({ entry, plain, values }) => {
    const ones = (shape: readonly number[]): unknown =>
      values(Array<number>(shape.reduce((all, length) => all * length, 1)).fill(1), shape);
    const own = { a: ones(a), b: ones(b), ...(magnitude !== undefined && { magnitude: ones([magnitude]) }) };
    return entry.withTheater(
      plain,
      { modification: build({ [name]: own }, { alpha: 1, loraRank: 1, ...given }) },
      body,
    );
  };
}

const [inputsOfTwo, inputsOfOne] = [
  { a: [1, 2], b: [1, 1] },
  { a: [1, 1], b: [2, 1] },
];

/** Mistakes about the layout, which every store has parameters for. `dense_1.kernel` is [1, 2]. */
const layoutCases: readonly Case[] = [
  {
    name: "an adapter of a square kernel without a layout",
    run: opening("dense_2.kernel", { a: [1, 2], b: [2, 1] }),
    error: ModificationError,
    code: "shape_mismatch",
    says: [
      'lora: "dense_2.kernel" has shape [2, 2], which does not tell its outputs from its inputs',
      'Write layout: "outIn" for [outputs, ...inputs] (PyTorch)',
      'layout: "inOut" for [...inputs, outputs] (TensorFlow.js',
    ],
  },
  {
    name: "an adapter with a magnitude of a square kernel without a layout",
    run: opening("dense_2.kernel", { a: [1, 2], b: [2, 1], magnitude: 2 }),
    error: ModificationError,
    code: "shape_mismatch",
    says: ['lora: "dense_2.kernel" has shape [2, 2]', 'layout: "outIn"', 'layout: "inOut"'],
  },
  {
    name: "a literal adapter of a square kernel without a layout, in a plan",
    run: ({ entry, plain, values }) => {
      const own = { a: values([1, 2], [1, 2]), b: values([3, 4], [2, 1]) };
      const modification = { type: "lora", adapter: { "dense_2.kernel": own }, alpha: 1, loraRank: 1 };
      return entry.planTheater(plain, { modification });
    },
    error: ModificationError,
    code: "shape_mismatch",
    says: ['lora: "dense_2.kernel" has shape [2, 2]', 'layout: "outIn"', 'layout: "inOut"'],
  },
  {
    name: "factors of a kernel of TensorFlow.js without a layout",
    run: opening("dense_1.kernel", inputsOfOne),
    error: ModificationError,
    code: "shape_mismatch",
    says: [
      'lora: factor a for "dense_1.kernel"',
      'Both factors fit layout: "inOut" for [...inputs, outputs] (TensorFlow.js, embeddings)',
    ],
  },
  {
    name: "factors with a magnitude of a kernel of TensorFlow.js without a layout",
    run: opening("dense_1.kernel", { ...inputsOfOne, magnitude: 2 }),
    error: ModificationError,
    code: "shape_mismatch",
    says: ['lora: factor a for "dense_1.kernel"', 'Both factors fit layout: "inOut"'],
  },
  {
    name: "factors of a kernel of PyTorch in the other layout",
    run: opening("dense_1.kernel", inputsOfTwo, { layout: "inOut" }),
    error: ModificationError,
    code: "shape_mismatch",
    says: [
      'lora: factor a for "dense_1.kernel"',
      'Both factors fit layout: "outIn" for [outputs, ...inputs] (PyTorch)',
    ],
  },
];

export const loraCases: readonly Case[] = [
  ...cases.map((each) => ({ ...each, on: "surgical-theater" }) as const),
  ...layoutCases,
];
