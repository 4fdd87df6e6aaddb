/** Files and folders on disk, in Node, Deno and Bun. Nothing is imported, so that bundles for browsers need nothing. */
import { asyncDispose } from "../dispose.ts";
import { describeValue, UnsupportedError } from "../errors.ts";
import { type ByteSource, type Folder, isPlainName } from "./source.ts";

interface Handle {
  stat(): Promise<{ readonly size: number }>;
  read(
    into: Uint8Array,
    at: number,
    length: number,
    position: number,
  ): Promise<{ readonly bytesRead: number }>;
  writeFile(bytes: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/** What is used of `node:fs/promises`; the library is compiled without Node's types. */
interface FileSystem {
  open(path: string, flags: "r" | "w"): Promise<Handle>;
  mkdir(path: string, options: { readonly recursive: true }): Promise<unknown>;
  rename(from: string, to: string): Promise<void>;
  rm(path: string, options: { readonly force: true }): Promise<void>;
}

/** @throws UnsupportedError `engine` where there are no files */
function fileSystem(): FileSystem {
  const { process } = globalThis as { process?: { getBuiltinModule?(name: string): unknown } };
  const files = process?.getBuiltinModule?.("node:fs/promises") as FileSystem | undefined;
  if (files !== undefined) return files;
  throw new UnsupportedError(
    "engine",
    "There is no file system here. No model was changed. Give a Blob or bytes, or a source of your own. " +
      "(Needs Node 20.16, Deno 2 or Bun 1.2.)",
  );
}

/** An opened file, to read from. Close it, or what was made with it. */
export class FileSource implements ByteSource {
  readonly name: string;
  readonly size: number;
  readonly #handle: Handle;
  #closing: Promise<void> | undefined;

  /** @internal */
  constructor(name: string, size: number, handle: Handle) {
    this.name = name;
    this.size = size;
    this.#handle = handle;
  }

  /** A new array of `length` bytes, or of less if the file has become shorter. */
  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(Math.min(length, Math.max(0, this.size - offset)));
    let filled = 0;
    while (filled < bytes.length) {
      const { bytesRead } = await this.#handle.read(bytes, filled, bytes.length - filled, offset + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return bytes.subarray(0, filled);
  }

  /** May be called again. */
  close(): Promise<void> {
    return (this.#closing ??= this.#handle.close());
  }

  /** As {@link close}, for `await using`. */
  async [asyncDispose](): Promise<void> {
    await this.close();
  }
}

/**
 * Opens a file, in Node, Deno or Bun. Nothing is read yet.
 *
 * @throws what the file system throws; UnsupportedError `engine` where there is none
 * @example
 * import { bytesOf, openFile, openSafetensors, saveFiles, writeSafetensors } from "surgical-theater/formats";
 *
 * const w = { name: "w", dtype: "float32", shape: [1], data: Float32Array.of(1) } as const;
 * await saveFiles("/tmp/surgical-theater", { "w.safetensors": writeSafetensors([w]) });
 * const file = await openSafetensors(await openFile("/tmp/surgical-theater/w.safetensors"));
 * console.log([...file.tensors.keys()]); // [ 'w' ]
 * await file.close(); // and with it the file
 */
export async function openFile(path: string): Promise<FileSource> {
  const handle = await fileSystem().open(path, "r");
  try {
    return new FileSource(path, (await handle.stat()).size, handle);
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/**
 * A folder on disk, in Node, Deno or Bun. Nothing is opened yet.
 *
 * @example
 * import { folderAt, peftOf, readPeft, saveFiles, writePeft } from "surgical-theater/formats";
 *
 * const factors = { a: Float32Array.of(1, 2), b: Float32Array.of(3) };
 * const peft = peftOf({ adapter: { "head.weight": factors }, alpha: 1, loraRank: 1 });
 * await saveFiles("/tmp/surgical-theater/adapter", writePeft(peft));
 * console.log([...(await readPeft(folderAt("/tmp/surgical-theater/adapter"))).entries.keys()]); // [ 'head' ]
 */
export function folderAt(path: string): Folder {
  if (typeof path !== "string") throw new TypeError(`path must be a string, got ${describeValue(path)}.`);
  return {
    open: async (name) => {
      requirePlain(name);
      try {
        return await openFile(`${path}/${name}`);
      } catch (error) {
        if ((error as { code?: unknown } | undefined)?.code === "ENOENT") return undefined;
        throw error;
      }
    },
  };
}

/**
 * Writes files into a folder, which is made where there is none, in Node, Deno or Bun. Each is written under another
 * name (`.partial`) and renamed when all are complete: what fails half way leaves the files that were there.
 *
 * @param path - the folder
 * @param files - chunks by name: from `writePeft`, `writeShardedSafetensors`, or of your own
 * @throws what the file system throws; RangeError for a name that is a path
 * @example
 * import { saveFiles, writeSafetensors } from "surgical-theater/formats";
 *
 * await saveFiles("/tmp/surgical-theater", { "empty.safetensors": writeSafetensors([]) });
 */
export async function saveFiles(
  path: string,
  files: ReadonlyMap<string, AsyncIterable<Uint8Array>> | Readonly<Record<string, AsyncIterable<Uint8Array>>>,
): Promise<void> {
  const disk = fileSystem();
  const entries = [...(files instanceof Map ? files : Object.entries(files))] as [
    string,
    AsyncIterable<Uint8Array>,
  ][];
  for (const [name] of entries) requirePlain(name);
  await disk.mkdir(path, { recursive: true });
  const partial = (name: string): string => `${path}/${name}.partial`;
  try {
    for (const [name, chunks] of entries) {
      const handle = await disk.open(partial(name), "w");
      try {
        for await (const chunk of chunks) await handle.writeFile(chunk);
      } finally {
        await handle.close();
      }
    }
  } catch (error) {
    for (const [name] of entries) await disk.rm(partial(name), { force: true });
    throw error;
  }
  for (const [name] of entries) await disk.rename(partial(name), `${path}/${name}`);
}

function requirePlain(name: string): void {
  if (isPlainName(name)) return;
  throw new RangeError(
    `${describeValue(name)} is not the name of a file: names have no separators and no "..".`,
  );
}
