/** What the example prints. */
// In a project of your own: from "surgical-theater".
import { formatBytes } from "../../src/index.ts";
import { median } from "../support/statistics.ts";
import { formatTable, percent, yes } from "../support/table.ts";
import { areEqual, cameBack } from "./expectations.ts";
import type { Cost } from "./formats.ts";
import type { Memory } from "./memory.ts";
import type { Score } from "./model.ts";
import type { Validation } from "./validate.ts";

const accuracyAndLoss = ({ accuracy, loss }: Score): string => `${percent(accuracy)}, ${loss.toFixed(4)}`;

/** Losses to the last digit: two that are printed alike are the same number. */
export function formatCosts(costs: readonly Cost[]): string {
  return formatTable(1, [
    ["format", "weights", "accuracy", "quantize() says: loss", "quantized: loss", "equal"],
    ...costs.map(({ format, bytes, said, found }) => [
      format,
      formatBytes(bytes),
      percent(found.accuracy),
      String(said.loss),
      String(found.loss),
      yes(areEqual(said, found)),
    ]),
  ]);
}

/** `0.52`, or `0.50–0.57` where parameters differ. */
function range(values: readonly number[], digits: number): string {
  const [least, most] = [Math.min(...values).toFixed(digits), Math.max(...values).toFixed(digits)];
  return least === most ? least : `${least}–${most}`;
}

/** The relative error, and the share of codes that moved. */
function formatRealised({ realised }: Validation): readonly [error: string, moved: string] {
  const all = [...realised.values()];
  if (all.length === 0) return ["–", "–"];
  const error = all.map(({ relativeError }) => relativeError);
  const moved = all.map(({ movedCodes }) => 100 * movedCodes);
  return [range(error, 2), `${range(moved, 0)} %`];
}

/** How often all bytes came back, of how many theaters. */
function formatBack({ digests: { before, after } }: Validation): string {
  return `${after.filter((each) => each === before).length} of ${after.length}`;
}

export function formatValidations(validations: readonly Validation[]): string {
  return formatTable(2, [
    [
      "digits",
      "shown",
      "accuracy, loss",
      "asked, in float32",
      "error",
      "moved",
      "held",
      "open / close, ms",
      "back",
    ],
    ...validations.map((validation) => {
      const { view, shown, asked, receipts } = validation;
      const medianOf = (key: "openMs" | "closeMs"): string =>
        median(receipts.map((receipt) => receipt[key])).toFixed(1);
      return [
        view.digits,
        view.name,
        accuracyAndLoss(shown),
        accuracyAndLoss(asked),
        ...formatRealised(validation),
        formatBytes(receipts[0]!.heldBytes),
        `${medianOf("openMs")} / ${medianOf("closeMs")}`,
        formatBack(validation),
      ];
    }),
  ]);
}

/** Models that have no table of their own: the last view alone, in which an adapter is merged. */
export function formatMerged(models: Readonly<Record<string, readonly Validation[]>>): string {
  return formatTable(1, [
    ["format", "LoRA merged", "asked, in float32", "error", "moved", "all views came back"],
    ...Object.entries(models).map(([name, validations]) => {
      const merged = validations.at(-1)!;
      return [
        name,
        accuracyAndLoss(merged.shown),
        accuracyAndLoss(merged.asked),
        ...formatRealised(merged),
        yes(validations.every(cameBack)),
      ];
    }),
  ]);
}

export function formatMemory(memory: readonly Memory[]): string {
  return formatTable(1, [
    ["shown", "theater, planned", "theater, measured", "copy of codes and scales", "dequantized copy"],
    ...memory.map(({ view, planned, measured, packed, floats }) => [
      view.name,
      ...[planned, measured, packed, floats].map(formatBytes),
    ]),
  ]);
}
