/** Theaters that are closed, and averages that are set up or updated wrongly. */
import { LayersError, ModificationError, TheaterStateError } from "../../src/index.ts";
import { body, type Case } from "./cases.ts";

const half = { type: "scale", factor: 0.5 } as const;

const closed: readonly Case[] = [
  {
    name: "report() of a closed theater",
    run({ entry, model }) {
      const theater = entry.surgicalTheater(model, { modification: half, layers: "all" });
      theater.close();
      theater.report();
    },
    error: TheaterStateError,
    code: "closed",
    says: ["report", "this theater is closed", "theater.receipt", "before closing"],
    state: /shows nothing any more/,
  },
  {
    name: "deltaStatistics() of a closed theater",
    run({ entry, model }) {
      const theater = entry.surgicalTheater(model, { modification: half, layers: "all" });
      theater.close();
      return theater.deltaStatistics();
    },
    error: TheaterStateError,
    code: "closed",
    says: ["deltaStatistics", "this theater is closed", "theater.receipt", "before closing"],
    state: /shows nothing any more/,
  },
  {
    name: "report() of a theater closed asynchronously",
    async run({ entry, model }) {
      const theater = await entry.surgicalTheaterAsync(model, { modification: half, layers: "all" });
      await theater.close();
      theater.report();
    },
    error: TheaterStateError,
    code: "closed",
    says: ["report", "this theater is closed", "theater.receipt", "before closing"],
    state: /shows nothing any more/,
  },
];

const averages: readonly Case[] = [
  ...[1, -0.1].map((decay) => ({
    name: `a decay of ${decay}`,
    run: ({ entry, model }: Parameters<Case["run"]>[0]) => new entry.Ema(model, { decay }),
    error: RangeError,
    says: ["Ema: decay must be from 0 to below 1", `${decay}`],
    state: /Nothing was averaged|unchanged/,
  })),
  {
    name: "a decay of NaN",
    run: ({ entry, model }) => new entry.Ema(model, { decay: Number.NaN }),
    error: RangeError,
    says: ["Ema: decay must be from 0 to below 1", "NaN"],
    state: /Nothing was averaged/,
  },
  {
    name: "a decay as a string",
    run: ({ entry, model }) => new entry.Ema(model, { decay: "0.99" }),
    error: TypeError,
    says: ["Ema: decay must be a number", '"0.99"'],
    state: /Nothing was averaged/,
  },
  {
    name: "a misspelt option of an average",
    run: ({ entry, model }) => new entry.Ema(model, { decay: 0.99, biasCorrecton: false }),
    error: TypeError,
    says: ["Ema", '"biasCorrecton"', 'Did you mean "biasCorrection"?'],
    state: /Nothing was averaged/,
  },
  {
    name: "a bias correction that is not a boolean",
    run: ({ entry, model }) => new entry.Ema(model, { decay: 0.99, biasCorrection: "yes" }),
    error: TypeError,
    says: ["Ema: biasCorrection must be true or false"],
    state: /Nothing was averaged|unchanged/,
  },
  {
    name: "an average without options",
    run: ({ entry, model }) => new entry.Ema(model),
    error: TypeError,
    says: ["Ema", "options", "undefined"],
    state: /Nothing was averaged|unchanged/,
  },
  {
    name: "an average of no model",
    run: ({ entry }) => new entry.Ema(undefined, { decay: 0.99 }),
    error: TypeError,
    says: ["model", "undefined"],
    on: ["surgical-theater", "surgical-theater/tfjs"],
  },
  {
    name: "an average of no tree",
    run: ({ entry }) => new entry.Ema(undefined, { decay: 0.99 }),
    error: TypeError,
    says: ["tree of jax.Arrays", "undefined"],
    on: "surgical-theater/jax",
  },
  {
    name: "an average of integers only",
    run: ({ entry }) => new entry.Ema({ codes: new Int8Array(2) }, { decay: 0.99 }),
    error: LayersError,
    code: "no_match",
    says: ["Ema", "no floating-point parameters"],
    state: /Nothing was averaged|unchanged/,
    on: "surgical-theater",
  },
];

const updates: readonly Case[] = [
  {
    name: "an update of an average inside a theater",
    run({ entry, model, own }) {
      const ema = own(new entry.Ema(model, { decay: 0.99 }));
      entry.withTheater(model, { modification: half, layers: "head" }, () => ema.update());
    },
    error: TheaterStateError,
    code: "already_open",
    says: ["Ema", "head.kernel", "Close the theater first"],
    state: /The average is unchanged/,
    // There, what is trained is not what is modified.
    on: ["surgical-theater", "surgical-theater/tfjs"],
  },
  {
    name: "an average that has not been updated",
    run({ entry, model, own }) {
      const ema = own(new entry.Ema(model, { decay: 0.99 }));
      entry.withTheater(model, { modification: entry.interpolate(ema.weights) }, body);
    },
    error: RangeError,
    says: ["interpolate", "Has the average been updated?"],
  },
  {
    name: "an average that another update has replaced",
    run({ entry, model, own }) {
      const ema = own(new entry.Ema(model, { decay: 0.99 }));
      ema.update();
      const { weights } = ema;
      ema.update();
      entry.withTheater(model, { modification: entry.interpolate(weights) }, body);
    },
    error: ModificationError,
    code: "dtype_mismatch",
    says: ["interpolate", '"encoder.attn.kernel"', "disposed"],
    on: "surgical-theater/tfjs",
  },
];

export const lifetimeCases: readonly Case[] = [...closed, ...averages, ...updates];
