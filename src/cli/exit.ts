/** How the command line ends: exit codes, and what is said about a failure. */
import { CommanderError } from "commander";
import { messageOf } from "../errors.ts";

/** What the process ends with. */
export const exitCodes = {
  done: 0,
  /** It ran, and found something wrong: a trial failed, the baseline moved, a file is damaged. */
  failed: 1,
  /** It was called in a way that makes no sense. */
  usage: 2,
  /** A model may differ from what it was. */
  notRestored: 3,
  /** Ctrl-C, by the shells' convention. */
  interrupted: 130,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** The command, a file or a configuration is not what it must be. Nothing was run. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Ctrl-C: why a signal is aborted. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
}

/** Whether it is what a sweep, its trials or its options are refused with before anything is evaluated. */
export function isAboutSweep(error: unknown): boolean {
  return (
    error instanceof Error &&
    /^(TypeError|RangeError)$/.test(error.name) &&
    /^(sweep|runSweep|trials?)\b/.test(error.message)
  );
}

/** A sentence, with the full stop that messages are without. */
const sentence = (text: string): string => (/[.?!…]$/.test(text) ? text : `${text}.`);

/** The exit code for something that was thrown. */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof Interrupted) return exitCodes.interrupted;
  // By name: a configuration may bring another copy of this package.
  if (error instanceof Error && error.name === "RestoreError") return exitCodes.notRestored;
  if (error instanceof UsageError || isAboutSweep(error)) return exitCodes.usage;
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
  return exitCodes.failed;
}

/** What to print about it: our errors speak for themselves, others bring their stack. */
export function explain(error: unknown): string {
  if (error instanceof UsageError || isAboutSweep(error)) return sentence(messageOf(error));
  if (error instanceof Interrupted) return `${messageOf(error)}. Run the same command again to go on.`;
  const { code } = (error ?? {}) as { readonly code?: unknown };
  if (
    error instanceof Error &&
    typeof code === "string" &&
    Object.hasOwn(error, "code") &&
    /^[a-z_]+$/.test(code)
  ) {
    return `${sentence(messageOf(error))}\n(${code}: node_modules/surgical-theater/docs/errors/${code}.md)`;
  }
  return error instanceof Error
    ? (error.stack ?? error.message)
    : `Something was thrown: ${messageOf(error)}`;
}
