/** Finds out what a path is, and what is in it. */
import { existsSync, openSync, readSync, closeSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { UsageError } from "../exit.ts";
import { existing } from "../files.ts";
import type { Inspected } from "./inspected.ts";
import { inspectModelJson } from "./model-json.ts";
import { inspectGguf, inspectPeft, inspectSafetensors, inspectSharded } from "./tensor-files.ts";

const known =
  "a safetensors file, a model.safetensors.index.json, a GGUF file, a model.json of TensorFlow.js, or a folder with one of them or with a PEFT adapter";

/** In a folder the first of these that is there says what it is. */
const tellTale = ["adapter_config.json", "model.safetensors.index.json", "model.safetensors", "model.json"];

function firstBytes(path: string): string {
  const handle = openSync(path, "r");
  try {
    const bytes = Buffer.alloc(16);
    return bytes.toString("latin1", 0, readSync(handle, bytes, 0, 16, 0));
  } finally {
    closeSync(handle);
  }
}

/**
 * @throws UsageError for what is not there, or none of the formats
 * @throws FormatError for a damaged file
 */
export async function inspect(given: string): Promise<Inspected> {
  let path = existing(given, "The file");
  if (statSync(path).isDirectory()) {
    const found = tellTale.find((name) => existsSync(join(path, name)));
    if (found === undefined) {
      throw new UsageError(`The folder ${JSON.stringify(given)} has none of ${tellTale.join(", ")}`);
    }
    path = join(path, found);
  }
  if (basename(path) === "adapter_config.json") return inspectPeft(dirname(path));
  if (path.endsWith(".safetensors.index.json")) return inspectSharded(dirname(path), basename(path));
  const begin = firstBytes(path);
  if (begin.startsWith("GGUF")) return inspectGguf(path);
  if (path.endsWith(".json")) return inspectModelJson(path);
  if (begin.startsWith("version https://")) {
    throw new UsageError(
      `${JSON.stringify(given)} is a pointer of git-lfs, and not the file. Get it: git lfs pull`,
    );
  }
  if (begin.trimStart().startsWith("<")) {
    throw new UsageError(
      `${JSON.stringify(given)} is a web page, perhaps an error of the server. Get the file again`,
    );
  }
  // A safetensors file begins with the length of its header, and then the header, which is JSON.
  if (path.endsWith(".safetensors") || begin[8] === "{") return inspectSafetensors(path);
  throw new UsageError(`${JSON.stringify(given)} is none of what can be inspected: ${known}`);
}
