/** All modifications: the union of their values, and the way from a value to its kind. */
import { describeValue } from "./errors.ts";
import { didYouMean } from "./hints.ts";
import { type Custom, customKind } from "./modifications/custom.ts";
import { type Disable, disableKind } from "./modifications/disable.ts";
import { type Interpolate, interpolateKind } from "./modifications/interpolate.ts";
import { checkProperties, type Kind } from "./modifications/kind.ts";
import { type Lora, loraKind } from "./modifications/lora.ts";
import { type Noise, noiseKind } from "./modifications/noise.ts";
import { type Prune, pruneKind } from "./modifications/prune.ts";
import { type Quantize, quantizeKind } from "./modifications/quantize.ts";
import { type Scale, scaleKind } from "./modifications/scale.ts";

/** What to do to parameters: a plain value. `T` is the store's array type. */
export type Modification<T> =
  | Scale
  | Noise
  | Disable
  | Prune
  | Quantize
  | Custom<T>
  | Interpolate<T>
  | Lora<T>;

const kinds: { readonly [type: string]: Kind<never> } = {
  scale: scaleKind,
  noise: noiseKind,
  disable: disableKind,
  prune: pruneKind,
  quantize: quantizeKind,
  custom: customKind,
  interpolate: interpolateKind,
  lora: loraKind,
};

/** The kind of a modification that {@link checkModification} has seen. */
export function kindOf(modification: Modification<unknown>): Kind<Modification<unknown>> {
  return kinds[modification.type] as unknown as Kind<Modification<unknown>>;
}

/** Throws TypeError or RangeError unless `value` is a modification that makes sense. */
export function checkModification(value: unknown, seed: number | undefined): void {
  if (typeof value !== "object" || value === null) {
    throw new TypeError(
      `modification must be made by scale, noise, disable, prune, quantize, custom, interpolate or lora, got ${describeValue(value)}. ` +
        "The model is unchanged.",
    );
  }
  const { type } = value as { type?: unknown };
  const kind = typeof type === "string" && Object.hasOwn(kinds, type) ? kinds[type]! : undefined;
  if (kind === undefined) {
    const hint = typeof type === "string" ? didYouMean(type, Object.keys(kinds)) : "";
    throw new TypeError(
      `modification: unknown type ${describeValue(type)}.${hint} The model is unchanged. ` +
        `Known types: ${Object.keys(kinds).join(", ")}.`,
    );
  }
  checkProperties(String(type), value, kind.properties);
  kind.check(value as never, seed);
}
