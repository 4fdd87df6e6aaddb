/** What using modified parameters needs, on top of what a theater holds. */
import type { Tensor } from "@tensorflow/tfjs-core";
import type { Shown, UseBytes } from "../../store.ts";
import { costOfUse } from "./cost.ts";
import { backendOf } from "./engine.ts";
import { packingOf } from "./packing.ts";
import type { Entry } from "./parameters.ts";

/**
 * The bytes of using `targets`. What is streamed is made for one use at a time: all parameters that are used at once
 * are there together, and those that are kept until the model has run beside any of them.
 */
export function useBytesOf(entries: readonly Entry[], targets: ReadonlyMap<Entry, Shown<Tensor>>): UseBytes {
  const together = new Map<unknown, { made: number; extra: number }>();
  const kept = { made: 0, extra: 0 };
  for (const [{ parameter, tensor, usedBy }, { technique, layers }] of targets) {
    if (technique !== "stream") continue;
    const { made, extra } = costOfUse(parameter, layers, backendOf(tensor).name);
    const groups = usedBy?.map((key) => together.get(key) ?? { made: 0, extra: 0 });
    for (const group of groups ?? [kept]) {
      group.made += made;
      group.extra = Math.max(group.extra, extra);
    }
    for (const [i, key] of usedBy?.entries() ?? []) together.set(key, groups![i]!);
  }
  const most = Math.max(kept.extra, ...[...together.values()].map(({ made, extra }) => made + extra));
  return { transient: kept.made + most, engine: packingOf(entries, targets) };
}
