/** Paths that people give. */
import { existsSync, readdirSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { didYouMean } from "../hints.ts";
import { UsageError } from "./exit.ts";

/** The path of a file that is there. @throws UsageError naming files that are called nearly so */
export function existingFile(path: string, what: string): string {
  const full = resolve(path);
  if (existsSync(full)) return full;
  const folder = dirname(full);
  const hint = existsSync(folder) ? didYouMean(basename(full), readdirSync(folder)) : "";
  throw new UsageError(`${what} ${JSON.stringify(path)} does not exist.${hint}`);
}
