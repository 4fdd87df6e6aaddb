/** Part 3: which layers matter. Each is disabled in turn. */
// In a project of your own: from "surgical-theater/tfjs".
import { disable, formatBytes, planTheater, type Receipt, withTheater } from "../../src/tfjs.ts";
import type { Checks } from "../support/checks.ts";
import { formatTable, percent } from "../support/table.ts";
import type { Subject } from "./subject.ts";

export function rankLayers({ model, validate }: Subject, checks: Checks): void {
  const plain = validate();
  // A plan opens nothing. It lists what would be modified: every layer that has weights.
  const { parameters } = planTheater(model, { modification: disable(), layers: "all" });
  const layers = [...new Set(parameters.map(({ layer }) => layer))];

  const ranking = layers
    .map((layer) => {
      const receipts: Receipt[] = [];
      const onReceipt = (receipt: Receipt): void => void receipts.push(receipt);
      const score = withTheater(model, { modification: disable(), layers: layer, onReceipt }, validate);
      return { layer, ...score, ...receipts[0]! };
    })
    .sort((one, other) => other.loss - one.loss);

  console.log(
    formatTable(1, [
      ["without", "loss", "against plain", "accuracy", "weights disabled", "held"],
      ...ranking.map(({ layer, loss, accuracy, targetBytes, heldBytes }) => [
        layer,
        loss.toFixed(4),
        (loss - plain.loss).toFixed(4),
        percent(accuracy),
        formatBytes(targetBytes),
        formatBytes(heldBytes),
      ]),
    ]),
  );
  checks.that(layers.length === 6, "not every layer that has weights was disabled");
  checks.each(
    ranking,
    ({ loss }) => loss !== plain.loss,
    "a layer was disabled, and the loss is what it was",
  );
  const losses = new Set(ranking.map(({ loss }) => loss));
  checks.that(losses.size === layers.length, "two layers disabled give the same loss");
  checks.each(ranking, ({ identical }) => identical, "a receipt says that bits differ");
}
