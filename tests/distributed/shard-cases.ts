/** What the ranks show, and what the same shows on whole parameters in one process. */
import {
  custom,
  disable,
  interpolate,
  lora,
  type Modification,
  noise,
  type NumericArray,
  prune,
  quantize,
  scale,
} from "../../src/index.ts";
import type { DType } from "../../src/dtypes/dtype.ts";
import { arrayOf, type Name, shapes } from "./shard-models.ts";
import { encode } from "../../src/dtypes/convert.ts";

export type Modifications = Modification<NumericArray> | readonly Modification<NumericArray>[];

export interface Case {
  readonly name: string;
  /** Digest and verdict alone are exchanged. */
  readonly isElementwise: boolean;
  readonly takesIntegers: boolean;
  /** @param averages - of the parameters: whole ones, or this rank's parts */
  modification(dtype: DType, averages: Readonly<Record<string, NumericArray>>): Modifications;
}

const RANK = 2;
const matrices: readonly Name[] = ["embed.weight", "attn.weight"];

/** Numbers that float16 can hold too. */
function operand(dtype: DType, length: number, seed: number): NumericArray {
  const array =
    dtype === "float32" || dtype === "float64" ? arrayOf(dtype, length) : new Float32Array(length);
  const values = Float64Array.from(array, (_, i) => (((i * 37 + seed * 11) % 23) - 11) / 16);
  encode(values, length, dtype === "float64" ? "float64" : "float32", array, 0);
  return array;
}

function adapter(dtype: DType, layout: "outIn" | "inOut", magnitude: boolean): Modifications {
  const entries = matrices.map((name, seed) => {
    const [rows, columns] = shapes[name] as readonly [number, number];
    const [outputs, inputs] = layout === "outIn" ? [rows, columns] : [columns, rows];
    const factors = { a: operand(dtype, RANK * inputs, seed), b: operand(dtype, outputs * RANK, seed + 5) };
    const magnitudes = operand(dtype, outputs, seed + 9).map((x) => Math.abs(x) + 0.5);
    return [name, magnitude ? { ...factors, magnitude: magnitudes } : factors] as const;
  });
  return lora<NumericArray>(Object.fromEntries(entries), { alpha: 1.5, loraRank: RANK, layout });
}

const everything = new Set(["scale", "scale by 1", "disable", "custom value", "custom delta"]);

const modifications: Readonly<Record<string, Case["modification"]>> = {
  scale: (dtype) => scale(dtype === "int8" ? -2 : 0.7),
  "scale by 1": () => scale(1),
  disable: () => disable(),
  noise: () => noise({ std: 0.03, seed: 5 }),
  "noise relative to the std": () => noise({ std: 0.1, relativeTo: "parameterStd", seed: 6 }),
  // Both need all of the parameter: they cannot be had from a part of it.
  "custom value": () => custom<NumericArray>((w) => w.slice().reverse(), { returns: "value" }),
  "custom delta": () =>
    custom<NumericArray>((w) => {
      let sum = 0;
      for (const x of w) sum += x;
      return w.map((x, i) => Math.round((sum / w.length - x) / 2) + (i % 3));
    }),
  "an average": (_, averages) => interpolate(averages),
  "part of an average": (_, averages) => interpolate(averages, 0.3),
  "lora, outIn": (dtype) => adapter(dtype, "outIn", false),
  "lora, inOut": (dtype) => adapter(dtype, "inOut", false),
  "DoRA, outIn": (dtype) => adapter(dtype, "outIn", true),
  "DoRA, inOut": (dtype) => adapter(dtype, "inOut", true),
  prune: () => prune({ sparsity: 0.4 }),
  "prune over targets": () => prune({ sparsity: 0.4, over: "targets" }),
  quantize: () => quantize({ format: "bnb-nf4" }),
  "a list": (dtype) => [
    scale(0.9),
    noise({ std: 0.02, seed: 7 }),
    ...([adapter(dtype, "outIn", false)] as readonly Modification<NumericArray>[]),
    custom<NumericArray>((w) => w.slice().reverse(), { returns: "value" }),
    scale(1.1),
  ],
};

const alone = /^(scale|scale by 1|disable|noise|an average|part of an average|lora, .*)$/;

export const cases: readonly Case[] = Object.entries(modifications).map(([name, modification]) => ({
  name,
  modification,
  isElementwise: alone.test(name),
  takesIntegers: everything.has(name),
}));

/** Theaters one in the other: the outer, and the inner. */
export const pairs: readonly (readonly [outer: string, inner: string])[] = [
  ["scale", "noise"],
  ["noise", "custom value"],
  ["custom delta", "scale"],
  ["custom delta", "custom value"],
  ["lora, inOut", "quantize"],
  ["disable", "part of an average"],
  ["DoRA, outIn", "prune"],
  ["an average", "noise relative to the std"],
];
