/** Where bytes come from: memory, a Blob, a file, a server. Nothing here knows a runtime or a format. */
import { FormatError } from "../errors.ts";

/**
 * Bytes in an ArrayBuffer, as `new Blob` wants them. Written so that compilers before TypeScript 5.7, whose typed arrays
 * have no parameter, take it too.
 */
export type Bytes = ReturnType<Uint8Array["slice"]>;

/** Bytes that can be read in parts, of any size. */
export interface ByteSource {
  /** Size of the whole, in bytes. */
  readonly size: number;
  /** For messages: a path, a URL. */
  readonly name?: string;
  /**
   * Exactly `length` bytes from `offset` on; both are within `size`. May be a view of something larger, which is then
   * only read; an array with a buffer of its own is given away.
   */
  read(offset: number, length: number): Uint8Array | PromiseLike<Uint8Array>;
  /** Releases what the source holds, such as a file handle. */
  close?(): void | PromiseLike<void>;
}

/** Files by name: a folder on disk, files that were dropped on a page, a repository on a server. */
export interface Folder {
  /** The file, or undefined if there is none of this name. Names are plain: no separators, no `..`. */
  open(name: string): ByteSource | undefined | PromiseLike<ByteSource | undefined>;
}

/** What a Blob or File has and we use; the types of the DOM may not be there. */
export interface BlobLike {
  readonly size: number;
  readonly name?: string;
  slice(start: number, end: number): { arrayBuffer(): Promise<ArrayBuffer> };
}

/** Whatever can be read as a {@link ByteSource}. */
export type Readable = ByteSource | BlobLike | ArrayBufferLike | ArrayBufferView;

/** Whether `value` is an ArrayBuffer or SharedArrayBuffer, of any window. */
function isBuffer(value: object): value is ArrayBufferLike {
  const tag: unknown = (value as { [Symbol.toStringTag]?: unknown })[Symbol.toStringTag];
  return tag === "ArrayBuffer" || tag === "SharedArrayBuffer";
}

/**
 * A source over memory or a Blob. Memory is lent for as long as the source is used; a source is given back as it is.
 *
 * @throws TypeError for anything else
 * @example
 * import { byteSource } from "surgical-theater/formats";
 *
 * const source = byteSource(new Blob(["weights"]));
 * console.log(source.size, new TextDecoder().decode(await source.read(1, 3))); // 7 eig
 */
export function byteSource(from: Readable): ByteSource {
  if (typeof from === "object" && from !== null) {
    if (ArrayBuffer.isView(from)) return memorySource(from.buffer, from.byteOffset, from.byteLength);
    if (isBuffer(from)) return memorySource(from, 0, from.byteLength);
    if ("read" in from && typeof from.read === "function") return from;
    if ("slice" in from && typeof from.slice === "function" && "size" in from) return blobSource(from);
  }
  throw new TypeError(
    "Bytes must be a typed array, an ArrayBuffer, a Blob, or { size, read(offset, length) }. " +
      "For a file in Node, Deno or Bun use openFile(path).",
  );
}

function memorySource(buffer: ArrayBufferLike, start: number, size: number): ByteSource {
  return { size, read: (offset, length) => new Uint8Array(buffer, start + offset, length) };
}

function blobSource(blob: BlobLike): ByteSource {
  return {
    size: blob.size,
    ...(typeof blob.name === "string" && { name: blob.name }),
    read: async (offset, length) => new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer()),
  };
}

/**
 * A folder of files that are in memory or are Blobs, by name.
 *
 * @param files - a Map or record by name, or a list of Files, as from `<input type="file" multiple>`; lent
 * @throws TypeError for a file that is none
 * @example
 * import { folderOf } from "surgical-theater/formats";
 *
 * const folder = folderOf({ "adapter_config.json": new TextEncoder().encode("{}") });
 * console.log((await folder.open("adapter_config.json"))?.size); // 2
 */
export function folderOf(
  files:
    | ReadonlyMap<string, Readable>
    | Readonly<Record<string, Readable>>
    | Iterable<BlobLike & { readonly name: string }>,
): Folder {
  const sources = new Map<string, ByteSource>();
  for (const entry of Symbol.iterator in files ? files : Object.entries(files)) {
    const [name, file] = Array.isArray(entry) ? entry : [(entry as { name: string }).name, entry as Readable];
    sources.set(name, { ...reading(byteSource(file)), name });
  }
  return { open: (name) => sources.get(name) };
}

/** A source's members without its `this`, so that it can be given another name. */
function reading(source: ByteSource): ByteSource {
  return {
    size: source.size,
    read: (offset, length) => source.read(offset, length),
    ...(source.close !== undefined && { close: () => source.close?.() }),
  };
}

/** Whether a name from a file may be opened beside it: a name, and not a path that leads elsewhere. */
export function isPlainName(name: string): boolean {
  return name !== "" && name !== "." && name !== ".." && !/[/\\:\0]/.test(name);
}

/** How a source is called at the beginning of a message. */
export function titleOf({ name }: ByteSource): string {
  return name ?? "The file";
}

/**
 * Exactly `length` bytes, in a buffer of their own.
 *
 * @throws FormatError `truncated` if the source ends before, or gives another number of bytes
 */
export async function readBytes(source: ByteSource, offset: number, length: number): Promise<Bytes> {
  // Checked before anything is allocated: sizes come from the file itself.
  if (length === 0) return new Uint8Array(0); // a range of nothing cannot be asked for everywhere
  const got = offset + length <= source.size ? await source.read(offset, length) : undefined;
  if (got?.byteLength !== length) {
    const has = got === undefined ? `ends at byte ${source.size}` : `gave ${got.byteLength}`;
    throw new FormatError(
      "truncated",
      `${titleOf(source)}: ${length} bytes were expected at byte ${offset}, and it ${has}. No model was changed. ` +
        "Get the file again.",
      { file: source.name, offset: Math.min(offset, source.size) },
    );
  }
  const { buffer, byteOffset, byteLength } = got;
  if (byteLength === buffer.byteLength && isOwned(buffer)) return new Uint8Array(buffer);
  // Not `slice`, which is a view where the array is a Buffer of Node.
  const copy = new Uint8Array(length);
  copy.set(new Uint8Array(buffer, byteOffset, length));
  return copy;
}

function isOwned(buffer: ArrayBufferLike): buffer is ArrayBuffer {
  return buffer[Symbol.toStringTag] === "ArrayBuffer";
}
