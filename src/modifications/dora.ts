/**
 * Weight-decomposed adapters (DoRA): the parameter with its delta is scaled, output by output, to a learnt magnitude.
 *
 * Source: Liu et al., DoRA: Weight-Decomposed Low-Rank Adaptation, 2024, arXiv 2402.09353.
 */
import { ModificationError } from "../errors.ts";
import type { Parameter } from "../store.ts";

/**
 * What each output is scaled by once the delta is added: `magnitude / norm`, computed in float64 and rounded to
 * float32 once.
 *
 * @param norms - of the outputs of the unmerged base with the delta
 * @throws ModificationError `non_finite` for a norm of zero, or one or a quotient that is not finite
 */
export function doraFactors(
  { name }: Parameter,
  norms: ArrayLike<number>,
  magnitude: ArrayLike<number>,
): Float32Array {
  return Float32Array.from(norms, (norm, output) => {
    const factor = Math.fround(magnitude[output]! / norm);
    if (Number.isFinite(factor) && Number.isFinite(norm)) return factor;
    throw new ModificationError(
      "non_finite",
      name,
      `lora: output ${output} of ${JSON.stringify(name)} with its delta has the norm ${norm} and the ` +
        `magnitude ${magnitude[output]}, and no finite number scales one to the other. The model is unchanged. ` +
        "Leave the parameter out, or its magnitude.",
    );
  });
}
