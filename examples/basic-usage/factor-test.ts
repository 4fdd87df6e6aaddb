/** Part 2: how sensitive the model is to the size of its weights. One validation for each factor. */
// In a project of your own: from "surgical-theater/tfjs".
import { scale, withTheater } from "../../src/tfjs.ts";
import type { Checks } from "../support/checks.ts";
import { formatTable, percent } from "../support/table.ts";
import type { Subject } from "./subject.ts";

const factors = [0.5, 0.75, 0.9, 1, 1.1, 1.25, 1.5];

export function testFactors({ model, validate }: Subject, checks: Checks): void {
  const plain = validate();
  const trials = factors.map((factor) => {
    const score = withTheater(model, { modification: scale(factor), layers: "all" }, validate);
    return { factor, ...score };
  });

  console.log(
    formatTable(0, [
      ["factor", "loss", "against plain", "accuracy"],
      // To the last digit: two losses that are printed alike are the same number.
      ...trials.map(({ factor, loss, accuracy }) => [
        String(factor),
        String(loss),
        (loss - plain.loss).toFixed(4),
        percent(accuracy),
      ]),
    ]),
  );
  const losses = new Set(trials.map(({ loss }) => loss));
  checks.that(losses.size === factors.length, "two factors give the same loss");
  checks.that(
    trials.find(({ factor }) => factor === 1)!.loss === plain.loss,
    "factor 1 is not the model as it is",
  );
}
