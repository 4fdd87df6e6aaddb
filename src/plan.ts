/** What a theater would do and hold, known before anything is touched. */
import type { Operation } from "./drive.ts";
import { LayersError, UnsupportedError } from "./errors.ts";
import type { LeftOut } from "./layers.ts";
import { kindOf } from "./modification.ts";
import type { Request } from "./options.ts";
import { formatBytes } from "./receipt.ts";
import { layersOf, slots, techniqueInForce } from "./slots.ts";
import { isComputed } from "./step.ts";
import type { Bytes, Layer, Model, Shown, Site, Technique } from "./store.ts";
import { chooseTargets, type Target } from "./targets.ts";

/** A parameter that would be modified. */
export interface PlannedParameter {
  readonly name: string;
  readonly layer: string;
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly bytes: number;
  /** That of the plan, unless another theater modifies the parameter already: then its technique stays in force. */
  readonly technique: Technique;
  /** Bytes held for this parameter alone, shared buffers not included. */
  readonly heldBytes: number;
  /** One line per modification that applies to it, in order. */
  readonly modifications: readonly string[];
}

/** The answer of `planTheater`. All figures are bytes, beyond the model itself. */
export interface Plan {
  readonly technique: Technique;
  /** Held while the theater is open. Under `reversible` an estimate from a sample, ± 15 %; else exact. */
  readonly heldBytes: number;
  /** What `heldBytes` can be at most: more only where it is an estimate. */
  readonly mostHeldBytes: number;
  /**
   * Needed on top for a moment: while opening, for one parameter at a time; under `stream`, while a layer or a
   * kernel uses its modified parameters.
   */
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
export function totalBytes(all: Iterable<Bytes>): {
  readonly held: number;
  /** As `held`, at most. */
  readonly most: number;
  readonly transient: number;
} {
  const shared = new Set<string>();
  let held = 0;
  let uncertain = 0;
  let peak = 0;
  for (const bytes of all) {
    held += bytes.held;
    uncertain += (bytes.most ?? bytes.held) - bytes.held;
    for (const [key, size] of bytes.shared) {
      if (!shared.has(key)) held += size;
      shared.add(key);
    }
    peak = Math.max(peak, held + bytes.transient);
  }
  return { held, most: held + uncertain, transient: Math.max(0, peak - held) };
}

/** What showing `layer` on top of what is open would add, and how it would be shown. */
function addedTo<T>(
  { site, layer }: Target<T>,
  preferred: Technique,
): { readonly cost: Bytes; readonly shown: Shown<T> } {
  const slot = slots.get(site.key);
  const below = slot === undefined ? [] : (layersOf(slot.entries) as readonly Layer<T>[]);
  const technique = techniqueInForce(slot) ?? preferred;
  return {
    cost: site.cost(technique, below, layer),
    shown: { technique, layers: [...below, layer] },
  };
}

/** What a theater would need under one technique. */
interface Needs<T> {
  readonly technique: Technique;
  /** In the order of the targets. */
  readonly added: readonly { readonly cost: Bytes; readonly shown: Shown<T> }[];
  readonly held: number;
  readonly most: number;
  readonly transient: number;
  readonly engine: number;
}

function needsOf<T>(model: Model<T>, targets: readonly Target<T>[], technique: Technique): Needs<T> {
  const added = targets.map((target) => addedTo(target, technique));
  const opening = totalBytes(added.map(({ cost }) => cost));
  const use = model.useBytes(
    new Map<Site<T>, Shown<T>>(targets.map(({ site }, i) => [site, added[i]!.shown])),
  );
  // Before user code runs, the way back is secured for everything: kept whole where it could not be had otherwise.
  const secured =
    model.losesWrites(technique) && targets.some(({ layer }) => layer.steps.some(isComputed))
      ? targets.reduce((sum, { site }) => sum + site.parameter.bytes, 0)
      : 0;
  const transient = Math.max(opening.transient + secured, use.transient);
  const { held, most } = opening;
  return { technique, added, held, most, transient, engine: use.engine };
}

/** The techniques to try, in order. */
function candidatesFor<T>(
  model: Model<T>,
  targets: readonly Target<T>[],
  request: Request,
): readonly Technique[] {
  const { technique, onWrite } = request;
  if (technique === "auto") {
    const automatic = model.automatic(new Map(targets.map(({ site, layer }) => [site, layer])));
    return automatic.filter((each) => onWrite !== "discard" || !model.losesWrites(each));
  }
  if (!model.techniques.includes(technique)) {
    throw new UnsupportedError(
      "technique",
      `technique ${JSON.stringify(technique)} is not offered for ${model.kind}. The model is unchanged. ` +
        `Offered: ${model.techniques.join(", ")}.`,
    );
  }
  return [technique];
}

/** @throws UnsupportedError where a technique in force cannot keep what `onWrite: "discard"` promises */
function refuseLosing<T>(model: Model<T>, shown: readonly Shown<T>[], targets: readonly Target<T>[]): void {
  const at = shown.findIndex(({ technique }) => model.losesWrites(technique));
  if (at < 0) return;
  const name = JSON.stringify(targets[at]!.site.parameter.name);
  const { technique, layers } = shown[at]!;
  throw new UnsupportedError(
    "technique",
    `onWrite "discard" promises the original after a write, and ${technique} cannot bring back what is overwritten` +
      `${layers.length > 1 ? ` (another theater is open on ${name}, and its technique is in force)` : ` (${name})`}. ` +
      'The model is unchanged. Use technique "copy", or another onWrite.',
  );
}

/** The first technique that fits the budget. */
function techniqueFor<T>(model: Model<T>, targets: readonly Target<T>[], request: Request): Needs<T> {
  const candidates = candidatesFor(model, targets, request);
  const tooMuch: Needs<T>[] = [];
  for (const technique of candidates) {
    const needs = needsOf(model, targets, technique);
    if (needs.held + needs.transient + needs.engine <= request.budget) return needs;
    tooMuch.push(needs);
  }
  const listing = tooMuch.map(
    ({ technique, held, transient, engine }) =>
      `${technique} needs ${held + transient + engine} bytes (${held} held, ${transient} for a moment, ${engine} packed by the engine)`,
  );
  throw new UnsupportedError(
    "over_budget",
    `No technique fits the budget of ${formatBytes(request.budget)}: ${listing.join(", ")}. ` +
      "The model is unchanged. Raise budget, or select fewer layers.",
  );
}

/** A plan, and what it is about. */
export interface Prepared<T> {
  readonly plan: Plan;
  readonly targets: readonly Target<T>[];
}

/**
 * Everything about an opening but the opening: selection, steps, technique, bytes.
 *
 * @param readFacts - whether to read what modifications need to know from the parameters; a plan can do without
 */
export function* prepare<T>(
  model: Model<T>,
  request: Request,
  readFacts: boolean | "never",
): Operation<Prepared<T>> {
  if (model.sites.length === 0) {
    throw new LayersError(
      "no_match",
      `This ${model.kind} has no parameters. Nothing was changed. ${model.emptyHint}`,
    );
  }
  if (request.onSave !== undefined && !model.exports) {
    throw new TypeError(
      `onSave is about models that export themselves, and a ${model.kind} does not. Nothing was changed. Leave it out.`,
    );
  }
  const { targets, leftOut } = yield* chooseTargets(
    model,
    request,
    readFacts === true || (model.estimates && readFacts !== "never"),
  );
  const { technique, added, held, most, transient, engine } = techniqueFor(model, targets, request);
  const shown = added.map((each) => each.shown);
  if (request.onWrite === "discard") refuseLosing(model, shown, targets);
  const modelBytes = model.sites.reduce((sum, { parameter }) => sum + parameter.bytes, 0);
  const described = new Map(
    request.modifications.map((each) => [each, kindOf(each).describe(each, request.seed)] as const),
  );
  const plan: Plan = {
    technique,
    heldBytes: held,
    mostHeldBytes: most,
    transientBytes: transient,
    engineBytes: engine,
    peakBytes: held + transient + engine,
    targetBytes: targets.reduce((sum, { site }) => sum + site.parameter.bytes, 0),
    modelBytes,
    savedBytes: modelBytes - held,
    // A mere watcher has the original only where handles cost nothing.
    survivesWrites:
      (model.watchesAll || targets.length > 0) && !shown.some((each) => model.losesWrites(each.technique)),
    modifications: [...described.values()],
    parameters: targets.map(({ site, modifications }, i) => {
      const { name, layer, shape, dtype, bytes } = site.parameter;
      const lines = modifications.map((each) => described.get(each)!);
      const { cost, shown } = added[i]!;
      return {
        name,
        layer,
        shape,
        dtype,
        bytes,
        technique: shown.technique,
        heldBytes: cost.held,
        modifications: lines,
      };
    }),
    leftOut,
    layers: model.layers,
  };
  return { plan, targets };
}
