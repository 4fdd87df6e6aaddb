import { type Kind, needsNothing } from "./kind.ts";

/** A modification that sets parameters to zero (zero-ablation). */
export interface Disable {
  readonly type: "disable";
}

/**
 * Sets parameters to +0: what does the model do without them?
 *
 * @example
 * const weights = { kernel: Float32Array.of(1, 2) };
 * withTheater(weights, { modification: disable(), layers: "kernel" }, () => weights.kernel[0]); // 0
 */
export function disable(): Disable {
  return Object.freeze({ type: "disable" });
}

export const disableKind: Kind<Disable> = {
  properties: [],
  check: () => {},
  describe: () => "disable()",
  targets: () => "attention",
  needs: () => needsNothing,
  steps: () => [{ op: "zero" }],
};
