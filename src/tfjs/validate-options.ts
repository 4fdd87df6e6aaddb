/** The check of what `validateEvery` is given, before training begins. */
import { describeValue } from "../errors.ts";
import { didYouMean } from "../hints.ts";
import { checkOptions, optionNames } from "../options.ts";

const own = ["mode", "score", "keepBest", "patience"] as const;

function checkCount(what: string, value: unknown): void {
  if (typeof value !== "number") {
    throw new TypeError(`validateEvery: ${what} must be a number, got ${describeValue(value)}.`);
  }
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new RangeError(`validateEvery: ${what} must be an integer of at least 1, got ${value}.`);
  }
}

function checkWord(what: string, value: unknown, words: readonly string[]): void {
  if (value === undefined || words.includes(value as string)) return;
  const hint = typeof value === "string" ? didYouMean(value, words) : "";
  throw new TypeError(
    `validateEvery: ${what} must be ${words.map((word) => JSON.stringify(word)).join(" or ")}, got ${describeValue(value)}.${hint}`,
  );
}

/** Selectors may be nested in lists. */
const hasIndex = (layers: unknown): boolean =>
  typeof layers === "number" || (Array.isArray(layers) && layers.some(hasIndex));

/** @throws TypeError, RangeError for what makes no sense */
export function checkValidateEvery(n: unknown, fn: unknown, options: unknown): void {
  checkCount("n", n);
  if (typeof fn !== "function") {
    throw new TypeError(`validateEvery: fn must be a function, got ${describeValue(fn)}.`);
  }
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw new TypeError(`validateEvery: options must be an object, got ${describeValue(options)}.`);
  }
  const known: readonly string[] = [...optionNames, ...own];
  const unknown = "type" in options ? undefined : Object.keys(options).find((key) => !known.includes(key));
  if (unknown !== undefined) {
    throw new TypeError(
      `validateEvery: unknown option ${JSON.stringify(unknown)}.${didYouMean(unknown, known)} Options: ${known.join(", ")}.`,
    );
  }
  const { mode, score, keepBest, patience, ...theater } = options as Record<string, unknown>;
  checkWord("mode", mode, ["max", "min"]);
  checkWord("keepBest", keepBest, ["trained", "shown"]);
  if (patience !== undefined) checkCount("patience", patience);
  if (score !== undefined && typeof score !== "function") {
    throw new TypeError(`validateEvery: score must be a function, got ${describeValue(score)}.`);
  }
  for (const [name, value] of Object.entries({ score, keepBest, patience })) {
    if (value === undefined || mode !== undefined) continue;
    throw new TypeError(
      `validateEvery: ${name} needs mode: "max" or "min", which says what score is better.`,
    );
  }
  if (hasIndex(theater["layers"])) {
    throw new TypeError(
      "validateEvery: select layers by name. fit hands over the model inside a sequential one, which counts its " +
        "input as a layer, so that an index would mean another layer.",
    );
  }
  // What a function will return is checked when it is called.
  const { modification, layers, ...others } = theater;
  checkOptions(typeof modification === "function" ? others : { ...others, modification, layers });
}
