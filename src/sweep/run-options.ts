/** The options of `runSweep`. */
import type { Communicator } from "../distributed/communicator.ts";
import { describeValue } from "../errors.ts";
import type { Signal } from "../options.ts";
import { checkKnown } from "./define.ts";
import type { Progress } from "./progress.ts";

/** How to run a sweep. */
export interface RunOptions {
  /**
   * Path of the results: a line for each trial, written when it is over. Where there are some already, what they have is not
   * evaluated again. Default: none; nothing is written.
   */
  readonly results?: string;
  /** Aborted: the theater closes, and what is recorded stays. */
  readonly signal?: Signal;
  readonly onProgress?: (progress: Progress) => void;
  /** Divides the trials among the ranks, which all have the whole model. Default: this process alone. */
  readonly communicator?: Communicator;
}

const optionNames = [
  "results",
  "signal",
  "onProgress",
  "communicator",
] as const satisfies readonly (keyof RunOptions)[];

/** What there is where nobody can abort. */
export const neverAborted: Signal = { aborted: false, throwIfAborted() {} };

/** @throws TypeError for an unknown option, or a value that makes no sense */
export function checkRunOptions(options: RunOptions): void {
  if (typeof options !== "object" || options === null) {
    throw new TypeError(`runSweep: options must be an object, got ${describeValue(options)}.`);
  }
  checkKnown("runSweep", options, optionNames);
  const { results, signal, onProgress, communicator } = options;
  const wrong = (name: string, what: string, value: unknown): TypeError =>
    new TypeError(`runSweep: ${name} must be ${what}, got ${describeValue(value)}. Nothing was evaluated.`);
  if (results !== undefined && (typeof results !== "string" || results === "")) {
    throw wrong("results", "the path of a file", results);
  }
  if (signal !== undefined && typeof (signal as Partial<Signal> | null)?.throwIfAborted !== "function") {
    throw wrong("signal", "an AbortSignal", signal);
  }
  if (onProgress !== undefined && typeof onProgress !== "function") {
    throw wrong("onProgress", "a function", onProgress);
  }
  if (
    communicator !== undefined &&
    typeof (communicator as Partial<Communicator> | null)?.broadcastAsync !== "function"
  ) {
    throw wrong("communicator", 'one of "surgical-theater/distributed"', communicator);
  }
}
