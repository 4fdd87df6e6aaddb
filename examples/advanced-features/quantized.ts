/** A theater on a quantized parameter: codes and scales are modified as they are. More of it in examples/quantized. */
// In a project of your own: from "surgical-theater" and "surgical-theater/quantized".
import { formatBytes, noise, quantize, scale, surgicalTheater, withTheater } from "../../src/index.ts";
import { decodeQuantized, encodeQuantized } from "../../src/quantized.ts";
import type { Subject } from "../basic-usage/subject.ts";
import { digest } from "../quantized/validate.ts";
import type { Checks } from "../support/checks.ts";
import { digestOf } from "../support/digest.ts";
import { formatTable, percent, yes } from "../support/table.ts";
import { arraysOf } from "./arrays.ts";

const name = "hidden/kernel";
const format = "bnb-nf4";

export function modifyCodes({ model }: Subject, checks: Checks): void {
  const float = arraysOf(model)[name]!;
  // What quantizing would make of the weights, before anything is encoded; and what it made of them.
  const said = withTheater({ [name]: float }, { modification: quantize({ format }), layers: name }, () =>
    digestOf(float.data),
  );
  const kernel = encodeQuantized(float.data, float.shape, { format });
  const original = decodeQuantized(kernel);
  const isSame = said === digestOf(original);

  const quantized = { [name]: kernel };
  const before = digest(quantized);
  const half = digestOf(original.map((each) => each * 0.5));
  const modifications = {
    "× 0.5": scale(0.5),
    "noise, 40 % of std": noise({ std: 0.4, relativeTo: "parameterStd", seed: 1 }),
  };
  const rows = Object.entries(modifications).map(([shown, modification]) => {
    // The technique that takes the fewest bytes; `auto` does so from 64 kB on.
    const options = { modification, layers: name, technique: "reversible" } as const;
    const theater = surgicalTheater(quantized, options);
    const { heldBytes, realised } = theater.report();
    const decoded = digestOf(decodeQuantized(kernel));
    theater.close();
    const isBack = digest(quantized) === before;
    return { shown, heldBytes, decoded, isBack, ...realised.get(name)! };
  });

  const codes = kernel.codes.byteLength;
  console.log(`${name}: ${formatBytes(float.data.byteLength)} as float32, ${formatBytes(codes)} of NF4 codes and scales beside them;
quantize() showed on float32 what the codes decode to: ${yes(isSame)}

${formatTable(1, [
  ["shown", "held", "lost to the grid", "codes moved", "bytes back"],
  ...rows.map(({ shown, heldBytes, relativeError, movedCodes, isBack }) => [
    shown,
    formatBytes(heldBytes),
    percent(relativeError),
    percent(movedCodes),
    yes(isBack),
  ]),
])}`);
  checks.that(isSame, "quantize() shows something else than is encoded");
  checks.each(rows, ({ isBack }) => isBack, "a quantized parameter has other bytes than before");
  checks.that(rows[0]!.decoded === half, "half of the scales does not show half of the weights");
  checks.that(rows[1]!.movedCodes > 0.5, "noise above the grid does not show");
}
