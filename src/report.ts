/** What an open theater tells about itself. */
import { type Operation, wait } from "./drive.ts";
import type { LeftOut } from "./layers.ts";
import { lostInside } from "./closing.ts";
import { totalBytes } from "./plan.ts";
import { slots } from "./slots.ts";
import { absoluteDifference } from "./statistics.ts";
import type { Realised, Technique } from "./store.ts";
import type { Open } from "./theater-state.ts";

/** The state of an open theater. All figures are bytes. */
export interface Report {
  readonly technique: Technique;
  /**
   * Held now on this theater's parameters, beyond the model itself; what other theaters on the same parameters
   * hold is included.
   */
  readonly heldBytes: number;
  /** Size of the modified parameters. */
  readonly targetBytes: number;
  /** Size of the whole model less `heldBytes`: what is saved against a copy of the model. */
  readonly savedBytes: number;
  /** One line per modification; a seed is part of it. */
  readonly modificationsSummary: readonly string[];
  /** Names of the modified parameters. */
  readonly selected: readonly string[];
  /** What a selection matched but leaves out, and why. */
  readonly leftOut: readonly LeftOut[];
  /** By name, how much of what was asked of quantized parameters their formats can show. */
  readonly realised: ReadonlyMap<string, Realised>;
}

/** What became of the quantized ones. */
function realisedOf<T>(targets: Open<T>["targets"]): ReadonlyMap<string, Realised> {
  const all = new Map<string, Realised>();
  for (const { site } of targets) {
    const realised = slots.get(site.key)?.stage.realised;
    if (realised !== undefined) all.set(site.parameter.name, realised);
  }
  return all;
}

/** How far one parameter is from its original now. */
export interface DeltaStatistics {
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly bytes: number;
  /** Mean of |visible − original|. */
  readonly meanAbsDelta: number;
  /** Largest |visible − original|. */
  readonly maxAbsDelta: number;
}

/** The report of an open theater. */
export function reportOf<T>({ plan, targets }: Open<T>): Report {
  const { held } = totalBytes(targets.flatMap(({ site }) => slots.get(site.key)?.stage.bytes() ?? []));
  return {
    technique: plan.technique,
    heldBytes: held,
    targetBytes: plan.targetBytes,
    savedBytes: plan.modelBytes - held,
    modificationsSummary: plan.modifications,
    selected: plan.parameters.map(({ name }) => name),
    leftOut: plan.leftOut,
    realised: realisedOf(targets),
  };
}

/** Delta statistics of every modified parameter, by name. */
export function* deltaStatisticsOf<T>({ targets }: Open<T>): Operation<ReadonlyMap<string, DeltaStatistics>> {
  const all = new Map<string, DeltaStatistics>();
  for (const { site } of targets) {
    const stage = slots.get(site.key)?.stage;
    if (stage === undefined) throw lostInside(site.parameter.name);
    const original = yield* wait(stage.read("original"));
    const visible = yield* wait(stage.read("visible"));
    const { name, shape, dtype, bytes } = site.parameter;
    all.set(name, { shape, dtype, bytes, ...absoluteDifference(original, visible) });
  }
  return all;
}
