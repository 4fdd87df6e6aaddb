/** Mistakes in options, and in the function to run. */
import { TheaterStateError, UnsupportedError } from "../../src/index.ts";
import { body, type Case, opening } from "./cases.ts";

const half = { type: "scale", factor: 0.5 } as const;

/** Options with a modification, so that only what is added can be wrong. */
const halving = (more: Record<string, unknown>): Case["run"] =>
  opening({ modification: half, layers: "all", ...more });

const misspelt: readonly Case[] = [
  {
    name: "a misspelt option",
    run: opening({ modificaton: half }),
    error: TypeError,
    says: ['"modificaton"', 'Did you mean "modification"?'],
  },
  {
    name: "an option that does not exist",
    run: halving({ dropout: 0.1 }),
    error: TypeError,
    says: ['"dropout"', "Options: modification, layers, technique"],
  },
  {
    name: "a misspelt technique",
    run: halving({ technique: "swpa" }),
    error: TypeError,
    says: ["technique", '"swpa"', 'Did you mean "swap"?'],
  },
  {
    name: "a misspelt onWrite",
    run: halving({ onWrite: "discrad" }),
    error: TypeError,
    says: ["onWrite", '"discrad"', 'Did you mean "discard"?'],
  },
  {
    name: "a misspelt verify",
    run: halving({ verify: "fingerprints" }),
    error: TypeError,
    says: ["verify", '"fingerprints"', 'Did you mean "fingerprint"?'],
  },
  {
    name: "verify as a boolean",
    run: halving({ verify: true }),
    error: TypeError,
    says: ["verify", "true", '"fingerprint"'],
  },
];

const kinds: readonly Case[] = [
  {
    name: "missing options",
    run: ({ entry, model }) => entry.surgicalTheater(model),
    error: TypeError,
    says: ["options must be an object", "undefined"],
  },
  {
    name: "a list of modifications in place of options",
    run: opening([half]),
    error: TypeError,
    says: ["options must be an object", "an array of 1"],
  },
  {
    name: "an empty list of modifications",
    run: opening({ modification: [] }),
    error: RangeError,
    says: ["modification", "empty", "Leave the option out"],
  },
  {
    name: "layers without a modification",
    run: opening({ layers: "all" }),
    error: TypeError,
    says: ["layers", "Leave layers out, or give a modification"],
  },
  {
    name: "alsoRestore that is not a function",
    run: halving({ alsoRestore: { dropout: true } }),
    error: TypeError,
    says: ["alsoRestore must be a function"],
  },
  {
    name: "alsoRestore that returns nothing",
    run: halving({ alsoRestore: () => undefined }),
    error: TypeError,
    says: ["alsoRestore must return a function"],
  },
  {
    name: "alsoRestore that returns a promise",
    run: halving({ alsoRestore: async () => () => undefined }),
    error: TypeError,
    says: ["alsoRestore must return a function"],
  },
  {
    name: "onReceipt that is not a function",
    run: halving({ onReceipt: console }),
    error: TypeError,
    says: ["onReceipt must be a function"],
  },
  {
    name: "an AbortController in place of its signal",
    run: halving({ signal: new AbortController() }),
    error: TypeError,
    says: ["signal must be an AbortSignal", "AbortController"],
  },
  {
    name: "a signal that is already aborted",
    run: halving({ signal: AbortSignal.abort() }),
    error: DOMException,
    says: ["aborted"],
    state: "none",
  },
  {
    name: "a signal that is already aborted, asynchronously",
    run: ({ entry, model }) =>
      entry.withTheaterAsync(model, { modification: half, layers: "all", signal: AbortSignal.abort() }, body),
    error: DOMException,
    says: ["aborted"],
    state: "none",
  },
];

const numbers: readonly Case[] = [
  ...[-1, Number.NaN].map((budget) => ({
    name: `a budget of ${budget}`,
    run: halving({ budget }),
    error: RangeError,
    says: ["budget", `${budget}`, "0 or more"],
  })),
  {
    name: "a budget in words",
    run: halving({ budget: "1 MB" }),
    error: TypeError,
    says: ["budget must be a number of bytes", '"1 MB"'],
  },
  {
    name: "a budget that a copy does not fit",
    run: halving({ budget: 39, technique: "copy" }),
    error: UnsupportedError,
    code: "over_budget",
    says: ["39 B", "copy needs 40 bytes", "40 held", "Raise budget, or select fewer layers"],
    on: "surgical-theater",
  },
  {
    name: "a budget that modified tensors do not fit",
    run: halving({ budget: 3 }),
    error: UnsupportedError,
    code: "over_budget",
    says: ["3 B", "swap needs 40 bytes", "40 held", "stream needs", "Raise budget, or select fewer layers"],
    on: "surgical-theater/tfjs",
  },
  ...[-1, 1.5, 2 ** 53, Number.NaN].map((seed) => ({
    name: `a theater's seed of ${seed}`,
    run: halving({ seed }),
    error: RangeError,
    says: ["seed must be an integer from 0 to 2^53 − 1", `${seed}`],
  })),
  {
    name: "a theater's seed as a string",
    run: halving({ seed: "1" }),
    error: TypeError,
    says: ["seed must be a number", '"1"'],
  },
];

const techniques: readonly Case[] = [
  {
    name: "swap, which typed arrays do not offer",
    run: halving({ technique: "swap" }),
    error: UnsupportedError,
    code: "technique",
    says: ['"swap"', "record of typed arrays", "Offered: reversible, plane, copy"],
    on: "surgical-theater",
  },
  {
    name: "copy, which tensors do not offer",
    run: halving({ technique: "copy" }),
    error: UnsupportedError,
    code: "technique",
    says: ['"copy"', "tf.Variables", "Offered: swap"],
    on: "surgical-theater/tfjs",
  },
];

const functions: readonly Case[] = [
  {
    name: "a missing function",
    run: ({ entry, model }) => entry.withTheater(model, { modification: half, layers: "all" }),
    error: TypeError,
    says: ["withTheater", "third argument must be a function"],
  },
  {
    name: "a missing function, asynchronously",
    run: ({ entry, model }) => entry.withTheaterAsync(model, { modification: half, layers: "all" }),
    error: TypeError,
    says: ["withTheaterAsync", "third argument must be a function"],
  },
  {
    name: "a promise in place of the function",
    run: ({ entry, model }) =>
      entry.withTheaterAsync(model, { modification: half, layers: "all" }, Promise.resolve(1)),
    error: TypeError,
    says: ["withTheaterAsync", "third argument must be a function"],
  },
  {
    name: "a function that returns a promise",
    run: ({ entry, model }) => entry.withTheater(model, { modification: half, layers: "all" }, async () => 1),
    error: TheaterStateError,
    code: "promise_returned",
    says: ["withTheater", "returned a promise", "Use withTheaterAsync"],
  },
  {
    name: "a function that returns a promise which rejects",
    run: ({ entry, model }) =>
      entry.withTheater(model, { modification: half, layers: "all" }, () =>
        Promise.reject(new Error("late")),
      ),
    error: TheaterStateError,
    code: "promise_returned",
    says: ["withTheater", "returned a promise", "Use withTheaterAsync"],
  },
];

export const optionCases: readonly Case[] = [...misspelt, ...kinds, ...numbers, ...techniques, ...functions];
