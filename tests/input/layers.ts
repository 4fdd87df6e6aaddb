/** Selections that select nothing, or make no sense. */
import { LayersError, type LayerSelector, type Parameter } from "../../src/index.ts";
import { type Case, modifying } from "./cases.ts";

/** Halves what `layers` selects. */
const selecting = (layers: unknown): Case["run"] => modifying(({ entry }) => entry.scale(0.5), layers);

const nothing: readonly Case[] = [
  ...[
    { name: "a glob", layers: "decoder.*", shown: "decoder.*" },
    { name: "a RegExp", layers: /decoder/, shown: "/decoder/" },
    { name: "a predicate", layers: () => false, shown: "the predicate" },
    { name: "a list with a glob", layers: ["head", "decoder.*"], shown: "decoder.*" },
  ].map(({ name, layers, shown }) => ({
    name: `${name} that matches no parameter`,
    run: selecting(layers),
    error: LayersError,
    code: "no_match",
    says: [`${shown} matches no parameter`, "Parameters: encoder.attn.kernel, "],
  })),
  {
    name: "an empty list of layers",
    run: selecting([]),
    error: LayersError,
    code: "no_match",
    says: ["the list is empty", 'layers: "all"'],
  },
  ...[
    { name: "a glob", layers: "**.moving_*" as LayerSelector },
    { name: "a predicate", layers: ({ name }: Parameter) => name.includes("moving") },
    { name: "a RegExp", layers: /moving/ },
  ].map(({ name, layers }) => ({
    name: `${name} that matches statistics only`,
    run: selecting(layers),
    error: LayersError,
    code: "no_match",
    says: ["must be named exactly", "encoder.norm.moving_mean"],
  })),
  {
    name: "a layer that holds integers only",
    run: selecting(3),
    error: LayersError,
    code: "no_match",
    says: ["must be named exactly", "ids"],
  },
];

const names: readonly Case[] = [
  {
    name: "the name of a parameter that is nearly right",
    run: selecting("encoder.atn.kernel"),
    error: LayersError,
    code: "unknown_name",
    says: ['"encoder.atn.kernel"', 'Did you mean "encoder.attn.kernel"', "Parameters: encoder.attn.kernel, "],
  },
  {
    name: "the name of a layer that is nearly right",
    run: selecting(["head", "encoderr"]),
    error: LayersError,
    code: "unknown_name",
    says: ['"encoderr"', 'Did you mean "encoder"'],
  },
  {
    name: "a name like no other",
    run: selecting("transformer"),
    error: LayersError,
    code: "unknown_name",
    says: ['"transformer"', "Parameters: encoder.attn.kernel, "],
  },
  {
    name: "the default layers of a model without attention",
    run: ({ entry, plain }) => entry.withTheater(plain, { modification: entry.scale(0.5) }, () => undefined),
    error: LayersError,
    code: "no_attention",
    says: ["no attention", "Its layers: dense_1, dense_2", 'Say layers: "all"'],
  },
];

const indices: readonly Case[] = [-1, 999, 4, 1.5, Number.NaN].map((index) => ({
  name: `the layer index ${index}`,
  run: selecting(index),
  error: LayersError,
  code: "index_out_of_range",
  says: ["layers", `index ${index}`, "0 to 3"],
}));

const kinds: readonly Case[] = [
  ...[
    { name: "an object", layers: { name: "head" } },
    { name: "a boolean", layers: true },
    { name: "null", layers: null },
    { name: "a list with undefined", layers: ["head", undefined] },
  ].map(({ name, layers }) => ({
    name: `${name} as layers`,
    run: selecting(layers),
    error: TypeError,
    says: ["layers", "a name, glob, RegExp, index or predicate"],
  })),
  {
    name: "a predicate that returns a promise",
    run: selecting(async ({ name }: Parameter) => name === "head.kernel"),
    error: TypeError,
    says: ["layers", "predicate", "a Promise"],
  },
];

export const layerCases: readonly Case[] = [...nothing, ...names, ...indices, ...kinds];
