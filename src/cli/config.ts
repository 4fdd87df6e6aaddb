/** Loads a sweep's configuration: a module with a default export, in TypeScript or JavaScript. */
import { extname } from "node:path";
import { pathToFileURL } from "node:url";
import { createJiti } from "jiti";
import { type AnySweep, checkSweep } from "../sweep/define.ts";
import { messageOf } from "../errors.ts";
import { isAboutSweep, UsageError } from "./exit.ts";
import { existingFile } from "./files.ts";

const extensions = [".ts", ".mts", ".cts", ".js", ".mjs", ".cjs"];

/** Node 20 does not know TypeScript, nor modules that end in `.js` in projects that do not say that they have such. */
async function loadModule(path: string): Promise<unknown> {
  if (extname(path) === ".mjs") return import(pathToFileURL(path).href);
  return createJiti(import.meta.url, { fsCache: false, interopDefault: false }).import(path);
}

/** What a failure to load is, for people: our own checks speak for themselves, and what is not installed has a name. */
function explained(path: string, error: unknown): unknown {
  const { code } = (error ?? {}) as { readonly code?: unknown };
  if (isAboutSweep(error))
    return new UsageError(`The configuration ${JSON.stringify(path)}: ${messageOf(error)}`, { cause: error });
  if (code === "ERR_MODULE_NOT_FOUND" || code === "MODULE_NOT_FOUND") {
    const [first] = messageOf(error).split("\n");
    return new UsageError(
      `The configuration ${JSON.stringify(path)} cannot be loaded: ${first}. Nothing was run. Install what it imports ` +
        "beside it: npm install @tensorflow/tfjs, or @jax-js/jax",
      { cause: error },
    );
  }
  return error;
}

/**
 * The sweep that a file describes.
 *
 * @throws UsageError for a file that is not there, no module, or without a sweep that makes sense as its default export
 * @throws what the module throws when it is loaded
 */
export async function loadConfig(path: string): Promise<AnySweep> {
  const full = existingFile(path, "The configuration");
  if (!extensions.includes(extname(full))) {
    throw new UsageError(
      `The configuration ${JSON.stringify(path)} must be a module: ${extensions.join(", ")}. ` +
        "For a saved TensorFlow.js model without code: sweep --model model.json --data val.csv",
    );
  }
  try {
    const module = (await loadModule(full)) as { readonly default?: unknown };
    if (module.default !== undefined) return checkSweep(module.default);
  } catch (error) {
    throw explained(path, error);
  }
  throw new UsageError(
    `The configuration ${JSON.stringify(path)} has no default export. Nothing was run. It must say: ` +
      'import { defineSweep } from "surgical-theater/sweep"; export default defineSweep({ … })',
  );
}
