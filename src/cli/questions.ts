/** What people ask of a model first: the trials of a sweep that nobody has configured. */
import { ablation, formats, layerFactors, noiseLevels, sparsities } from "../sweep.ts";
import type { QuantizedFormat } from "../quantized/parameter.ts";
import type { Parameter } from "../store.ts";
import type { Trial } from "../sweep/trial.ts";

/** What people quantize: kernels, and no biases or gains. */
const isKernel = ({ shape }: Parameter): boolean => shape.length > 1;

/** Which layers matter, how much noise and pruning it stands, and what quantizing to `targets` would cost. */
export function standardTrials(
  layers: readonly string[],
  targets: readonly QuantizedFormat[],
): readonly Trial<never>[] {
  return [
    ...ablation(layers),
    ...layerFactors(layers, [0.5, 0.8, 1.25, 2]),
    ...noiseLevels({
      std: [0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 1],
      seeds: [1, 2, 3, 4, 5],
      relativeTo: "parameterStd",
      layers: "all",
    }),
    ...sparsities([0.25, 0.5, 0.75, 0.9]),
    ...formats(targets, { layers: isKernel }),
  ];
}
