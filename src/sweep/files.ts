/** Files on disk, in Node, Deno and Bun. Nothing is imported, so that bundles for browsers need nothing. */
import { UnsupportedError } from "../errors.ts";

interface Handle {
  readonly fd: number;
  datasync(): Promise<void>;
  close(): Promise<void>;
}

/** What is used of `node:fs/promises`; the library is compiled without Node's types. */
interface FileSystem {
  readFile(path: string): Promise<Uint8Array>;
  readdir(path: string): Promise<string[]>;
  truncate(path: string, length: number): Promise<void>;
  open(path: string, flags: "a" | "wx"): Promise<Handle>;
  realpath(path: string): Promise<string>;
  rm(path: string, options: { readonly force: true }): Promise<void>;
}

/** What is used of `node:fs`. */
interface Synchronous {
  appendFileSync(fd: number, text: string): void;
}

interface Paths {
  parse(path: string): {
    readonly dir: string;
    readonly base: string;
    readonly name: string;
    readonly ext: string;
  };
  join(...parts: readonly string[]): string;
  resolve(path: string): string;
}

/** What is used of the process. */
export interface Process {
  readonly pid: number;
  kill(pid: number, signal: 0): unknown;
  getBuiltinModule(name: string): unknown;
}

interface Node {
  readonly process: Process;
  readonly disk: FileSystem;
  readonly synchronous: Synchronous;
  readonly paths: Paths;
  readonly host: string;
}

/** @throws UnsupportedError `engine` where there are no files */
export function node(): Node {
  const { process } = globalThis as { process?: Partial<Process> };
  const module = (name: string): unknown => process?.getBuiltinModule?.(name);
  const disk = module("node:fs/promises");
  if (disk === undefined) {
    throw new UnsupportedError(
      "engine",
      "There is no file system here. Nothing was evaluated. Leave results out: runSweep returns them. " +
        "(Files need Node 20.16, Deno 2 or Bun 1.2.)",
    );
  }
  return {
    process: process as Process,
    disk: disk as FileSystem,
    synchronous: module("node:fs") as Synchronous,
    paths: module("node:path") as Paths,
    host: (module("node:os") as { hostname(): string }).hostname(),
  };
}

/** Node's `code` of an error. */
export function codeOf(error: unknown): unknown {
  return (error as { readonly code?: unknown } | null)?.code;
}

/** All bytes of a file; undefined where there is none. */
export async function readBytes(path: string): Promise<Uint8Array | undefined> {
  try {
    return await node().disk.readFile(path);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** The one path of a file, however it is called: absolute, and without links. The file itself need not be there. */
export async function realPath(path: string): Promise<string> {
  const { disk, paths } = node();
  const full = paths.resolve(path);
  const { dir, base } = paths.parse(full);
  return disk.realpath(full).catch(async () => paths.join(await disk.realpath(dir).catch(() => dir), base));
}

/** The file of a rank: `digits.jsonl`, `digits.rank-1.jsonl`, … */
export function pathOfRank(path: string, rank: number): string {
  if (rank === 0) return path;
  const { paths } = node();
  const { dir, name, ext } = paths.parse(path);
  return paths.join(dir, `${name}.rank-${rank}${ext}`);
}

/** Names of all files in the folder of `path`. */
export async function beside(path: string): Promise<readonly string[]> {
  const { disk, paths } = node();
  try {
    return await disk.readdir(paths.parse(path).dir || ".");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return [];
    throw error;
  }
}

/** The files of ranks other than 0 that are there, in the order of ranks. */
export async function otherRanks(path: string): Promise<readonly string[]> {
  const { name, ext } = node().paths.parse(path);
  const ranks = (await beside(path)).flatMap((other) => {
    if (!other.startsWith(`${name}.rank-`) || !other.endsWith(ext)) return [];
    const rank = other.slice(`${name}.rank-`.length, other.length - ext.length);
    return /^[1-9]\d*$/.test(rank) ? [Number(rank)] : [];
  });
  return ranks.sort((a, b) => a - b).map((rank) => pathOfRank(path, rank));
}

/** A file that grows at its end. */
export class AppendFile {
  readonly #handle: Handle;
  readonly #disk: Synchronous;
  /** Whether all that was appended is on disk: settles while others work. */
  #flushed: Promise<void> = Promise.resolve();

  private constructor(handle: Handle, disk: Synchronous) {
    this.#handle = handle;
    this.#disk = disk;
  }

  /** @param keep - what the file must be cut to first; undefined: nothing is cut */
  static async open(path: string, keep: number | undefined): Promise<AppendFile> {
    const { disk, synchronous } = node();
    if (keep !== undefined) await disk.truncate(path, keep);
    return new AppendFile(await disk.open(path, "a"), synchronous);
  }

  /**
   * When it returns the text is in the file, whatever happens to the process, and what was appended before is on disk. The
   * text itself is on its way there: waiting for the disk between two trials costs milliseconds on a busy machine.
   */
  async append(text: string): Promise<void> {
    await this.#flushed;
    this.#disk.appendFileSync(this.#handle.fd, text);
    this.#flushed = this.#handle.datasync();
    // Told by the next call.
    this.#flushed.catch(() => {});
  }

  /** When it returns everything is on disk. */
  async close(): Promise<void> {
    try {
      await this.#flushed;
    } finally {
      await this.#handle.close();
    }
  }
}
