/** The two trainings: of the base, and of the adapter on it. */
import { tree } from "@jax-js/jax";
import { Progress } from "../support/progress.ts";
import { Training } from "./adam.ts";
import { randomBatches, type Text } from "./data.ts";
import type { Gpt, Loss } from "./gpt.ts";
import type { LiveBytes } from "./live-bytes.ts";
import { type Adapter, adapterLoss } from "./lora.ts";
import type { Round, Validation } from "./validate.ts";

/** Characters that a model sees at a time, and how many such parts there are in a batch. */
export const context = 64;
const batchSize = 8;

const validateEvery = 10;
const seed = 1;

interface How {
  readonly loss: Loss;
  readonly text: Text;
  readonly steps: number;
}

/** Trains all parameters. They are given away, and the trained ones are the caller's. */
export async function trainBase(params: Gpt, { loss, text, steps }: How): Promise<Gpt> {
  using training = new Training(params, loss);
  using progress = new Progress("base", steps);
  const batches = randomBatches(text, batchSize, context, seed);
  for (let step = 1; step <= steps; step++) {
    const now = training.step(learningRate(step, steps, 3e-3), ...batches.next().value);
    await progress.update(step, `loss ${now.toFixed(3)}`);
  }
  return training.params;
}

/** Trains an adapter, which is given away, and validates it on the way. The trained one is the caller's. */
export async function fineTune(
  adapter: Adapter,
  { loss, text, steps }: How,
  validation: Validation,
  live: LiveBytes,
): Promise<{ readonly adapter: Adapter; readonly rounds: readonly Round[] }> {
  using training = new Training(adapter, adapterLoss(loss));
  using progress = new Progress("LoRA", steps);
  const batches = randomBatches(text, batchSize, context, seed);
  const rounds: Round[] = [];
  for (let step = 1; step <= steps; step++) {
    const rate = learningRate(step, steps, 8e-3);
    const now = training.step(rate, tree.ref(validation.base), ...batches.next().value);
    if (step % validateEvery === 0 || step === steps)
      rounds.push(validation.round(step, now, training.params, live));
    const latest = rounds.at(-1)?.inTheater.toFixed(3) ?? "–";
    await progress.update(step, `loss ${now.toFixed(3)}  validation ${latest}`);
  }
  return { adapter: training.params, rounds };
}

/** Up in the first steps, then down along a cosine. */
function learningRate(step: number, steps: number, highest: number): number {
  const up = Math.min(1, step / 20);
  const down = 0.5 + 0.5 * Math.cos((Math.PI * step) / steps);
  return highest * up * (0.1 + 0.9 * down);
}
