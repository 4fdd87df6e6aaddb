import { checkFinite, checkFloat32, type Kind, needsNothing } from "./kind.ts";

/** A modification that multiplies every element of a parameter by `factor`. */
export interface Scale {
  readonly type: "scale";
  readonly factor: number;
}

/**
 * Multiplies parameters by a constant: `w ← round(factor · w)`.
 *
 * The product is computed in float32 or wider and rounded to the parameter's dtype once; the factor itself is
 * never rounded to a dtype narrower than float32: 0.9 is not 0.8984 on bfloat16 parameters. What a product differs by may
 * still be less than the dtype has: 0.999 changes no bfloat16 weight.
 *
 * @param factor - any finite number
 * @throws TypeError, RangeError if `factor` is not a finite number
 * @example
 * const weights = { kernel: Float32Array.of(1, 2) };
 * withTheater(weights, { modification: scale(0.5), layers: "all" }, () => weights.kernel[0]); // 0.5
 */
export function scale(factor: number): Scale {
  const modification = { type: "scale", factor } as const;
  scaleKind.check(modification, undefined);
  return Object.freeze(modification);
}

export const scaleKind: Kind<Scale> = {
  properties: ["factor"],
  check: ({ factor }) => checkFinite("scale: factor", factor),
  describe: ({ factor }) => `scale(factor=${factor})`,
  targets: () => "attention",
  needs: () => needsNothing,
  steps({ factor }, parameter) {
    checkFloat32("scale: factor", factor, parameter);
    return [{ op: "scale", by: factor }];
  },
};
