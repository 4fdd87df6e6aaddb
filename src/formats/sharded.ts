/** A model in several safetensors files, with an index that says which tensor is in which. */
import { FormatError, listed } from "../errors.ts";
import { type Header, readHeader, type TensorInfo } from "./header.ts";
import { type Json, JsonReader, jsonText, quoted } from "./json.ts";
import { Safetensors } from "./safetensors.ts";
import { type ByteSource, type Folder, isPlainName, readBytes } from "./source.ts";

/** Largest index, in bytes. */
const MOST = 100_000_000;

interface Index {
  readonly metadata: ReadonlyMap<string, string>;
  /** Names of tensors by file, in the order of the index. */
  readonly files: ReadonlyMap<string, ReadonlySet<string>>;
}

/**
 * Opens a model in several files. The index and the headers of all files are read and compared, so that a missing file
 * or one of another model is found at once; then a file is opened when a tensor of it is read, and stays open.
 *
 * @param folder - borrowed until the result is closed
 * @param name - the index
 * @throws FormatError `missing_file`; `bad_index`, also for a name that is a path; or as `openSafetensors`
 * @example
 * import { bytesOf, folderOf, openShardedSafetensors, writeShardedSafetensors } from "surgical-theater/formats";
 *
 * const tensors = ["a", "b"].map((name) => ({ name, dtype: "float32", shape: [2], data: Float32Array.of(1, 2) }) as const);
 * const files = new Map<string, Uint8Array>();
 * for (const [name, chunks] of writeShardedSafetensors(tensors, { maxBytes: 8 })) files.set(name, await bytesOf(chunks));
 * const model = await openShardedSafetensors(folderOf(files));
 * console.log(files.size, model.tensors.get("b")?.file); // 3 model-00002-of-00002.safetensors
 */
export async function openShardedSafetensors(
  folder: Folder,
  name = "model.safetensors.index.json",
): Promise<Safetensors> {
  const { metadata, files } = await readIndex(folder, name);
  const tensors = new Map<string, TensorInfo>();
  for (const [file, names] of files) {
    const source = await openFrom(folder, file, name);
    let header: Header;
    try {
      header = await readHeader(source);
    } finally {
      await source.close?.();
    }
    compare(header.tensors, names, file, name);
    for (const [tensor, info] of header.tensors) tensors.set(tensor, { ...info, file });
  }
  const opened = new Map<string, Promise<ByteSource>>();
  // One promise for each file: reads that run at the same time share it.
  const sourceOf = async ({ file = "" }: TensorInfo): Promise<ByteSource> => {
    const source = opened.get(file) ?? openFrom(folder, file, name);
    opened.set(file, source);
    try {
      return await source;
    } catch (error) {
      opened.delete(file); // may be tried again
      throw error;
    }
  };
  const release = async (): Promise<void> => {
    for (const { value } of (await Promise.allSettled(opened.values())) as { value?: ByteSource }[])
      await value?.close?.();
  };
  return new Safetensors({ metadata, tensors }, sourceOf, release);
}

async function openFrom(folder: Folder, file: string, index: string): Promise<ByteSource> {
  const source = await folder.open(file);
  if (source !== undefined) return source;
  throw new FormatError(
    "missing_file",
    `${index} names ${quoted(file)}, and there is no such file beside it. No model was changed. ` +
      "Get all files of the model.",
    { file },
  );
}

/** Throws unless a file has exactly the tensors that the index expects there. */
function compare(
  tensors: ReadonlyMap<string, TensorInfo>,
  expected: ReadonlySet<string>,
  file: string,
  index: string,
): void {
  const missing = [...expected].filter((name) => !tensors.has(name));
  const unexpected = [...tensors.keys()].filter((name) => !expected.has(name));
  if (missing.length === 0 && unexpected.length === 0) return;
  const parts = [
    ...(missing.length > 0 ? [`does not have ${listed(missing)}`] : []),
    ...(unexpected.length > 0 ? [`has ${listed(unexpected)}, which ${index} does not expect there`] : []),
  ];
  throw new FormatError(
    "bad_index",
    `${file} ${parts.join(", and ")}. No model was changed. The files are not of one model: get all of them again.`,
    { file, offset: 8 },
  );
}

async function readIndex(folder: Folder, name: string): Promise<Index> {
  const source = await folder.open(name);
  if (source === undefined) {
    const message = `There is no ${name}. No model was changed. For a model in one file use openSafetensors.`;
    throw new FormatError("missing_file", message, { file: name });
  }
  try {
    return await parseIndex(source, name);
  } finally {
    await source.close?.();
  }
}

async function parseIndex(source: ByteSource, name: string): Promise<Index> {
  const fail = (problem: string, offset: number): FormatError =>
    new FormatError(
      "bad_index",
      `${name} is not a valid index: ${problem}, at byte ${offset}. No model was changed. Get the file again.`,
      { file: name, offset },
    );
  if (source.size > MOST) throw fail(`it has ${source.size} bytes, and ${MOST} are allowed`, 0);
  const reader = new JsonReader(await readBytes(source, 0, source.size), fail);
  const metadata = new Map<string, string>();
  const files = new Map<string, Set<string>>();
  let found = false;
  reader.object((key, at) => {
    if (key === "metadata") {
      const value = reader.value();
      if (!(value instanceof Map)) reader.fail("metadata is not an object", at);
      for (const [each, what] of value as ReadonlyMap<string, Json>)
        metadata.set(each, typeof what === "string" ? what : jsonText(what));
    } else if (key === "weight_map") {
      found = true;
      reader.object((tensor) => {
        const fileAt = reader.at;
        const file = reader.string();
        if (!isPlainName(file)) {
          reader.fail(`${quoted(file)} is a path, and files must lie beside the index`, fileAt);
        }
        const names = files.get(file) ?? new Set();
        files.set(file, names.add(tensor));
      });
    } else reader.fail(`${quoted(key)} is not known`, at);
  });
  reader.end();
  if (!found) throw fail("it has no weight_map", 0);
  return { metadata, files };
}
