/** Two theaters, one inside the other, of which the outer one is closed first. */
// In a project of your own: from "surgical-theater/tfjs".
import { disable, scale, surgicalTheater, withTheater } from "../../src/tfjs.ts";
import type { Subject } from "../basic-usage/subject.ts";
import type { Checks } from "../support/checks.ts";
import { digestOfModel } from "../support/digest.ts";
import { formatTable } from "../support/table.ts";

const scaled = { modification: scale(0.5), layers: "all" } as const;
const withoutBlock = { modification: disable(), layers: "block_*" } as const;

interface Look {
  readonly loss: number;
  readonly weights: string;
}

export function closeOutOfOrder({ model, validate }: Subject, checks: Checks): void {
  const look = (): Look => ({ loss: validate().loss, weights: digestOfModel(model) });
  const alone = withTheater(model, withoutBlock, look);

  const none = look();
  const outer = surgicalTheater(model, scaled);
  const one = look();
  const inner = surgicalTheater(model, withoutBlock);
  const both = look();
  outer.close();
  const innerLeft = look();
  inner.close();
  const noneLeft = look();

  console.log(
    formatTable(1, [
      ["open", "loss", "SHA-256 of what is shown"],
      ...Object.entries({
        none: none,
        "all × 0.5": one,
        "all × 0.5, block disabled": both,
        "block disabled": innerLeft,
        "none any more": noneLeft,
        "for comparison, block disabled by itself": alone,
      }).map(([open, { loss, weights }]) => [open, String(loss), weights.slice(0, 8)]),
    ]),
  );
  const shown = new Set([none, one, both, alone].map(({ weights }) => weights));
  checks.that(shown.size === 4, "a theater does not show");
  checks.that(
    innerLeft.weights === alone.weights,
    "what is left is not what the inner theater shows by itself",
  );
  checks.that(noneLeft.weights === none.weights, "both are closed, and the model is not what it was");
}
