/** The options of a theater, and the check that refuses everything else. */
import { describeValue } from "./errors.ts";
import { didYouMean } from "./hints.ts";
import type { Layers } from "./layers.ts";
import { checkModification, type Modification } from "./modification.ts";
import { checkSeed } from "./modifications/noise.ts";
import type { Receipt } from "./receipt.ts";
import type { Technique } from "./store.ts";

/** An `AbortSignal`, described so that the types need neither those of the DOM nor of Node. */
export interface Signal {
  readonly aborted: boolean;
  throwIfAborted(): void;
}

/** How to open a theater. Every option may be left out. */
export interface Options<T> {
  /** What to do: one, several in order, or nothing at all, which guards a plain validation. */
  readonly modification?: Modification<T> | readonly Modification<T>[];
  /**
   * Which parameters are modified. Default: for interpolate and lora exactly the names in `towards` and
   * `adapter`, for all others `"attention"`.
   */
  readonly layers?: Layers;
  /** Default `"auto"`: the first of the store's techniques that fits `budget`. */
  readonly technique?: Technique | "auto";
  /** Most bytes the theater may hold, transients and what the engine packs included. Default: no limit. */
  readonly budget?: number;
  /**
   * When something inside wrote to the model: `"error"` (default) restores, then throws; `"discard"` restores;
   * `"keep"` leaves what was written, and needs to be the only theater on its parameters.
   */
  readonly onWrite?: "error" | "discard" | "keep";
  /**
   * On TensorFlow.js layers models, when something inside exports the model (`save`, `toJSON`, `getWeights`):
   * `"error"` (default) makes the export fail; `"original"` gives it the originals.
   */
  readonly onSave?: "error" | "original";
  /**
   * `"fingerprint"`: watch every parameter, and compare a digest of its bytes before and after. Default: what the
   * technique proves, for what it modifies; on TensorFlow.js everything is watched in any case.
   */
  readonly verify?: "fingerprint";
  /** Seed of every noise that has none of its own: an integer from 0 to 2^53 − 1. */
  readonly seed?: number;
  /** Called at opening; what it returns is called at closing: your own mode flags, generators. */
  readonly alsoRestore?: () => () => void;
  /** Called with the receipt when the theater has closed. */
  readonly onReceipt?: (receipt: Receipt) => void;
  /** Aborted: an opening under way is rolled back, and none begins. */
  readonly signal?: Signal;
}

/** Options after the check, defaults filled in. */
export interface Request {
  readonly modifications: readonly Modification<unknown>[];
  readonly layers: Layers | undefined;
  readonly technique: Technique | "auto";
  readonly budget: number;
  readonly onWrite: "error" | "discard" | "keep";
  /** Left out: as `"error"`, where the model exports itself. */
  readonly onSave: "error" | "original" | undefined;
  readonly verify: "fingerprint" | undefined;
  readonly seed: number | undefined;
  readonly alsoRestore: (() => () => void) | undefined;
  readonly onReceipt: ((receipt: Receipt) => void) | undefined;
  readonly signal: Signal | undefined;
}

/** Names of all options. */
export const optionNames = [
  "modification",
  "layers",
  "technique",
  "budget",
  "onWrite",
  "onSave",
  "verify",
  "seed",
  "alsoRestore",
  "onReceipt",
  "signal",
] as const satisfies readonly (keyof Options<unknown>)[];

function oneOf(name: string, value: unknown, values: readonly string[]): void {
  if (value !== undefined && !(typeof value === "string" && values.includes(value))) {
    const hint = typeof value === "string" ? didYouMean(value, values) : "";
    throw new TypeError(
      `${name} must be ${values.map((v) => JSON.stringify(v)).join(" or ")}, got ${describeValue(value)}.${hint} ` +
        "The model is unchanged.",
    );
  }
}

function isFunction(name: string, value: unknown): void {
  if (value !== undefined && typeof value !== "function") {
    throw new TypeError(`${name} must be a function, got ${describeValue(value)}. The model is unchanged.`);
  }
}

/**
 * Checks options and fills in defaults.
 *
 * @throws TypeError, RangeError for an unknown option or a value that makes no sense; nothing was touched
 */
export function checkOptions<T>(options: Options<T>): Request {
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw new TypeError(`options must be an object, got ${describeValue(options)}. The model is unchanged.`);
  }
  if ("type" in options) {
    throw new TypeError(
      `options must be { modification: … }, got the modification itself (${describeValue(options.type)}). ` +
        "The model is unchanged.",
    );
  }
  for (const key of Object.keys(options)) {
    if (!(optionNames as readonly string[]).includes(key)) {
      throw new TypeError(
        `unknown option ${JSON.stringify(key)}.${didYouMean(key, optionNames)} The model is unchanged. ` +
          `Options: ${optionNames.join(", ")}.`,
      );
    }
  }
  const { seed, budget, modification, layers, signal } = options;
  if (seed !== undefined) checkSeed("seed", seed);
  if (budget !== undefined) {
    if (typeof budget !== "number") {
      throw new TypeError(
        `budget must be a number of bytes, got ${describeValue(budget)}. The model is unchanged.`,
      );
    }
    if (!(budget >= 0)) {
      throw new RangeError(
        `budget must be a number of bytes, 0 or more, got ${budget}. The model is unchanged.`,
      );
    }
  }
  oneOf("technique", options.technique, ["auto", "swap", "stream", "side", "reversible", "plane", "copy"]);
  oneOf("onWrite", options.onWrite, ["error", "discard", "keep"]);
  oneOf("onSave", options.onSave, ["error", "original"]);
  oneOf("verify", options.verify, ["fingerprint"]);
  isFunction("alsoRestore", options.alsoRestore);
  isFunction("onReceipt", options.onReceipt);
  if (signal !== undefined && typeof (signal as Partial<Signal> | null)?.throwIfAborted !== "function") {
    throw new TypeError(
      `signal must be an AbortSignal, got ${describeValue(signal)}. The model is unchanged.`,
    );
  }
  const modifications =
    modification === undefined ? [] : Array.isArray(modification) ? modification : [modification];
  if (modification !== undefined && modifications.length === 0) {
    throw new RangeError(
      "modification: the list is empty. Leave the option out to guard a plain validation. The model is unchanged.",
    );
  }
  for (const each of modifications) checkModification(each, seed);
  if (layers !== undefined && modifications.length === 0) {
    throw new TypeError(
      "layers says what a modification applies to, and there is none; a theater without a modification guards the " +
        "whole model. The model is unchanged. Leave layers out, or give a modification.",
    );
  }
  return {
    modifications: modifications as readonly Modification<unknown>[],
    layers,
    technique: options.technique ?? "auto",
    budget: budget ?? Infinity,
    onWrite: options.onWrite ?? "error",
    onSave: options.onSave,
    verify: options.verify,
    seed,
    alsoRestore: options.alsoRestore,
    onReceipt: options.onReceipt,
    signal,
  };
}
