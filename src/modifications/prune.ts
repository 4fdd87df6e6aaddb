import { describeValue } from "../errors.ts";
import { didYouMean } from "../hints.ts";
import { checkFinite, checkFloatParameter, checkOptionsObject, checkProperties, type Kind } from "./kind.ts";

/** A modification that sets the smallest weights to zero. */
export interface Prune {
  readonly type: "prune";
  /** Share of the weights to set to zero: from 0 to 1. */
  readonly sparsity: number;
  /** Whether the share is one of each parameter (default), or of all modified parameters together. */
  readonly over?: "parameter" | "targets";
}

/**
 * Magnitude pruning: sets the weights of smallest magnitude to +0.
 *
 * The threshold is the magnitude that a share `sparsity` of the original weights does not exceed, exactly. Weights as
 * large as the threshold are pruned too, so that ties can prune more.
 *
 * Source: Han et al., Learning both Weights and Connections for Efficient Neural Networks, 2015, arXiv 1506.02626.
 *
 * @param options - `sparsity` from 0 to 1; `over: "targets"` for one threshold for all modified parameters
 * @throws TypeError, RangeError for a sparsity outside 0 to 1, or another kind of `over`
 * @throws ModificationError when a theater opens: `non_finite` for a parameter that holds NaN; `dtype_mismatch` for
 *   an integer parameter
 * @example
 * const weights = { kernel: Float32Array.of(0.1, -0.2, 0.3, -0.4) };
 * withTheater(weights, { modification: prune({ sparsity: 0.5 }), layers: "all" }, () => [...weights.kernel]);
 * // [0, 0, 0.3, -0.4], as float32
 */
export function prune(options: Omit<Prune, "type">): Prune {
  checkOptionsObject("prune({ sparsity })", options);
  const modification = { ...options, type: "prune" } as const;
  checkProperties("prune", modification, pruneKind.properties);
  pruneKind.check(modification, undefined);
  return Object.freeze(modification);
}

/** Sets all values up to `threshold` in magnitude to +0. */
function pruneBelow(threshold: number, values: Float32Array | Float64Array): void {
  for (let i = 0; i < values.length; i++) if (Math.abs(values[i]!) <= threshold) values[i] = 0;
}

export const pruneKind: Kind<Prune> = {
  properties: ["sparsity", "over"],
  check({ sparsity, over }) {
    checkFinite("prune: sparsity", sparsity);
    if (sparsity < 0 || sparsity > 1) {
      throw new RangeError(`prune: sparsity must be from 0 to 1, got ${sparsity}. The model is unchanged.`);
    }
    if (over !== undefined && over !== "parameter" && over !== "targets") {
      const hint = typeof over === "string" ? didYouMean(over, ["parameter", "targets"]) : "";
      throw new TypeError(
        `prune: over must be "parameter" or "targets", got ${describeValue(over)}.${hint} The model is unchanged.`,
      );
    }
  },
  describe: ({ sparsity, over }) =>
    `prune(sparsity=${sparsity}${over === "targets" ? " of all targets together" : ""})`,
  targets: () => "attention",
  needs({ sparsity, over = "parameter" }, parameter) {
    checkFloatParameter("prune", parameter);
    return sparsity === 0 ? {} : { quantile: { of: sparsity, over } };
  },
  steps({ sparsity }, _, { facts }) {
    if (sparsity === 0) return [];
    const threshold = facts?.quantile ?? 0;
    // A share that is less than one weight.
    if (threshold < 0) return [];
    const derive = (values: Float32Array | Float64Array): void => pruneBelow(threshold, values);
    return [{ op: "replace", by: { kind: "derived", elementwise: true, derive } }];
  },
};
