/** What goes wrong, what is said about it, and that all bits are back. */
import * as tf from "@tensorflow/tfjs";
// In a project of your own: from "surgical-theater/tfjs".
import { custom, scale, SurgicalTheaterError, withTheater, withTheaterAsync } from "../../src/tfjs.ts";
import type { Subject } from "../basic-usage/subject.ts";
import { batches } from "../digits/digits.ts";
import type { Checks } from "../support/checks.ts";
import { digestOfModel } from "../support/digest.ts";
import { yes } from "../support/table.ts";

const all = { modification: scale(0.5), layers: "all" } as const;

/** What is done, and the error that it must end with: its `code`, or its name where it is not the library's. */
interface Failure {
  readonly what: string;
  readonly expected: string;
  run(): unknown;
}

export async function failInAllWays(subject: Subject, checks: Checks): Promise<void> {
  const { model } = subject;
  for (const { what, expected, run } of failuresOf(subject, checks)) {
    const before = digestOfModel(model);
    const error = await thrownBy(run);
    const isBack = digestOfModel(model) === before;
    const code = error instanceof SurgicalTheaterError ? error.code : undefined;
    console.log(`${what}
${wrapped(`${error.name}${code === undefined ? "" : ` (${code})`}: ${error.message}`)}
    all bits back: ${yes(isBack)}`);
    checks.that((code ?? error.name) === expected, `${what}: another error than ${expected}`);
    checks.that(isBack, `${what}: the model is not what it was`);
  }
}

function failuresOf({ model, training, validate }: Subject, checks: Checks): readonly Failure[] {
  const trained = digestOfModel(model);
  return [
    {
      what: "The validation throws, in the middle of the theater",
      expected: "RangeError",
      run: () =>
        withTheater(model, all, () => {
          validate();
          checks.that(digestOfModel(model) !== trained, "nothing was modified before the validation threw");
          throw new RangeError("label 10 is not a digit");
        }),
    },
    {
      what: "Opening fails half way: a custom function throws on its third parameter",
      expected: "modification_threw",
      run() {
        let calls = 0;
        const modification = custom((weight: tf.Tensor) => {
          calls++;
          if (calls < 3) return tf.neg(weight);
          checks.that(digestOfModel(model) !== trained, "nothing was modified before the function threw");
          throw new Error("no delta for this one");
        });
        return withTheater(model, { ...all, modification }, validate);
      },
    },
    {
      what: "A training step inside",
      expected: "written_inside",
      run: () => withTheaterAsync(model, all, () => trainOnce(model, training)),
    },
    {
      what: "A layer that is not there",
      expected: "unknown_name",
      run: () => withTheater(model, { ...all, layers: "hiden" }, validate),
    },
    {
      what: "No layers given, and a model without attention",
      expected: "no_attention",
      run: () => withTheater(model, { modification: scale(0.5) }, validate),
    },
    {
      what: "More bytes than the budget",
      expected: "over_budget",
      run: () => withTheater(model, { ...all, budget: 10_000 }, validate),
    },
  ];
}

async function trainOnce(model: tf.LayersModel, digits: Subject["training"]): Promise<void> {
  const { images, labels } = batches(digits, 32).next().value;
  await model.trainOnBatch(images, labels);
  tf.dispose([images, labels]);
}

async function thrownBy(run: () => unknown): Promise<Error> {
  try {
    await run();
  } catch (error) {
    if (error instanceof Error) return error;
    throw error;
  }
  return new Error("nothing was thrown");
}

/** Lines of up to 110 characters, indented. */
function wrapped(text: string): string {
  return text.replace(/(.{1,106})(?: |$)/g, "    $1\n").trimEnd();
}
