/** Mistakes in modifications that are seen before, or while, a parameter is modified. */
import { LayersError, ModificationError, UnsupportedError } from "../../src/index.ts";
import { body, type Case, modifying } from "./cases.ts";
import { loraCases } from "./lora.ts";

const kinds: readonly Case[] = [
  ...[
    { name: "a name", modification: "scale", shown: '"scale"' },
    { name: "a number", modification: 0.5, shown: "0.5" },
    { name: "null", modification: null, shown: "null" },
  ].map(({ name, modification, shown }) => ({
    name: `${name} in place of a modification`,
    run: modifying(() => modification, "all"),
    error: TypeError,
    says: [
      "modification must be made by scale, noise, disable, prune, quantize, custom, interpolate or lora",
      shown,
    ],
  })),
  {
    name: "a misspelt type of modification",
    run: modifying(() => ({ type: "nosie", std: 1, seed: 1 }), "all"),
    error: TypeError,
    says: [
      '"nosie"',
      'Did you mean "noise"?',
      "Known types: scale, noise, disable, prune, quantize, custom, interpolate, lora",
    ],
  },
  {
    name: "a modification without a type",
    run: modifying(() => ({ factor: 0.5 }), "all"),
    error: TypeError,
    says: ["unknown type undefined", "Known types: scale"],
  },
  ...[
    {
      modification: { type: "scale", facter: 0.5 },
      thing: 'scale: unknown property "facter"',
      meant: "factor",
    },
    {
      modification: { type: "noise", sdt: 1, seed: 1 },
      thing: 'noise: unknown property "sdt"',
      meant: "std",
    },
    {
      modification: { type: "interpolate", toward: {} },
      thing: 'interpolate: unknown property "toward"',
      meant: "towards",
    },
    {
      modification: { type: "custom", fn: () => undefined, return: "value" },
      thing: 'custom: unknown property "return"',
      meant: "returns",
    },
  ].map(({ modification, thing, meant }) => ({
    name: `${modification.type} with ${meant} misspelt`,
    run: modifying(() => modification, "all"),
    error: TypeError,
    says: [thing, `Did you mean "${meant}"?`],
  })),
];

const scales: readonly Case[] = [
  ...[Number.NaN, Infinity, -Infinity].map((factor) => ({
    name: `a factor of ${factor}`,
    run: modifying(({ entry }) => entry.scale(factor), "all"),
    error: RangeError,
    says: ["scale: factor must be finite", `${factor}`],
  })),
  {
    name: "a literal scale by NaN",
    run: modifying(() => ({ type: "scale", factor: Number.NaN }), "all"),
    error: RangeError,
    says: ["scale: factor must be finite", "NaN"],
  },
  {
    name: "a factor as a string",
    run: modifying(({ entry }) => entry.scale("0.5"), "all"),
    error: TypeError,
    says: ["scale: factor must be a number", '"0.5"'],
  },
  {
    name: "a scale without a factor",
    run: modifying(() => ({ type: "scale" }), "all"),
    error: TypeError,
    says: ["scale: factor must be a number", "undefined"],
  },
];

const noises: readonly Case[] = [
  {
    name: "a negative std",
    run: modifying(({ entry }) => entry.noise({ std: -0.1, seed: 1 }), "all"),
    error: RangeError,
    says: ["noise: std must not be negative", "-0.1"],
  },
  ...[Number.NaN, Infinity].map((std) => ({
    name: `a std of ${std}`,
    run: modifying(({ entry }) => entry.noise({ std, seed: 1 }), "all"),
    error: RangeError,
    says: ["noise: std must be finite", `${std}`],
  })),
  {
    name: "a std as a string",
    run: modifying(({ entry }) => entry.noise({ std: "0.1", seed: 1 }), "all"),
    error: TypeError,
    says: ["noise: std must be a number", '"0.1"'],
  },
  {
    name: "a standard deviation alone",
    run: modifying(({ entry }) => entry.noise(0.1), "all"),
    error: TypeError,
    says: ["noise({ std, seed }): the options must be an object, got 0.1"],
  },
  {
    name: "a sparsity alone",
    run: modifying(({ entry }) => entry.prune(0.5), "all"),
    error: TypeError,
    says: ["prune({ sparsity }): the options must be an object, got 0.5"],
  },
  {
    name: "a format alone",
    run: modifying(({ entry }) => entry.quantize("bnb-nf4"), "all"),
    error: TypeError,
    says: ['quantize({ format }): the options must be an object, got "bnb-nf4"'],
  },
  {
    name: "noise without anything",
    run: modifying(({ entry }) => entry.noise(), "all"),
    error: TypeError,
    says: ["noise({ std, seed }): the options must be an object", "undefined"],
  },
  {
    name: "noise without a seed",
    run: modifying(({ entry }) => entry.noise({ std: 0.1 }), "all"),
    error: TypeError,
    says: ["noise: a seed is required", "noise({ std, seed: 1 })", "the theater's seed"],
  },
  ...[-1, 1.5, 2 ** 53].map((seed) => ({
    name: `a noise's seed of ${seed}`,
    run: modifying(({ entry }) => entry.noise({ std: 0.1, seed }), "all"),
    error: RangeError,
    says: ["noise: seed must be an integer from 0 to 2^53 − 1", `${seed}`],
  })),
  {
    name: "a noise's seed as a string",
    run: modifying(({ entry }) => entry.noise({ std: 0.1, seed: "one" }), "all"),
    error: TypeError,
    says: ["noise: seed must be a number", '"one"'],
  },
  {
    name: "a misspelt relativeTo",
    run: modifying(({ entry }) => entry.noise({ std: 0.1, seed: 1, relativeTo: "parameterstd" }), "all"),
    error: TypeError,
    says: ["noise: relativeTo", '"parameterstd"', '"parameterStd"'],
  },
  {
    name: "noise relative to a parameter that holds NaN",
    run: ({ entry, broken }) => {
      const modification = entry.noise({ std: 0.1, seed: 1, relativeTo: "parameterStd" });
      return entry.withTheater(broken, { modification, layers: "all" }, body);
    },
    error: ModificationError,
    code: "non_finite",
    says: ["noise", '"kernel"', "NaN", "Use an absolute std, or leave this parameter out"],
  },
];

const averages: readonly Case[] = [
  {
    name: "an empty average",
    run: modifying(({ entry }) => entry.interpolate({})),
    error: RangeError,
    says: ["interpolate: towards is empty", "Has the average been updated?"],
  },
  {
    name: "a list of values to interpolate towards",
    run: modifying(({ entry, values }) => entry.interpolate([values([1, 2, 3, 4], [2, 2])])),
    error: TypeError,
    says: ["interpolate: towards must be a record", "an array of 1"],
  },
  {
    name: "one typed array to interpolate towards",
    run: modifying(({ entry }) => entry.interpolate(new Float32Array(4))),
    error: TypeError,
    says: ["interpolate: towards must be a record", "a Float32Array"],
  },
  {
    name: "an average of a parameter that the model does not have",
    run: modifying(({ entry, values }) => entry.interpolate({ "head.kernal": values([1, 2, 3, 4], [2, 2]) })),
    error: LayersError,
    code: "unknown_name",
    says: ["interpolate", '"head.kernal"', 'Did you mean "head.kernel"'],
  },
  {
    name: "an average of another shape",
    run: modifying(({ entry, values }) => entry.interpolate({ "head.kernel": values([1, 2, 3]) })),
    error: ModificationError,
    code: "shape_mismatch",
    says: ["interpolate", '"head.kernel"', "[2, 2]", "3"],
  },
  {
    name: "an average of another dtype",
    run: modifying(({ entry, values }) =>
      entry.interpolate({ "head.kernel": values([1, 2, 3, 4], [2, 2], "int32") }, 0.5),
    ),
    error: ModificationError,
    code: "dtype_mismatch",
    says: ["interpolate", '"head.kernel"', "float32"],
  },
  {
    name: "an average in a plain list",
    run: modifying(({ entry }) => entry.interpolate({ "head.kernel": [1, 2, 3, 4] })),
    error: ModificationError,
    code: "dtype_mismatch",
    says: ["interpolate", '"head.kernel"', "an array of 4"],
  },
  {
    name: "an average that is disposed",
    run: modifying(({ entry, values }) => {
      const value = values([1, 2, 3, 4], [2, 2]) as { dispose(): void };
      value.dispose();
      return entry.interpolate({ "head.kernel": value });
    }),
    error: ModificationError,
    code: "dtype_mismatch",
    says: ["interpolate", '"head.kernel"', "disposed"],
    on: "surgical-theater/tfjs",
  },
  {
    name: "an amount of NaN",
    run: modifying(({ entry, values }) =>
      entry.interpolate({ "head.kernel": values([1, 2, 3, 4]) }, Number.NaN),
    ),
    error: RangeError,
    says: ["interpolate: amount must be finite", "NaN"],
  },
  {
    name: "an average whose second parameter is left out by layers",
    run: modifying(
      ({ entry, values }) =>
        entry.interpolate({
          "encoder.attn.kernel": values([1, 2, 3, 4], [2, 2]),
          "head.kernel": values([1, 2, 3, 4], [2, 2]),
        }),
      "attention",
    ),
    error: LayersError,
    code: "incomplete",
    says: ["layers leaves out head.kernel", "interpolate", "Leave layers out, or open two theaters"],
  },
];

const integers: readonly Case[] = [
  {
    name: "a factor that takes an int8 out of its range",
    run: ({ entry }) =>
      entry.withTheater(
        { codes: Int8Array.of(100, -100) },
        { modification: entry.scale(2), layers: "codes" },
        body,
      ),
    error: ModificationError,
    code: "out_of_range",
    says: ['"codes"', "int8", "200", "-128 to 127"],
    on: "surgical-theater",
  },
  {
    name: "scaling an int32 tensor",
    run: modifying(({ entry }) => entry.scale(2), "ids"),
    error: UnsupportedError,
    code: "dtype",
    says: ['"ids"', "int32", "only disable, custom and interpolate with amount 1"],
    on: "surgical-theater/tfjs",
  },
];

export const modificationCases: readonly Case[] = [
  ...kinds,
  ...scales,
  ...noises,
  ...averages,
  ...integers,
  ...loraCases,
];
