/** The demo: a digit classifier in typed arrays, trained in seconds, and the questions that one would ask of it. */
import { Ema, store } from "../../index.ts";
import { type AnySweep, adapters, averages, checkSweep, defineSweep } from "../../sweep.ts";
import { quantizedFormats } from "../../quantized.ts";
import { standardTrials } from "../questions.ts";
import { trainAdapter } from "./adapter.ts";
import { moved, readDigits } from "./digits.ts";
import { createNetwork, zeroNetwork } from "./network.ts";
import { evaluate, trainEpoch } from "./train.ts";

const epochs = 20;
const ranks = [1, 2, 4, 8] as const;

/** Trains the classifier, its average and its adapters, the same each time. `onEpoch` hears of each pass. */
export function demoSweep(onEpoch: (line: string) => void): AnySweep {
  const { training, heldOut } = readDigits();
  const network = createNetwork();
  const velocity = zeroNetwork();
  const ema = new Ema(network, { decay: 0.98 });
  for (let epoch = 1; epoch <= epochs; epoch++) {
    trainEpoch(network, velocity, training, epoch, () => ema.update());
    if (epoch % 5 === 0) {
      const accuracy = (100 * evaluate(network, heldOut).accuracy).toFixed(1);
      onEpoch(`epoch ${epoch} of ${epochs}: ${accuracy} % of held-out digits are right`);
    }
  }
  const unseen = moved(heldOut);
  const movedTraining = moved(training);
  return checkSweep(
    defineSweep({
      name: "handwritten digits",
      store,
      model: network,
      evaluate: (shown) => ({
        ...evaluate(shown, heldOut),
        "accuracy on moved digits": evaluate(shown, unseen).accuracy,
      }),
      maximize: "accuracy",
      trials: ({ layers }) => [
        ...standardTrials(layers, quantizedFormats),
        ...averages({ "EMA 0.98": ema.weights }),
        ...ranks.flatMap((loraRank) =>
          adapters(
            { [`for moved digits, rank ${loraRank}`]: trainAdapter(network, movedTraining, loraRank) },
            { alpha: loraRank, loraRank, layout: "outIn" },
          ),
        ),
      ],
    }),
  );
}
