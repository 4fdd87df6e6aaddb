/** Lists of trials for the usual questions. Reports know their kinds and tags. */
import { describeValue } from "../errors.ts";
import type { Layers } from "../layers.ts";
import type { Modification } from "../modification.ts";
import type { LoraFactors, LoraOptions } from "../modifications/adapter.ts";
import { disable } from "../modifications/disable.ts";
import { interpolate } from "../modifications/interpolate.ts";
import { lora } from "../modifications/lora.ts";
import { noise } from "../modifications/noise.ts";
import { prune } from "../modifications/prune.ts";
import { quantize } from "../modifications/quantize.ts";
import { scale } from "../modifications/scale.ts";
import { isRecord } from "../plain.ts";
import { checkKnown } from "./define.ts";
import type { QuantizedFormat } from "../quantized/parameter.ts";
import type { Trial } from "./trial.ts";

/** What the trials of a builder are about. */
export interface Where {
  /** Default `"all"`. */
  readonly layers?: Layers;
}

/** A list that is not empty. */
function listOf<E>(what: string, value: readonly E[]): readonly E[] {
  if (!Array.isArray(value)) throw new TypeError(`${what} must be a list, got ${describeValue(value)}.`);
  if (value.length === 0) throw new RangeError(`${what}: the list is empty. Give one or more.`);
  return value;
}

/** The entries of a record that is not empty. */
function entriesOf<E>(what: string, value: Readonly<Record<string, E>>): readonly [string, E][] {
  if (!isRecord(value)) {
    throw new TypeError(`${what} must be a record by name, got ${describeValue(value)}.`);
  }
  return listOf<[string, E]>(what, Object.entries(value));
}

/**
 * One trial for each layer: what does the model do without it? Kind `"ablation"`, tag `layer`.
 *
 * @param names - layers or parameters, as `trials` is given them
 * @param options - `modification` instead of `disable()`
 */
export function ablation<T = never>(
  names: readonly string[],
  { modification }: { readonly modification?: Modification<T> | readonly Modification<T>[] } = {},
): readonly Trial<T>[] {
  return listOf("ablation: names", names).map((layer) => ({
    name: `without ${layer}`,
    kind: "ablation",
    tags: { layer },
    modification: modification ?? disable(),
    layers: layer,
  }));
}

/** Each layer scaled by each factor: a map of what matters. Kind `"layer-factor"`, tags `layer` and `factor`. */
export function layerFactors(layers: readonly string[], factors: readonly number[]): readonly Trial<never>[] {
  listOf("layerFactors: factors", factors);
  return listOf("layerFactors: layers", layers).flatMap((layer) =>
    factors.map((factor) => ({
      name: `${layer} × ${factor}`,
      kind: "layer-factor",
      tags: { layer, factor },
      modification: scale(factor),
      layers: layer,
    })),
  );
}

/** All layers scaled by each factor together. Kind `"factor"`, tag `factor`. */
export function factors(list: readonly number[], { layers = "all" }: Where = {}): readonly Trial<never>[] {
  return listOf("factors", list).map((factor) => ({
    name: `× ${factor}`,
    kind: "factor",
    tags: { factor },
    modification: scale(factor),
    layers,
  }));
}

/** Options of {@link noiseLevels}. */
export interface NoiseLevels extends Where {
  /** Standard deviations: in the parameters' units, or with `relativeTo` in multiples of their own. */
  readonly std: readonly number[];
  /** Each level is tried with each of them. */
  readonly seeds: readonly number[];
  readonly relativeTo?: "parameterStd";
}

/** Gaussian noise: each level with each seed. Kind `"noise"`, tags `std` and `seed`. */
export function noiseLevels(options: NoiseLevels): readonly Trial<never>[] {
  checkKnown("noiseLevels", options, ["std", "seeds", "relativeTo", "layers"]);
  const { std: levels, seeds, relativeTo, layers = "all" } = options;
  listOf("noiseLevels: seeds", seeds);
  return listOf("noiseLevels: std", levels).flatMap((std) =>
    seeds.map((seed) => ({
      name: `noise ${std}, seed ${seed}`,
      kind: "noise",
      tags: { std, seed },
      modification: noise({ std, seed, ...(relativeTo !== undefined && { relativeTo }) }),
      layers,
    })),
  );
}

/**
 * Adapters, each merged alone. Kind `"adapter"`, tag `adapter`.
 *
 * @param all - by name what `lora` takes first
 * @param options - what `lora` takes second, and `layers`
 */
export function adapters<A, B = A, M = A>(
  all: Readonly<Record<string, Readonly<Record<string, LoraFactors<A, B, M>>>>>,
  { layers, ...options }: LoraOptions & Where,
): readonly Trial<A | B | M>[] {
  return entriesOf("adapters", all).map(([adapter, factors]) => ({
    name: `adapter ${adapter}`,
    kind: "adapter",
    tags: { adapter },
    modification: lora(factors, options),
    ...(layers !== undefined && { layers }),
  }));
}

/** Averaged or other weights in place of the model's: by name what `interpolate` takes. Kind `"average"`, tag `average`. */
export function averages<T>(all: Readonly<Record<string, Readonly<Record<string, T>>>>): readonly Trial<T>[] {
  return entriesOf("averages", all).map(([average, weights]) => ({
    name: `average ${average}`,
    kind: "average",
    tags: { average },
    modification: interpolate(weights),
  }));
}

/** What quantized formats would make of the weights. Kind `"quantize"`, tag `format`. */
export function formats(
  list: readonly QuantizedFormat[],
  { layers = "all" }: Where = {},
): readonly Trial<never>[] {
  return listOf("formats", list).map((format) => ({
    name: `as ${format}`,
    kind: "quantize",
    tags: { format },
    modification: quantize({ format }),
    layers,
  }));
}

/** Magnitude pruning, of each parameter by itself. Kind `"prune"`, tag `sparsity`. */
export function sparsities(list: readonly number[], { layers = "all" }: Where = {}): readonly Trial<never>[] {
  return listOf("sparsities", list).map((sparsity) => ({
    name: `pruned ${sparsity}`,
    kind: "prune",
    tags: { sparsity },
    modification: prune({ sparsity }),
    layers,
  }));
}

/** Each modification on each selection. Kind `"grid"`, tags `modification` and `layers`: the names that they are given. */
export function grid<T = never>(
  modifications: Readonly<Record<string, Modification<T> | readonly Modification<T>[]>>,
  layers: Readonly<Record<string, Layers>>,
): readonly Trial<T>[] {
  const selections = entriesOf("grid: layers", layers);
  return entriesOf("grid: modifications", modifications).flatMap(([modification, value]) =>
    selections.map(([selection, where]) => ({
      name: `${modification} on ${selection}`,
      kind: "grid",
      tags: { modification, layers: selection },
      modification: value,
      layers: where,
    })),
  );
}
