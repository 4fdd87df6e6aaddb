/**
 * Which layers of the digit classifier matter, how much noise does it stand, is its average better, and what would
 * quantizing or pruning cost?
 *
 * Run it with `npm run example:sweep`. Stop it with Ctrl-C, or kill it, and run it again: it goes on.
 */
// In a project of your own: from "surgical-theater/tfjs", and from "surgical-theater/sweep".
import { store } from "../../src/tfjs.ts";
import {
  ablation,
  averages,
  defineSweep,
  factors,
  formats,
  layerFactors,
  noiseLevels,
  sparsities,
} from "../../src/sweep.ts";
import { trainedDigits } from "./trained.ts";

const { model, averaged, accuracy } = await trainedDigits();

export default defineSweep({
  name: "digits",
  store,
  model,
  evaluate: () => accuracy(),
  maximize: "accuracy",
  trials: ({ layers }) => [
    ...ablation(layers),
    ...layerFactors(layers, [0.25, 0.5, 0.75, 1.25, 1.5, 2]),
    ...noiseLevels({
      std: [0.03, 0.1, 0.2, 0.3, 0.5, 0.75, 1],
      seeds: Array.from({ length: 13 }, (_, seed) => seed),
      relativeTo: "parameterStd",
    }),
    ...factors([0.25, 0.5, 0.75, 0.9, 1, 1.1, 1.25, 1.5, 2]),
    ...averages({ "EMA 0.97": averaged }),
    ...sparsities([0.25, 0.5, 0.75, 0.9]),
    ...formats(["bnb-int8", "bnb-nf4", "bnb-fp4"], { layers: ({ shape }) => shape.length > 1 }),
  ],
});
