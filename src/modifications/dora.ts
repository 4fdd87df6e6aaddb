/**
 * Weight-decomposed adapters (DoRA): the parameter with its delta is scaled, output by output, to a learnt magnitude.
 *
 * Source: Liu et al., DoRA: Weight-Decomposed Low-Rank Adaptation, 2024, arXiv 2402.09353.
 */
import { ModificationError } from "../errors.ts";
import { matrixOf } from "../matrix.ts";
import type { LowRank, Parameter } from "../store.ts";

/** Host values of what the factors of DoRA depend on. */
export interface DoraValues {
  /** Of the unmerged base. */
  readonly original: ArrayLike<number>;
  readonly a: ArrayLike<number>;
  readonly b: ArrayLike<number>;
  readonly magnitude: ArrayLike<number>;
}

/** `‖original + scaling · b · a‖` of each output, over its inputs, in float64. */
function norms(
  { shape }: Parameter,
  { scaling, loraRank, layout }: LowRank<unknown>,
  { original, a, b }: DoraValues,
): Float64Array {
  const { outputs, inputs } = matrixOf(shape, layout);
  // Of the element for one output and one input.
  const [perOutput, perInput] = layout === "outIn" ? [inputs, 1] : [1, outputs];
  const delta = new Float64Array(inputs);
  return Float64Array.from({ length: outputs }, (_, output) => {
    delta.fill(0);
    for (let k = 0; k < loraRank; k++) {
      const factor = scaling * b[output * loraRank + k]!;
      for (let input = 0; input < inputs; input++) delta[input]! += factor * a[k * inputs + input]!;
    }
    let squares = 0;
    for (let input = 0; input < inputs; input++) {
      squares += (original[output * perOutput + input * perInput]! + delta[input]!) ** 2;
    }
    return Math.sqrt(squares);
  });
}

/**
 * What each output is scaled by once the delta is added: `magnitude / norm`, computed in float64 and rounded to
 * float32 once.
 *
 * @throws ModificationError `non_finite` for a norm of zero, or one or a quotient that is not finite
 */
export function doraFactors(
  parameter: Parameter,
  delta: LowRank<unknown>,
  values: DoraValues,
): Float32Array<ArrayBuffer> {
  const all = norms(parameter, delta, values);
  return Float32Array.from(all, (norm, output) => {
    const factor = Math.fround(values.magnitude[output]! / norm);
    if (Number.isFinite(factor) && Number.isFinite(norm)) return factor;
    throw new ModificationError(
      "non_finite",
      parameter.name,
      `lora: output ${output} of ${JSON.stringify(parameter.name)} with its delta has the norm ${norm} and the ` +
        `magnitude ${values.magnitude[output]}, and no finite number scales one to the other. The model is unchanged. ` +
        "Leave the parameter out, or its magnitude.",
    );
  });
}
