/**
 * What each kind of modification provides. A modification itself is a plain readonly value; everything that
 * can be done with it hangs on its kind.
 */
import { describeValue, ModificationError } from "../errors.ts";
import { didYouMean } from "../hints.ts";
import type { LowRank, Step } from "../step.ts";
import { isQuantizedFormat, type Parameter } from "../store.ts";

/** An array of a modification's own whose values are needed on the host. */
export interface NeededOperand {
  readonly value: unknown;
  /** It must have as many elements. */
  readonly shape: readonly number[];
  /** Begins messages about it: `lora: factor a for`. */
  readonly role: string;
}

/** Norms of the outputs of a parameter to which a low-rank delta is added. */
export interface NeededNorms {
  readonly delta: LowRank<unknown>;
  /** Which of the operands are its factors. */
  readonly a: number;
  readonly b: number;
}

/** What must be read before a modification can be lowered to the steps for one parameter. */
export interface Needs {
  /** The standard deviation of the original. */
  readonly std?: boolean;
  /** The norms of all outputs of the original with a delta. */
  readonly norms?: NeededNorms;
  /** The magnitude that this share of the original's values do not exceed. */
  readonly quantile?: { readonly of: number; readonly over: "parameter" | "targets" };
  readonly operands?: readonly NeededOperand[];
}

/** For kinds that need to know nothing. */
export const needsNothing: Needs = {};

/** What was read, as far as it was asked for: always of the original, also where another theater is open. */
export interface Facts {
  readonly std: number;
  readonly quantile: number;
  /** By output. */
  readonly norms: Float64Array;
  /** In the order of {@link Needs.operands}. Lent: not to be written. */
  readonly operands: readonly ArrayLike<number>[];
}

/** What a modification may know when it is lowered to steps. */
export interface Context {
  /** The theater's seed, for modifications without their own. */
  readonly seed: number | undefined;
  /** Undefined in a plan that does not read them: bytes do not depend on them, and ones stand for all of them. */
  readonly facts: Facts | undefined;
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
  /**
   * Which {@link Context.facts} must be read for one parameter.
   * Throws ModificationError for a parameter that it cannot modify.
   */
  needs(modification: M, parameter: Parameter): Needs;
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

/** Throws unless `options`, of a builder, are an object. `usage` is how they are given: `noise({ std, seed })`. */
export function checkOptionsObject(usage: string, options: unknown): void {
  if (typeof options === "object" && options !== null) return;
  throw new TypeError(
    `${usage}: the options must be an object, got ${describeValue(options)}. The model is unchanged.`,
  );
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
  const isFloat32 = /^(float32|float16|bfloat16)$/.test(dtype) || isQuantizedFormat(dtype);
  if (!isFloat32 || Number.isFinite(Math.fround(margin * value))) return;
  throw new ModificationError(
    "non_finite",
    name,
    `${what} ${value} is too large for float32, in which ${JSON.stringify(name)} is computed. ` +
      "Every parameter is as it was before the call.",
  );
}

/** Throws ModificationError `dtype_mismatch` for a parameter of integers. `what` begins the message. */
export function checkFloatParameter(what: string, { name, dtype }: Parameter): void {
  if (/^b?float/.test(dtype) || isQuantizedFormat(dtype)) return;
  throw new ModificationError(
    "dtype_mismatch",
    name,
    `${what}: ${JSON.stringify(name)} has dtype ${dtype}, and must be a floating-point or quantized parameter. ` +
      "The model is unchanged. Leave it out.",
  );
}
