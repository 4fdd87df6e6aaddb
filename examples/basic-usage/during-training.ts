/** Part 1: a model is validated in the middle of its training, as it is and averaged. */
// In a project of your own: from "surgical-theater/tfjs".
import { interpolate, type Receipt, withTheater } from "../../src/tfjs.ts";
import { createModel } from "../digits/model.ts";
import type { Checks } from "../support/checks.ts";
import { digestOfModel } from "../support/digest.ts";
import { formatTable, percent, yes } from "../support/table.ts";
import type { Score, Subject } from "./subject.ts";
import { train } from "./training.ts";

const steps = 50;
const validateEvery = 10;

interface Round {
  readonly step: number;
  readonly trainingLoss: number;
  readonly plain: Score;
  readonly guarded: Score;
  readonly averaged: Score;
  readonly receipts: readonly Receipt[];
  /** Whether all weights had the same bits before and after the round. */
  readonly isSame: boolean;
}

export async function validateDuringTraining(subject: Subject, checks: Checks): Promise<void> {
  const { model, ema, training, validate } = subject;
  const rounds: Round[] = [];

  await train(model, training, steps, (step, trainingLoss) => {
    ema.update();
    if (step % validateEvery !== 0) return;
    const before = digestOfModel(model);
    const receipts: Receipt[] = [];
    const onReceipt = (receipt: Receipt): void => void receipts.push(receipt);

    const plain = validate();
    // Without a modification a theater is a guard: it proves that the validation changed nothing.
    const guarded = withTheater(model, { onReceipt }, validate);
    // The averages take the place of the weights, without a copy.
    const averaged = withTheater(model, { modification: interpolate(ema.weights), onReceipt }, validate);

    const isSame = digestOfModel(model) === before;
    rounds.push({ step, trainingLoss, plain, guarded, averaged, receipts, isSame });
  });

  // The same training without any validation.
  const other = createModel();
  await train(other, training, steps);
  const [validated, undisturbed] = [digestOfModel(model), digestOfModel(other)];
  other.dispose();

  const receipts = rounds.flatMap(({ receipts }) => receipts);
  const identical = receipts.filter((receipt) => receipt.identical);
  const mostHeld = Math.max(...receipts.map(({ heldBytes }) => heldBytes));
  console.log(`${formatRounds(rounds)}

Receipts  ${identical.length} of ${receipts.length} theaters gave back identical bits; the most that one held: ${mostHeld} bytes
SHA-256   ${validated} after this training
          ${undisturbed} after the same training without validations`);
  checks.that(rounds.at(-1)!.plain.accuracy > 0.9, "the model has not learnt to read digits");
  checks.each(
    rounds,
    ({ plain, guarded }) => plain.loss === guarded.loss,
    "a guard changes what a validation finds",
  );
  checks.each(
    rounds,
    ({ plain, averaged }) => plain.loss !== averaged.loss,
    "the averages show nothing else than the weights",
  );
  checks.each(rounds, ({ isSame }) => isSame, "a validation changed the weights");
  checks.that(identical.length === 2 * rounds.length, "a receipt says that bits differ");
  checks.that(mostHeld === 0, "a guard or an average holds something");
  checks.that(validated === undisturbed, "training with validations makes other weights than without");
}

function formatRounds(rounds: readonly Round[]): string {
  return formatTable(0, [
    [
      "step",
      "training loss",
      "plain: loss",
      "in a guard",
      "averaged",
      "accuracy, plain",
      "averaged",
      "bits back",
    ],
    ...rounds.map(({ step, trainingLoss, plain, guarded, averaged, isSame }) => [
      String(step),
      trainingLoss.toFixed(4),
      ...[plain, guarded, averaged].map(({ loss }) => loss.toFixed(6)),
      ...[plain, averaged].map(({ accuracy }) => percent(accuracy)),
      yes(isSame),
    ]),
  ]);
}
