/** What a theater would do and hold, known before anything is touched. */
import type { Operation } from "./drive.ts";
import { LayersError, UnsupportedError } from "./errors.ts";
import type { LeftOut } from "./layers.ts";
import { kindOf } from "./modification.ts";
import type { Request } from "./options.ts";
import { formatBytes } from "./receipt.ts";
import { layersOf, slots } from "./slots.ts";
import type { Bytes, Layer, Model, Technique } from "./store.ts";
import { chooseTargets, type Target } from "./targets.ts";

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
  /** Whether modified (without a modification: watched) parameters that something overwrites inside come back. */
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

/** What showing `layer` on top of what is open would add. */
function addedCost<T>({ site, layer }: Target<T>, technique: Technique): Bytes {
  const slot = slots.get(site.key);
  const shown = slot === undefined ? [] : (layersOf(slot.entries) as readonly Layer<T>[]);
  return site.cost(slot?.technique ?? technique, shown, layer);
}

/** The first technique that fits the budget, and what each target adds under it. */
function techniqueFor<T>(
  model: Model<T>,
  targets: readonly Target<T>[],
  request: Request,
  extra: number,
): { readonly technique: Technique; readonly costs: readonly Bytes[] } {
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
    const costs = targets.map((target) => addedCost(target, technique));
    const { held, transient } = totalBytes(costs);
    return { technique, costs, held, transient, bytes: held + transient + extra };
  });
  const fitting = needs.find(({ bytes }) => bytes <= request.budget);
  if (fitting === undefined) {
    const listing = needs.map(
      ({ technique, held, transient, bytes }) =>
        `${technique} needs ${bytes} bytes (${held} held, ${transient} for a moment, ${extra} packed by the engine)`,
    );
    throw new UnsupportedError(
      "over_budget",
      `No technique fits the budget of ${formatBytes(request.budget)}: ${listing.join(", ")}. ` +
        "The model is unchanged. Raise budget, or select fewer layers.",
    );
  }
  return fitting;
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
    throw new LayersError(
      "no_match",
      `This ${model.kind} has no parameters. Nothing was changed. ${model.emptyHint}`,
    );
  }
  const { targets, leftOut } = yield* chooseTargets(model, request, readFacts);
  const engineBytes = model.engineBytes(new Map(targets.map(({ site, layer }) => [site, [layer]])));
  const { technique, costs } = techniqueFor(model, targets, request, engineBytes);
  const { held, transient } = totalBytes(costs);
  const modelBytes = model.sites.reduce((sum, { parameter }) => sum + parameter.bytes, 0);
  const described = new Map(
    request.modifications.map((each) => [each, kindOf(each).describe(each, request.seed)] as const),
  );
  const plan: Plan = {
    technique,
    heldBytes: held,
    transientBytes: transient,
    engineBytes,
    peakBytes: held + transient + engineBytes,
    targetBytes: targets.reduce((sum, { site }) => sum + site.parameter.bytes, 0),
    modelBytes,
    savedBytes: modelBytes - held,
    // Both techniques keep the original of what they modify; a mere watcher has one only where handles cost nothing.
    survivesWrites: model.watchesAll || targets.length > 0,
    modifications: [...described.values()],
    parameters: targets.map(({ site, modifications }, i) => {
      const { name, layer, shape, dtype, bytes } = site.parameter;
      const lines = modifications.map((each) => described.get(each)!);
      return { name, layer, shape, dtype, bytes, heldBytes: costs[i]!.held, modifications: lines };
    }),
    leftOut,
    layers: model.layers,
  };
  return { plan, targets };
}
