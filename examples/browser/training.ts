/** One training with `fit`: plain, validated in between, or validated and examined. The same steps each time. */
import * as tf from "@tensorflow/tfjs";
// In a project of your own: from "surgical-theater/tfjs".
import { noise, scale, type ValidateEvery, validateEvery } from "../../src/tfjs.ts";
import type { Digits } from "../digits/digits.ts";
import { changesBetween, type Evidence, examine } from "./evidence.ts";
import { createModel } from "./model.ts";
import type { Compared, Round, Ticks } from "./results.ts";

const batchSize = 16;
const epochs = 3;
const every = 10;
const tickMs = 10;

/** Digits to train on: 20 batches an epoch. */
export const trainingCount = 320;
export const steps: number = (epochs * trainingCount) / batchSize;

/** Told of each step. */
export type OnStep = (step: number) => void;

/** One validation each: the same loss, of two other sets of weights. */
interface Validations {
  readonly noisy: ValidateEvery<number>;
  readonly scaled: ValidateEvery<number>;
}

/** An ordinary validation, which knows no theater: the loss on held-out digits. */
async function lossOf(model: tf.LayersModel, { images, labels }: Digits): Promise<number> {
  const loss = model.evaluate(images, labels, { batchSize: images.shape[0] }) as tf.Scalar;
  const [value] = await loss.data();
  loss.dispose();
  return value!;
}

function validationsOn(heldOut: Digits): Validations {
  const loss = ({ model }: { readonly model: tf.LayersModel }): Promise<number> => lossOf(model, heldOut);
  return {
    noisy: validateEvery(every, loss, {
      modification: noise({ std: 0.1, seed: 1 }),
      layers: "all",
      technique: "swap",
    }),
    scaled: validateEvery(every, loss, { modification: scale(0.8), layers: "all", technique: "stream" }),
  };
}

/**
 * Calls a function after each step. Unlike functions given to `fit` it reads no losses back from the device, and does
 * not let the page go on: what does is the library's own callback.
 */
class AfterStep extends tf.CustomCallback {
  readonly #fn: (step: number, model: tf.LayersModel) => void | Promise<void>;
  #model: tf.LayersModel | undefined;
  #step = 0;

  constructor(fn: (step: number, model: tf.LayersModel) => void | Promise<void>) {
    super({}, "never");
    this.#fn = fn;
  }

  override setModel(model: Parameters<tf.CustomCallback["setModel"]>[0]): void {
    this.#model = model as tf.LayersModel;
  }

  override async onBatchEnd(): Promise<void> {
    await this.#fn(++this.#step, this.#model!);
  }
}

/** Starts a timer, and counts how often it gets its turn. */
function startTicking(): () => Ticks {
  let [count, longestGapMs, last] = [0, 0, performance.now()];
  const tick = (): void => {
    const now = performance.now();
    longestGapMs = Math.max(longestGapMs, now - last);
    last = now;
    count++;
  };
  const timer = setInterval(tick, tickMs);
  return () => {
    clearInterval(timer);
    return { count, longestGapMs };
  };
}

/** Trains a new model: the digest of what comes out, and how a timer fared meanwhile. */
async function train(
  { images, labels }: Digits,
  callbacks: tf.CustomCallback[],
): Promise<{ readonly digest: string; readonly ticks: Ticks }> {
  const model = createModel();
  const stopTicking = startTicking();
  await model.fit(images, labels, { batchSize, epochs, shuffle: false, callbacks });
  const ticks = stopTicking();
  const { digest } = await examine(model);
  model.dispose();
  return { digest, ticks };
}

/** Trains without validations; the digest of what comes out. */
export async function trainPlain(training: Digits, onStep: OnStep): Promise<string> {
  const { digest } = await train(training, [new AfterStep(onStep), new tf.CustomCallback({})]);
  return digest;
}

/** Trains as {@link trainPlain}, and validates noisy and scaled weights every 10 steps. */
export async function trainValidated(
  training: Digits,
  heldOut: Digits,
  onStep: OnStep,
): Promise<Validations & { readonly digest: string; readonly ticks: Ticks }> {
  const validations = validationsOn(heldOut);
  const trained = await train(training, [new AfterStep(onStep), validations.noisy, validations.scaled]);
  return { ...validations, ...trained };
}

/** Trains as {@link trainValidated}, and looks closely at the model before and after each validation. */
export async function trainExamined(
  training: Digits,
  heldOut: Digits,
  onStep: OnStep,
): Promise<Validations & { readonly digest: string; readonly rounds: Round[]; readonly compared: Compared }> {
  const { noisy, scaled } = validationsOn(heldOut);
  const plain: number[] = [];
  const changes: string[] = [];
  let before: Evidence | undefined;
  let times = 0;

  const beginning = new AfterStep(async (step, model) => {
    if (step % every !== 0) return;
    plain.push(await lossOf(model, heldOut));
    before = await examine(model);
  });
  const after = (what: string): AfterStep =>
    new AfterStep(async (step, model) => {
      if (step % every !== 0) return;
      const now = await examine(model);
      changes.push(...changesBetween(before!, now).map((change) => `step ${step}, ${what}: ${change}`));
      before = now;
      times++;
    });
  const { digest } = await train(training, [
    new AfterStep(onStep),
    beginning,
    noisy,
    after("noisy"),
    scaled,
    after("scaled"),
  ]);

  const rounds = plain.map((value, i): Round => {
    const { step, result } = noisy.history[i]!;
    return { step, plain: value, noisy: result, scaled: scaled.history[i]!.result };
  });
  const buffers = before!.buffers.filter((buffer) => buffer !== undefined && buffer !== null).length;
  return {
    noisy,
    scaled,
    digest,
    rounds,
    compared: { tensors: before!.dataIds.length, buffers, times, changes },
  };
}
