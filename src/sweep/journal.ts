/** What a run adds to the results: to a file, or in memory alone. */
import { SweepError } from "../errors.ts";
import { AppendFile, pathOfRank, readBytes } from "./files.ts";
import { lineOf, parseLines } from "./lines.ts";
import { lock } from "./lock.ts";
import { checkSame } from "./read.ts";
import type { Entry, Header } from "./records.ts";

/** Milliseconds after which timers and others are let in, where no file is waited for. */
const BREATH = 50;

/** Open to be added to. */
interface Opened {
  readonly file: AppendFile;
  readonly release: () => Promise<void>;
  /** What the next record is preceded by. */
  readonly before: string;
  readonly notice: string | undefined;
}

async function openFile(path: string, header: Header): Promise<Opened> {
  const release = await lock(path);
  if (typeof release === "string") {
    throw new SweepError(
      "results_in_use",
      `Another sweep adds to ${path}. Nothing was evaluated, and the file was left as it is. Wait for it, or name another ` +
        `file. If its process is gone, delete ${release}.`,
      { file: path },
    );
  }
  try {
    const bytes = await readBytes(path);
    const lines = bytes && parseLines(path, bytes);
    if (lines?.header !== undefined) checkSame(path, lines.header, "this sweep", header);
    const { torn = 0, whole, isOpen = false } = lines ?? {};
    return {
      file: await AppendFile.open(path, torn > 0 ? whole : undefined),
      release,
      before: `${isOpen ? "\n" : ""}${lines?.header === undefined ? lineOf(header) : ""}`,
      notice:
        torn > 0
          ? `${path}: the last line was never finished, ${torn} bytes, and was cut off. Its trial is evaluated again.`
          : undefined,
    };
  } catch (error) {
    await release();
    throw error;
  }
}

/** The records of one run on one rank. */
export class Journal {
  readonly #opened: Opened | undefined;
  readonly #entries: Entry[] = [];
  #breath = performance.now();

  private constructor(opened: Opened | undefined) {
    this.#opened = opened;
  }

  /**
   * @param path - of the results, for all ranks; undefined: nothing is written
   * @throws SweepError `results_in_use`, `bad_results`, `other_sweep`, `other_model`; the file is then as it was
   */
  static async open(path: string | undefined, rank: number, header: Header): Promise<Journal> {
    return new Journal(path === undefined ? undefined : await openFile(pathOfRank(path, rank), header));
  }

  /** What was added since it was opened. */
  get entries(): readonly Entry[] {
    return this.#entries;
  }

  /** What had to be done to the file, if anything. */
  get notice(): string | undefined {
    return this.#opened?.notice;
  }

  /** When it returns the record is in the file, and all before it are on disk. */
  async add(entry: Entry): Promise<void> {
    // The first record brings what precedes it: a file never has a beginning without one.
    const before = this.#entries.length === 0 ? (this.#opened?.before ?? "") : "";
    if (this.#opened !== undefined) await this.#opened.file.append(before + lineOf(entry));
    else await this.#breathe();
    this.#entries.push(entry);
  }

  async #breathe(): Promise<void> {
    if (performance.now() - this.#breath < BREATH) return;
    await new Promise((resolve) => setTimeout(resolve, 0));
    this.#breath = performance.now();
  }

  /** When it returns all records are on disk. */
  async close(): Promise<void> {
    try {
      await this.#opened?.file.close();
    } finally {
      await this.#opened?.release();
    }
  }
}
