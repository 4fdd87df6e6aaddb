/**
 * What modifications need to know of parameters: read once, at opening, and always from the original, also where another
 * theater is open.
 */
import { type Operation, wait } from "./drive.ts";
import { ModificationError } from "./errors.ts";
import { kindOf, type Modification } from "./modification.ts";
import type { Facts, Needs } from "./modifications/kind.ts";
import { slots } from "./slots.ts";
import { MagnitudeSelection, standardDeviation } from "./statistics.ts";
import type { Site } from "./store.ts";

type AnyModification = Modification<unknown>;

/** Magnitudes that a share of all targets' weights does not exceed, by the modification that asks for it. */
export type Quantiles = ReadonlyMap<AnyModification, number>;

function* readOriginal<T>(site: Site<T>): Operation<ArrayLike<number>> {
  return yield* wait(slots.get(site.key)?.stage.read("original") ?? site.read());
}

/** The standard deviation of the original, which `asking` needs. */
function stdOf(original: ArrayLike<number>, name: string, asking: AnyModification): number {
  const std = standardDeviation(original);
  if (Number.isFinite(std)) return std;
  throw new ModificationError(
    "non_finite",
    name,
    `${asking.type}: the standard deviation of ${JSON.stringify(name)} is ${std}, because it holds NaN, infinity or values too large to square. ` +
      "The model is unchanged. Use an absolute std, or leave this parameter out.",
  );
}

/** Counts the magnitudes of a parameter. @throws ModificationError `non_finite` if there is a NaN among them */
function count(
  selection: MagnitudeSelection,
  original: ArrayLike<number>,
  name: string,
  asking: AnyModification,
): void {
  if (selection.count(original)) return;
  throw new ModificationError(
    "non_finite",
    name,
    `${asking.type}: ${JSON.stringify(name)} holds NaN, which has no magnitude. The model is unchanged. Leave it out.`,
  );
}

/** Reads what is needed of one parameter: the original once, whatever asks for it. */
export function factsReader<T>(
  site: Site<T>,
  quantiles: Quantiles,
): (asking: AnyModification, needs: Needs) => Operation<Facts> {
  const { name } = site.parameter;
  let values: ArrayLike<number> | undefined;
  return function* read(asking, { std = false, original = false, quantile, operands = [] }) {
    const given: ArrayLike<number>[] = [];
    for (const { value } of operands) given.push(yield* wait(site.readOperand(value as T)));
    const isOwn = quantile?.over === "parameter";
    if (std || original || isOwn) values ??= yield* readOriginal(site);
    let magnitude = quantiles.get(asking) ?? 0;
    if (isOwn) {
      const selection = new MagnitudeSelection();
      count(selection, values!, name, asking);
      selection.collect(values!, quantile.of);
      magnitude = selection.result;
    }
    return {
      std: std ? stdOf(values!, name, asking) : 1,
      quantile: magnitude,
      original: values ?? [],
      operands: given,
    };
  };
}

/** The quantiles that are asked for over all targets together: each parameter is read twice, one at a time. */
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
    const selection = new MagnitudeSelection();
    const sites = [...targets].filter(([, modifications]) => modifications.includes(asking));
    for (const [site] of sites) {
      count(selection, yield* readOriginal(site), site.parameter.name, asking);
    }
    for (const [site] of sites) selection.collect(yield* readOriginal(site), share);
    quantiles.set(asking, selection.result);
  }
  return quantiles;
}
