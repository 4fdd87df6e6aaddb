/** From modifications and selection to targets: which parameters, and the steps for each. */
import { checkFactors } from "./check-factors.ts";
import type { Operation } from "./drive.ts";
import { LayersError, listed, ModificationError } from "./errors.ts";
import { factsReader, overallQuantiles, type Quantiles } from "./facts.ts";
import { isFloat, isStatistic, type LeftOut, select, type Selectable, selectNames } from "./layers.ts";
import { kindOf, type Modification } from "./modification.ts";
import type { Request } from "./options.ts";
import { type LowRank, operandsOf, type Step } from "./step.ts";
import type { Layer, Model, Site } from "./store.ts";

/** A parameter to modify, and what to show on it. */
export interface Target<T> {
  readonly site: Site<T>;
  readonly layer: Layer<T>;
  readonly modifications: readonly Modification<unknown>[];
}

interface Chosen<T> {
  readonly bySite: ReadonlyMap<Site<T>, readonly Modification<unknown>[]>;
  readonly leftOut: readonly LeftOut[];
}

function choose<T>(model: Model<T>, request: Request): Chosen<T> {
  const selectable: Selectable = {
    parameters: model.sites.map(({ parameter }) => parameter),
    layers: model.layers,
  };
  const bySite = new Map<Site<T>, Modification<unknown>[]>();
  const leftOut = new Map<string, LeftOut>();
  for (const modification of request.modifications) {
    const wanted = kindOf(modification).targets(modification);
    const chosen =
      wanted === "attention" || request.layers !== undefined
        ? select(selectable, request.layers === undefined ? "attention" : request.layers)
        : undefined;
    const named = wanted === "attention" ? undefined : selectNames(selectable, wanted, modification.type);
    if (named !== undefined && chosen !== undefined) {
      const missing = [...named].filter(
        (parameter) => isFloat(parameter) && !isStatistic(parameter) && !chosen.selected.has(parameter),
      );
      if (missing.length > 0) {
        throw new LayersError(
          "incomplete",
          `layers leaves out ${listed(missing.map(({ name }) => name))}, which ${modification.type} has values for: ` +
            "part of them is neither model. The model is unchanged. Leave layers out, or open two theaters, one inside " +
            "the other: each has its own layers.",
        );
      }
    }
    for (const site of model.sites) {
      if (!(named ?? chosen!.selected).has(site.parameter)) continue;
      const there = bySite.get(site);
      if (there === undefined) bySite.set(site, [modification]);
      else there.push(modification);
    }
    for (const entry of named === undefined ? chosen!.leftOut : []) leftOut.set(entry.name, entry);
  }
  const targeted = new Set([...bySite.keys()].map(({ parameter }) => parameter.name));
  return { bySite, leftOut: [...leftOut.values()].filter(({ name }) => !targeted.has(name)) };
}

/** The steps of `modifications` for one parameter. */
function* lower<T>(
  site: Site<T>,
  modifications: readonly Modification<unknown>[],
  seed: number | undefined,
  quantiles: Quantiles | undefined,
): Operation<Layer<T>> {
  const steps: Step<T>[] = [];
  const read = quantiles === undefined ? undefined : factsReader(site, quantiles);
  for (const modification of modifications) {
    const kind = kindOf(modification);
    const needs = kind.needs(modification, site.parameter);
    if (needs.norms !== undefined) checkFactors(site, needs.norms.delta as LowRank<T>, modification.type);
    for (const { value, shape, role } of needs.operands ?? []) site.checkOperand(value as T, shape, role);
    const facts = read === undefined ? undefined : yield* read(modification, needs);
    const context = { seed, facts };
    for (const step of kind.steps(modification, site.parameter, context) as readonly Step<T>[]) {
      site.check(step, modification.type);
      if (step.op === "add" && step.delta.kind === "lowRank")
        checkFactors(site, step.delta, modification.type);
      steps.push(step);
    }
  }
  return { steps };
}

/** What a theater shows must not be what it changes: half way through, two exchanged parameters would be one. */
function refuseLiveOperands<T>(targets: readonly Target<T>[]): void {
  for (const { site, layer, modifications } of targets) {
    for (const operand of layer.steps.flatMap(operandsOf)) {
      const live = targets.find((other) => other.site.isLive(operand));
      if (live === undefined) continue;
      const { name } = site.parameter;
      throw new ModificationError(
        "live_value",
        name,
        `${modifications.map(({ type }) => type).join(", ")}: a value for ${JSON.stringify(name)} is the memory of ` +
          `${JSON.stringify(live.site.parameter.name)} itself, which the theater would modify. ` +
          "The model is unchanged. Give a copy.",
      );
    }
  }
}

/**
 * The targets of a request, in the model's order, and what its selections left out.
 *
 * @param readFacts - whether to read what modifications need to know from the parameters; bytes do not depend on it
 * @throws LayersError, ModificationError, before anything is touched
 */
export function* chooseTargets<T>(
  model: Model<T>,
  request: Request,
  readFacts: boolean,
): Operation<{ readonly targets: readonly Target<T>[]; readonly leftOut: readonly LeftOut[] }> {
  const { bySite, leftOut } = choose(model, request);
  const targets: Target<T>[] = [];
  const quantiles = readFacts ? yield* overallQuantiles(bySite) : undefined;
  for (const site of model.sites) {
    const modifications = bySite.get(site);
    if (modifications === undefined) continue;
    targets.push({ site, modifications, layer: yield* lower(site, modifications, request.seed, quantiles) });
  }
  refuseLiveOperands(targets);
  return { targets, leftOut };
}
