/** What using modified parameters needs, on top of what a theater holds. */
import type { Tensor } from "@tensorflow/tfjs-core";
import type { Shown, UseBytes } from "../../store.ts";
import { costOfUse } from "./cost.ts";
import { backendOf } from "./engine.ts";
import { packingOf } from "./packing.ts";
import type { Entry } from "./parameters.ts";

/**
 * The bytes of using `targets`. What is streamed is made for one kernel, or one recurrent layer, at a time: it is
 * taken that a layer's kernel uses all of the layer's modified parameters at once, the most that it can.
 */
export function useBytesOf(entries: readonly Entry[], targets: ReadonlyMap<Entry, Shown<Tensor>>): UseBytes {
  const together = new Map<unknown, { made: number; extra: number }>();
  for (const [{ parameter, tensor, loop }, { technique, layers }] of targets) {
    if (technique !== "stream") continue;
    const group = together.get(loop ?? parameter.layer) ?? { made: 0, extra: 0 };
    const { made, extra } = costOfUse(parameter, layers, backendOf(tensor).name);
    group.made += made;
    group.extra = Math.max(group.extra, extra);
    together.set(loop ?? parameter.layer, group);
  }
  const transient = Math.max(0, ...[...together.values()].map(({ made, extra }) => made + extra));
  return { transient, engine: packingOf(entries, targets) };
}
