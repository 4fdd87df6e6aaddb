/** What a theater would do and hold, known before anything is touched. */
import { type Operation, wait } from "./drive.ts";
import { LayersError, listed, ModificationError, UnsupportedError } from "./errors.ts";
import { isStatistic, type LeftOut, select, type Selectable, selectNames } from "./layers.ts";
import { kindOf, type Modification } from "./modification.ts";
import type { Request } from "./options.ts";
import { formatBytes } from "./receipt.ts";
import { layersOf, slots } from "./slots.ts";
import { standardDeviation } from "./statistics.ts";
import type { Bytes, Layer, Model, Site, Step, Technique } from "./store.ts";

/** A parameter that would be modified. */
export interface PlannedParameter {
  readonly name: string;
  readonly layer: string;
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly bytes: number;
  /** Bytes held for this parameter alone, shared buffers not included. */
  readonly heldBytes: number;
  /** One line per modification that applies to it, in order. */
  readonly modifications: readonly string[];
}

/** The answer of `planTheater`. All figures are bytes, beyond the model itself. */
export interface Plan {
  readonly technique: Technique;
  /** Held while the theater is open. */
  readonly heldBytes: number;
  /** Needed on top for a moment while opening, for one parameter at a time. */
  readonly transientBytes: number;
  /** Estimate of what the engine allocates itself at the first use of modified parameters (wasm: packed weights). */
  readonly engineBytes: number;
  /** `heldBytes + transientBytes + engineBytes`: what `budget` is compared with. */
  readonly peakBytes: number;
  /** Size of the parameters that would be modified. */
  readonly targetBytes: number;
  /** Size of the whole model: what a copy would hold. */
  readonly modelBytes: number;
  /** `modelBytes − heldBytes`: what is saved against a copy of the model. */
  readonly savedBytes: number;
  /** Whether modified parameters that something overwrites inside still come back. */
  readonly survivesWrites: boolean;
  /** One line per modification. */
  readonly modifications: readonly string[];
  /** What would be modified, in the model's order. */
  readonly parameters: readonly PlannedParameter[];
  /** What a selection matched but leaves out, and why. */
  readonly leftOut: readonly LeftOut[];
  /** The model's layers: `layers: i` selects the i-th of these. */
  readonly layers: readonly string[];
}

/** A parameter to modify and the steps to show on it. */
export interface Target<T> {
  readonly site: Site<T>;
  readonly layer: Layer<T>;
}

interface Chosen<T> {
  readonly bySite: ReadonlyMap<Site<T>, readonly Modification<unknown>[]>;
  readonly leftOut: readonly LeftOut[];
}

/**
 * Adds up what is taken in this order: held once each, shared buffers once per key, and on top of what is held in
 * the end whatever the worst moment on the way needed.
 */
export function totalBytes(all: Iterable<Bytes>): { readonly held: number; readonly transient: number } {
  const shared = new Set<string>();
  let held = 0;
  let peak = 0;
  for (const bytes of all) {
    held += bytes.held;
    for (const [key, size] of bytes.shared) {
      if (!shared.has(key)) held += size;
      shared.add(key);
    }
    peak = Math.max(peak, held + bytes.transient);
  }
  return { held, transient: Math.max(0, peak - held) };
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
        ? select(selectable, request.layers ?? "attention")
        : undefined;
    const named = wanted === "attention" ? undefined : selectNames(selectable, wanted, modification.type);
    if (named !== undefined && chosen !== undefined) {
      const missing = [...named].filter(
        (parameter) => !isStatistic(parameter) && !chosen.selected.has(parameter),
      );
      if (missing.length > 0) {
        throw new LayersError(
          "incomplete",
          `layers leaves out ${listed(missing.map(({ name }) => name))}, which ${modification.type} has values for: ` +
            "part of an average is neither model. The model is unchanged. Leave layers out, or give fewer values.",
        );
      }
    }
    for (const site of model.sites) {
      if ((named ?? chosen!.selected).has(site.parameter)) {
        bySite.set(site, [...(bySite.get(site) ?? []), modification]);
      }
    }
    for (const entry of named === undefined ? chosen!.leftOut : []) leftOut.set(entry.name, entry);
  }
  const targeted = new Set([...bySite.keys()].map(({ parameter }) => parameter.name));
  return { bySite, leftOut: [...leftOut.values()].filter(({ name }) => !targeted.has(name)) };
}

function operandOf<T>(step: Step<T>): T | undefined {
  if (step.op === "replace" && step.by.kind === "values") return step.by.of;
  return step.op === "add" && step.delta.kind === "values" ? step.delta.of : undefined;
}

function* lower<T>(
  site: Site<T>,
  modifications: readonly Modification<unknown>[],
  request: Request,
  readFacts: boolean,
): Operation<Layer<T>> {
  const steps: Step<T>[] = [];
  const { parameter } = site;
  for (const modification of modifications) {
    const kind = kindOf(modification);
    let std = 1;
    if (readFacts && kind.needsStd(modification)) {
      // A theater may be open below: facts come from the original all the same.
      std = standardDeviation(yield* wait(slots.get(site.key)?.stage.read("original") ?? site.read()));
      if (!Number.isFinite(std)) {
        throw new ModificationError(
          "non_finite",
          parameter.name,
          `${modification.type}: the standard deviation of ${JSON.stringify(parameter.name)} is ${std}, because it ` +
            "holds NaN or infinity. The model is unchanged. Use an absolute std, or leave this parameter out.",
        );
      }
    }
    const lowered = kind.steps(modification, parameter, { seed: request.seed, std }) as readonly Step<T>[];
    for (const step of lowered) {
      const operand = operandOf(step);
      if (operand !== undefined) site.check(operand, `${modification.type}: the value for`);
      steps.push(step);
    }
  }
  return { steps };
}

/** What showing `layer` on top of what is open would add. */
function addedCost<T>({ site, layer }: Target<T>, technique: Technique): Bytes {
  const slot = slots.get(site.key);
  const below = layersOf(slot?.entries ?? []) as readonly Layer<T>[];
  const after = site.cost(slot?.technique ?? technique, [...below, layer]);
  return { ...after, held: after.held - site.cost(slot?.technique ?? technique, below).held };
}

function techniqueFor<T>(
  model: Model<T>,
  targets: readonly Target<T>[],
  request: Request,
  extra: number,
): Technique {
  const offered = model.sites[0]!.offers.filter((each) =>
    targets.every(({ site }) => site.offers.includes(each)),
  );
  const candidates =
    request.technique === "auto" ? offered : offered.filter((each) => each === request.technique);
  if (candidates.length === 0) {
    throw new UnsupportedError(
      "technique",
      `technique ${JSON.stringify(request.technique)} is not offered for ${model.kind}. The model is unchanged. ` +
        `Offered: ${offered.join(", ")}.`,
    );
  }
  const needs = candidates.map((technique) => {
    const { held, transient } = totalBytes(targets.map((target) => addedCost(target, technique)));
    return { technique, bytes: held + transient + extra };
  });
  const fitting = needs.find(({ bytes }) => bytes <= request.budget);
  if (fitting === undefined) {
    throw new UnsupportedError(
      "over_budget",
      `No technique fits the budget of ${formatBytes(request.budget)}: ` +
        `${needs.map(({ technique, bytes }) => `${technique} needs ${formatBytes(bytes)} (${bytes} bytes)`).join(", ")}. ` +
        "The model is unchanged. Raise budget, or select fewer layers.",
    );
  }
  return fitting.technique;
}

/**
 * Everything about an opening but the opening: selection, steps, technique, bytes.
 *
 * @param readFacts - whether to read what modifications need to know from the parameters; a plan can do without
 */
export function* prepare<T>(
  model: Model<T>,
  request: Request,
  readFacts: boolean,
): Operation<{ readonly plan: Plan; readonly targets: readonly Target<T>[] }> {
  if (model.sites.length === 0) {
    throw new LayersError("no_match", `This ${model.kind} has no parameters. Has it been built?`);
  }
  const { bySite, leftOut } = choose(model, request);
  const targets: Target<T>[] = [];
  for (const site of model.sites) {
    const modifications = bySite.get(site);
    if (modifications === undefined) continue;
    targets.push({ site, layer: yield* lower(site, modifications, request, readFacts) });
  }
  const engineBytes = model.engineBytes(new Map(targets.map(({ site, layer }) => [site, [layer]])));
  const technique = techniqueFor(model, targets, request, engineBytes);
  const costs = targets.map((target) => addedCost(target, technique));
  const { held, transient } = totalBytes(costs);
  const modelBytes = model.sites.reduce((sum, { parameter }) => sum + parameter.bytes, 0);
  const describe = (each: Modification<unknown>): string => kindOf(each).describe(each, request.seed);
  const plan: Plan = {
    technique,
    heldBytes: held,
    transientBytes: transient,
    engineBytes,
    peakBytes: held + transient + engineBytes,
    targetBytes: targets.reduce((sum, { site }) => sum + site.parameter.bytes, 0),
    modelBytes,
    savedBytes: modelBytes - held,
    // Both techniques keep the original itself, so what is visible may be overwritten.
    survivesWrites: true,
    modifications: request.modifications.map(describe),
    parameters: targets.map(({ site }, i) => {
      const { name, layer, shape, dtype, bytes } = site.parameter;
      const heldBytes = costs[i]!.held;
      return { name, layer, shape, dtype, bytes, heldBytes, modifications: bySite.get(site)!.map(describe) };
    }),
    leftOut,
    layers: model.layers,
  };
  return { plan, targets };
}
