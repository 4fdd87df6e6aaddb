/** The entries of a low-rank adapter: their check, and what options and patterns say about each. */
import { describeValue } from "../errors.ts";
import { didYouMean } from "../hints.ts";
import { isRecord } from "../plain.ts";
import type { Layout } from "../step.ts";
import { checkFinite, checkProperties } from "./kind.ts";

/** The factors of one parameter, and what is different for it. Arrays are lent while a call opens a theater. */
export interface LoraFactors<A, B = A, M = A> {
  /** [loraRank, inputs], row-major; PEFT's `lora_A.weight`, or `lora_embedding_A`. */
  readonly a: A;
  /** [outputs, loraRank], row-major; PEFT's `lora_B.weight`, or `lora_embedding_B`. */
  readonly b: B;
  /** [outputs]; PEFT's `lora_magnitude_vector`. With it the entry is DoRA. */
  readonly magnitude?: M;
  /** Default: the first of `alphaPattern` that fits, else the adapter's. */
  readonly alpha?: number;
  /** Default: the first of `rankPattern` that fits, else the adapter's. */
  readonly loraRank?: number;
  /** Default: the adapter's. */
  readonly layout?: Layout;
}

/** How the factors of an adapter become deltas. */
export interface LoraOptions {
  /** Any finite number; 0 adds nothing. */
  readonly alpha: number;
  /** Rows of `a` and columns of `b`. */
  readonly loraRank: number;
  /**
   * `"outIn"`: parameters are [outputs, ...inputs], as linear layers and convolutions in PyTorch. `"inOut"`:
   * [...inputs, outputs], as dense layers and convolutions in TensorFlow.js, embeddings [vocabulary, features] and
   * GPT-2's Conv1D (PEFT's `fan_in_fan_out`). Default: `"outIn"`, but for parameters whose first and last dimension are
   * equal: they fit both, and there is none.
   */
  readonly layout?: Layout;
  /** The delta is `alpha / √loraRank · b · a` instead of `alpha / loraRank · b · a`. */
  readonly rsLora?: boolean;
  /**
   * Other ranks, by a regular expression for the module: the parameter's name in `adapter`, with or without its last
   * part. As in PEFT an expression fits a name from its beginning or from behind a dot (or slash) to its end, and the
   * first that fits counts.
   */
  readonly rankPattern?: Readonly<Record<string, number>>;
  /** Other values of alpha, in the same way. */
  readonly alphaPattern?: Readonly<Record<string, number>>;
}

/** An adapter as its modification has it. */
export interface Adapter<T> extends LoraOptions {
  readonly adapter: Readonly<Record<string, LoraFactors<T>>>;
}

/** What an entry says, and what options and patterns say about it. */
export interface Resolved<T> {
  readonly a: T;
  readonly b: T;
  readonly magnitude: T | undefined;
  readonly alpha: number;
  readonly loraRank: number;
  /** Undefined where nothing says it. */
  readonly layout: Layout | undefined;
}

function checkRank(what: string, value: unknown): void {
  checkFinite(what, value);
  if (Number.isSafeInteger(value) && value >= 1) return;
  throw new RangeError(`${what} must be a positive integer, got ${value}. The model is unchanged.`);
}

function checkLayout(what: string, value: unknown): void {
  if (value === undefined || value === "outIn" || value === "inOut") return;
  const hint = typeof value === "string" ? didYouMean(value, ["outIn", "inOut"]) : "";
  throw new TypeError(
    `${what} must be "outIn" or "inOut", got ${describeValue(value)}.${hint} The model is unchanged.`,
  );
}

/** The expression for a key of a pattern. The groups are PEFT's, so that a key may refer to its own. */
const expressionOf = (key: string): RegExp => new RegExp(`^(.*[./])?(${key})$`);

function checkPattern(what: string, pattern: unknown, check: (what: string, value: unknown) => void): void {
  if (pattern === undefined) return;
  if (!isRecord(pattern)) {
    throw new TypeError(
      `${what} must be a record of numbers by regular expression, got ${describeValue(pattern)}. ` +
        "The model is unchanged.",
    );
  }
  for (const [key, value] of Object.entries(pattern)) {
    const at = `${what}[${JSON.stringify(key)}]`;
    check(at, value);
    try {
      expressionOf(key);
    } catch (cause) {
      const message = `${at}: the key is not a regular expression. The model is unchanged. Escape it as in "a\\\\(b".`;
      throw new RangeError(message, { cause });
    }
  }
}

const properties = ["a", "b", "magnitude", "alpha", "loraRank", "layout"];

function checkEntry(what: string, entry: unknown): void {
  if (!isRecord(entry)) {
    throw new TypeError(`${what} must be { a, b }, got ${describeValue(entry)}. The model is unchanged.`);
  }
  checkProperties(what, entry, properties);
  for (const key of ["a", "b"]) {
    if (entry[key] !== undefined) continue;
    throw new TypeError(`${what} must be { a, b }, and has no ${key}. The model is unchanged.`);
  }
  const { alpha, loraRank, layout } = entry;
  if (alpha !== undefined) checkFinite(`${what}.alpha`, alpha);
  if (loraRank !== undefined) checkRank(`${what}.loraRank`, loraRank);
  checkLayout(`${what}.layout`, layout);
}

/** Throws TypeError or RangeError for an adapter that makes no sense. */
export function checkAdapter({
  adapter,
  alpha,
  loraRank,
  layout,
  rsLora,
  rankPattern,
  alphaPattern,
}: Adapter<unknown>): void {
  if (!isRecord(adapter)) {
    throw new TypeError(
      `lora: adapter must be a record of { a, b } by parameter name, got ${describeValue(adapter)}. ` +
        "The model is unchanged.",
    );
  }
  const entries = Object.entries(adapter);
  if (entries.length === 0) throw new RangeError("lora: adapter is empty. The model is unchanged.");
  for (const [name, entry] of entries) checkEntry(`lora: adapter[${JSON.stringify(name)}]`, entry);
  checkFinite("lora: alpha", alpha);
  checkRank("lora: loraRank", loraRank);
  checkLayout("lora: layout", layout);
  if (rsLora !== undefined && typeof rsLora !== "boolean") {
    throw new TypeError(
      `lora: rsLora must be true or false, got ${describeValue(rsLora)}. The model is unchanged.`,
    );
  }
  checkPattern("lora: rankPattern", rankPattern, checkRank);
  checkPattern("lora: alphaPattern", alphaPattern, checkFinite);
}

/** The value of the first key that fits the module of a parameter. */
function matching(pattern: Readonly<Record<string, number>> | undefined, name: string): number | undefined {
  if (pattern === undefined) return undefined;
  const names = [name, name.replace(/[./][^./]*$/, "")];
  return Object.entries(pattern).find(([key]) => names.some((each) => expressionOf(key).test(each)))?.[1];
}

/** What holds for the entry `name` of an adapter. */
export function resolve<T>(given: Adapter<T>, name: string): Resolved<T> {
  const { a, b, magnitude, alpha, loraRank, layout } = given.adapter[name]!;
  return {
    a,
    b,
    magnitude,
    alpha: alpha ?? matching(given.alphaPattern, name) ?? given.alpha,
    loraRank: loraRank ?? matching(given.rankPattern, name) ?? given.loraRank,
    layout: layout ?? given.layout,
  };
}
