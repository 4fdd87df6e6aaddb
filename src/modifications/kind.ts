/**
 * What each kind of modification provides. A modification itself is a plain readonly value; everything that
 * can be done with it hangs on its kind.
 */
import { describeValue, ModificationError } from "../errors.ts";
import { didYouMean } from "../hints.ts";
import type { Parameter, Step } from "../store.ts";

/** What a modification may know when it is lowered to steps. */
export interface Context {
  /** The theater's seed, for modifications without their own. */
  readonly seed: number | undefined;
  /** Standard deviation of the original parameter, when the kind asked for it. */
  readonly std: number;
}

/** Everything about one type of modification `M`. */
export interface Kind<M> {
  /** Property names beside `type`. */
  readonly properties: readonly string[];
  /** Throws TypeError or RangeError for a value that makes no sense. */
  check(modification: M, seed: number | undefined): void;
  /** One line for reports: `scale(factor=0.9)`. */
  describe(modification: M, seed: number | undefined): string;
  /** What it applies to when `layers` is not given: a selection, or exactly these names. */
  targets(modification: M): "attention" | readonly string[];
  /** Whether {@link Context.std} must be read from the parameter. */
  needsStd(modification: M): boolean;
  /** Lowers it to steps for one parameter. */
  steps(modification: M, parameter: Parameter, context: Context): readonly Step<unknown>[];
}

/** Throws unless `value` is a finite number. `what` is the start of the message: `scale: factor`. */
export function checkFinite(what: string, value: unknown): asserts value is number {
  if (typeof value !== "number") {
    throw new TypeError(`${what} must be a number, got ${describeValue(value)}. The model is unchanged.`);
  }
  if (!Number.isFinite(value)) {
    throw new RangeError(`${what} must be finite, got ${value}. The model is unchanged.`);
  }
}

/** Throws for a property that the kind does not have: a misspelt one would be ignored. */
export function checkProperties(type: string, value: object, known: readonly string[]): void {
  for (const key of Object.keys(value)) {
    if (key === "type" || known.includes(key)) continue;
    throw new TypeError(
      `${type}: unknown property ${JSON.stringify(key)}.${didYouMean(key, known)} The model is unchanged.`,
    );
  }
}

/**
 * Throws where arithmetic on a parameter is in float32 and `value`, or `margin` times it, is infinite there.
 *
 * @throws ModificationError `non_finite`
 */
export function checkFloat32(what: string, value: number, { name, dtype }: Parameter, margin = 1): void {
  if (!/^(float32|float16|bfloat16)$/.test(dtype) || Number.isFinite(Math.fround(margin * value))) return;
  throw new ModificationError(
    "non_finite",
    name,
    `${what} ${value} is too large for float32, in which ${JSON.stringify(name)} is computed. ` +
      "Every parameter is as it was before the call.",
  );
}
