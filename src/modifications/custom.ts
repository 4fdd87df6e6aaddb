import { describeValue } from "../errors.ts";
import type { ParameterInfo } from "../step.ts";
import { checkProperties, type Kind, needsNothing } from "./kind.ts";

/** A modification computed by user code, once per parameter, at opening. */
export interface Custom<T> {
  readonly type: "custom";
  /** Gets a value that is its own to read; must return synchronously, with the same shape. */
  // A method, so that a function on one kind of typed array fits a store of several kinds.
  fn(value: T, info: ParameterInfo): T;
  /** What `fn` returns: modified − original (default), or the modified value. */
  readonly returns?: "delta" | "value";
}

/**
 * Modifies parameters by a function of your own.
 *
 * `fn` runs once per selected parameter, at opening, never on closing. It receives the parameter as it is
 * visible then (below: what earlier modifications and outer theaters made of it) and `{ name, shape, dtype,
 * index }`. What it does wrong never reaches the model: a throw in the middle rolls everything back, its
 * argument is a private copy or a lent tensor, and its result is checked; a tensor that it keeps remains its own. On typed
 * arrays float16 and bfloat16 arrive, and may be returned, as Float32Array.
 *
 * The modified value stays what it was at opening, also when a theater below closes first.
 *
 * Held in a variable of its own it needs its array type: `custom<tf.Tensor>(…)`, `custom<Float32Array>(…)`.
 *
 * @param fn - returns modified − original, or with `returns: "value"` the modified value
 * @throws TypeError if `fn` is not a function
 * @example
 * const weights = { kernel: Float32Array.of(1, -2) };
 * const relu = custom<Float32Array>((w) => w.map((x) => Math.max(x, 0)), { returns: "value" });
 * withTheater(weights, { modification: relu, layers: "all" }, () => weights.kernel[1]); // 0
 */
export function custom<T>(
  fn: (value: T, info: ParameterInfo) => T,
  options: { readonly returns?: "delta" | "value" } = {},
): Custom<T> {
  const modification: Custom<T> = { ...options, type: "custom", fn };
  checkProperties("custom", modification, customKind.properties);
  customKind.check(modification, undefined);
  return Object.freeze(modification);
}

export const customKind: Kind<Custom<unknown>> = {
  properties: ["fn", "returns"],
  check({ fn, returns }) {
    if (typeof fn !== "function") {
      throw new TypeError(`custom: fn must be a function, got ${describeValue(fn)}. The model is unchanged.`);
    }
    if (returns !== undefined && returns !== "delta" && returns !== "value") {
      throw new TypeError(
        `custom: returns must be "delta" or "value", got ${describeValue(returns)}. The model is unchanged.`,
      );
    }
  },
  describe: ({ fn }) => (fn.name === "" || fn.name === "fn" ? "custom()" : `custom(${fn.name})`),
  targets: () => "attention",
  needs: () => needsNothing,
  steps: (modification) => [
    {
      op: "replace",
      by: {
        kind: "computed",
        compute: (value, info) => modification.fn(value, info),
        returns: modification.returns ?? "delta",
      },
    },
  ],
};
