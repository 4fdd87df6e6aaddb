/** Paths that people give. */
import { accessSync, constants, existsSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { messageOf } from "../errors.ts";
import { didYouMean } from "../hints.ts";
import { UsageError } from "./exit.ts";

/** The path of something that is there. @throws UsageError naming what is called nearly so */
export function existing(path: string, what: string): string {
  const full = resolve(path);
  if (existsSync(full)) return full;
  const folder = dirname(full);
  const hint = existsSync(folder) ? didYouMean(basename(full), readdirSync(folder)) : "";
  throw new UsageError(`${what} ${JSON.stringify(path)} does not exist.${hint}`);
}

/**
 * The path of a file that is there.
 *
 * @param inFolder - the file that is meant where a folder is given
 * @throws UsageError for what is not there, or a folder
 */
export function existingFile(path: string, what: string, inFolder?: string): string {
  const full = existing(path, what);
  if (!statSync(full).isDirectory()) return full;
  if (inFolder !== undefined) return existingFile(join(path, inFolder), what);
  throw new UsageError(`${what} ${JSON.stringify(path)} is a folder. Name a file`);
}

/**
 * Makes sure that a file can be written, before there is anything to be written; makes its folder.
 *
 * @param remedy - what to do where it cannot
 * @throws UsageError
 */
export function assertWritable(path: string, remedy: string): void {
  const folder = dirname(resolve(path));
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(existsSync(path) ? path : folder, constants.W_OK);
    if (existsSync(path) && statSync(path).isDirectory()) throw new Error("It is a folder");
  } catch (error) {
    throw new UsageError(`${JSON.stringify(path)} cannot be written: ${messageOf(error)}. ${remedy}`, {
      cause: error,
    });
  }
}
