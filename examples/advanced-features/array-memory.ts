/** What other weights hold in typed arrays: as a copy of all of them, and in a theater under each technique. */
// In a project of your own: from "surgical-theater".
import {
  Ema,
  formatBytes,
  interpolate,
  noise,
  type NumericArray,
  type Options,
  planTheater,
  scale,
  surgicalTheater,
} from "../../src/index.ts";
import type { Subject } from "../basic-usage/subject.ts";
import { bytesOf } from "../support/array-bytes.ts";
import type { Checks } from "../support/checks.ts";
import { digestOf } from "../support/digest.ts";
import { formatTable, percent, yes } from "../support/table.ts";
import { arraysOf } from "./arrays.ts";

const techniques = ["copy", "reversible"] as const;

export async function compareArrays({ model }: Subject, checks: Checks): Promise<void> {
  const arrays = arraysOf(model);
  const ema = new Ema(arrays, { decay: 0.9 });
  ema.update();
  const views: Readonly<Record<string, Options<NumericArray>>> = {
    "all × 0.9": { modification: scale(0.9), layers: "all" },
    "noise, 10 % of std": {
      modification: noise({ std: 0.1, relativeTo: "parameterStd", seed: 1 }),
      layers: "all",
    },
    averaged: { modification: interpolate(ema.weights) },
  };
  const digest = (): string => digestOf(...Object.values(arrays).map(({ data }) => data));
  const before = digest();
  const copy = await bytesOf(
    () => Object.values(arrays).map(({ data }) => data.slice()),
    (copied) => copied.splice(0),
  );
  const rows: string[][] = [];
  for (const [view, given] of Object.entries(views)) {
    for (const technique of techniques) {
      const options = { ...given, technique };
      const plan = planTheater(arrays, options);
      let held = 0;
      const measured = await bytesOf(
        () => surgicalTheater(arrays, options),
        (theater) => {
          held = theater.report().heldBytes;
          theater.close();
        },
      );
      const isBack = digest() === before;
      rows.push([
        view,
        technique,
        ...[plan.heldBytes, held, measured].map(formatBytes),
        percent(measured / copy),
        yes(isBack),
      ]);
      checks.that(isBack, `${view}, ${technique}: other bytes than before`);
      // Reversible parks a few bytes for each parameter, some of them where Node does not count.
      checks.that(
        Math.abs(measured - held) <= (technique === "copy" ? 0.01 : 0.25) * held,
        `${view}, ${technique}: says that it holds ${held} bytes, and holds ${measured}`,
      );
    }
  }
  console.log(`${formatTable(2, [
    ["shown", "technique", "planned", "reported", "measured", "of a copy", "bytes back"],
    ...rows,
  ])}

Copy      of all arrays: ${formatBytes(copy)}, measured`);
}
