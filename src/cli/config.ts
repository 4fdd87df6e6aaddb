/** Loads a sweep's configuration: a module with a default export, in TypeScript or JavaScript. */
import { statSync } from "node:fs";
import { extname } from "node:path";
import { pathToFileURL } from "node:url";
import { createJiti } from "jiti";
import { type AnySweep, checkSweep } from "../sweep/define.ts";
import { UsageError } from "./exit.ts";
import { existingFile } from "./files.ts";

const typescript = [".ts", ".mts", ".cts"];
const javascript = [".js", ".mjs", ".cjs"];

/** Node 20 does not know TypeScript; what JavaScript there is, it loads itself. */
async function loadModule(path: string): Promise<unknown> {
  if (javascript.includes(extname(path))) return import(pathToFileURL(path).href);
  return createJiti(import.meta.url, { fsCache: false, interopDefault: false }).import(path);
}

/**
 * The sweep that a file describes.
 *
 * @throws UsageError for a file that is not there, no module, or without a sweep as its default export
 * @throws what the module throws when it is loaded
 */
export async function loadConfig(path: string): Promise<AnySweep> {
  const full = existingFile(path, "The configuration");
  if (statSync(full).isDirectory() || ![...typescript, ...javascript].includes(extname(full))) {
    throw new UsageError(
      `The configuration ${JSON.stringify(path)} must be a module: ${[...typescript, ...javascript].join(", ")}. ` +
        "For a saved TensorFlow.js model without code: sweep --model model.json --data val.csv",
    );
  }
  const module = (await loadModule(full)) as { readonly default?: unknown };
  if (module.default === undefined) {
    throw new UsageError(
      `The configuration ${JSON.stringify(path)} has no default export. Nothing was run. It must say: ` +
        'import { defineSweep } from "surgical-theater/sweep"; export default defineSweep({ … })',
    );
  }
  try {
    return checkSweep(module.default);
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof RangeError)) throw error;
    throw new UsageError(`The configuration ${JSON.stringify(path)}: ${error.message}`, { cause: error });
  }
}
