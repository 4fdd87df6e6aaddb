/**
 * What modifications need to know of parameters: read once, at opening, and always from the original, also where another
 * theater is open.
 */
import { type Operation, wait } from "./drive.ts";
import { ModificationError } from "./errors.ts";
import { kindOf, type Modification } from "./modification.ts";
import type { Facts, NeededNorms, Needs } from "./modifications/kind.ts";
import { rootsOfOutputs, squaresOfOutputs } from "./norms.ts";
import { packed, withoutPadding } from "./shard.ts";
import { slots } from "./slots.ts";
import { BINS, deviationOf, MagnitudeSelection, Moments } from "./statistics.ts";
import type { Site } from "./store.ts";

type AnyModification = Modification<unknown>;

const elementsOf = (shape: readonly number[]): number =>
  shape.reduce((product, length) => product * length, 1);

/** Magnitudes that a share of all targets' weights does not exceed, by the modification that asks for it. */
export type Quantiles = ReadonlyMap<AnyModification, number>;

/** The values of the original, or of the part of it that is here. */
function* readOriginal<T>(site: Site<T>): Operation<ArrayLike<number>> {
  const values = yield* wait(slots.get(site.key)?.stage.read("original") ?? site.read());
  return site.shard === undefined ? values : withoutPadding(values, site.shard.owned);
}

/** The standard deviation of the original, which `asking` needs. */
function* stdOf<T>(site: Site<T>, original: ArrayLike<number>, asking: AnyModification): Operation<number> {
  const { name, dtype } = site.parameter;
  const moments = new Moments(dtype !== "float64");
  moments.add(original);
  const parts = moments.toParts();
  if (site.shard !== undefined) yield* site.shard.sum(parts);
  const std = deviationOf(parts);
  if (Number.isFinite(std)) return std;
  throw new ModificationError(
    "non_finite",
    name,
    `${asking.type}: the standard deviation of ${JSON.stringify(name)} is ${std}, because it holds NaN, infinity or values too large to square. ` +
      "The model is unchanged. Use an absolute std, or leave this parameter out.",
  );
}

/** Numbers of elements up to which a part's values take fewer bytes than how many of them there are by magnitude. */
const FEW = BINS;

/**
 * The magnitude that a share of the originals' values does not exceed: each is looked at twice, one at a time. Of parts,
 * the numbers of values by magnitude are added up; or, of few, the values themselves are collected.
 */
function* quantileOf<T>(
  sites: readonly Site<T>[],
  share: number,
  asking: AnyModification,
): Operation<number> {
  const selection = new MagnitudeSelection();
  const shard = sites[0]?.shard;
  const elements = sites.reduce((sum, { parameter }) => sum + elementsOf(parameter.shape), 0);
  const few = shard !== undefined && elements <= FEW;
  const collected = new Map<Site<T>, ArrayLike<number>>();
  const nans = new Float64Array(sites.length);
  for (const [i, site] of sites.entries()) {
    let values = yield* readOriginal(site);
    if (few) collected.set(site, (values = yield* site.shard!.concat(Float64Array.from(values))));
    nans[i] = selection.count(values);
  }
  if (shard !== undefined && !few) {
    yield* shard.sum(nans);
    yield* shard.sum(selection.counts);
  }
  const at = nans.findIndex((count) => count > 0);
  if (at >= 0) refuseNaN(sites[at]!.parameter.name, asking);
  selection.find(share);
  for (const site of sites) {
    const candidates = selection.candidatesOf(collected.get(site) ?? (yield* readOriginal(site)));
    selection.collect(shard === undefined || few ? candidates : yield* shard.concat(candidates));
  }
  return selection.result;
}

function refuseNaN(name: string, asking: AnyModification): never {
  throw new ModificationError(
    "non_finite",
    name,
    `${asking.type}: ${JSON.stringify(name)} holds NaN, which has no magnitude. The model is unchanged. Leave it out.`,
  );
}

/** What each output of a parameter with its low-rank delta has as its norm. */
function* normsOf<T>(
  site: Site<T>,
  original: ArrayLike<number>,
  { delta, a, b }: NeededNorms,
  operands: readonly ArrayLike<number>[],
): Operation<Float64Array> {
  const { shape } = site.parameter;
  const whole = [{ global: 0, local: 0, length: elementsOf(shape) }];
  const { shard } = site;
  const squares = squaresOfOutputs(shape, delta, {
    original,
    a: operands[a]!,
    b: operands[b]!,
    runs: shard === undefined ? whole : packed(shard.owned),
  });
  if (shard !== undefined) yield* shard.sum(squares);
  return rootsOfOutputs(squares);
}

/** Reads what is needed of one parameter: the original once, whatever asks for it. */
export function factsReader<T>(
  site: Site<T>,
  quantiles: Quantiles,
): (asking: AnyModification, needs: Needs) => Operation<Facts> {
  let values: ArrayLike<number> | undefined;
  return function* read(asking, { std = false, norms, quantile, operands = [] }) {
    const given: ArrayLike<number>[] = [];
    for (const { value } of operands) given.push(yield* wait(site.readOperand(value as T)));
    if (std || norms !== undefined) values ??= yield* readOriginal(site);
    const own = quantile?.over === "parameter" ? yield* quantileOf([site], quantile.of, asking) : undefined;
    return {
      std: std ? yield* stdOf(site, values!, asking) : 1,
      quantile: own ?? quantiles.get(asking) ?? 0,
      norms: norms === undefined ? new Float64Array(0) : yield* normsOf(site, values!, norms, given),
      operands: given,
    };
  };
}

/** The quantiles that are asked for over all targets together. */
export function* overallQuantiles<T>(
  targets: ReadonlyMap<Site<T>, readonly AnyModification[]>,
): Operation<Quantiles> {
  const shares = new Map<AnyModification, number>();
  for (const [{ parameter }, modifications] of targets) {
    for (const each of modifications) {
      const { quantile } = kindOf(each).needs(each, parameter);
      if (quantile?.over === "targets") shares.set(each, quantile.of);
    }
  }
  const quantiles = new Map<AnyModification, number>();
  for (const [asking, share] of shares) {
    const sites = [...targets].filter(([, all]) => all.includes(asking)).map(([site]) => site);
    quantiles.set(asking, yield* quantileOf(sites, share, asking));
  }
  return quantiles;
}
