/** From the bytes of a results file to its records, and back. */
import { SweepError } from "../errors.ts";
import { problemOf } from "./check-records.ts";
import type { Entry, Header, ResultRecord } from "./records.ts";

/** How every results file begins. */
const BEGINNING = '{"record":"sweep",';

const NEWLINE = 0x0a;

/** A mark of byte order is a character as any other. */
const utf8 = { fatal: true, ignoreBOM: true } as const;

/** What is in a file. */
export interface Lines {
  /** Undefined for a file in which nothing has been recorded yet. */
  readonly header: Header | undefined;
  readonly entries: readonly Entry[];
  /** Bytes of whole records; what follows them is the beginning of one that was never finished. */
  readonly whole: number;
  /** Bytes that follow. */
  readonly torn: number;
  /** Whether the last record is whole and has no newline yet. */
  readonly isOpen: boolean;
}

/** A record as its line. */
export function lineOf({ record, ...others }: ResultRecord): string {
  return `${JSON.stringify({ record, ...others })}\n`;
}

function refuse(file: string, line: number, problem: string): SweepError {
  // A hint ends with a question mark.
  const said = problem.endsWith("?") ? problem : `${problem}.`;
  const message =
    line === 1
      ? `${file} is not a results file of a sweep: ${said} It was left as it is. Name another file for the results.`
      : `${file}, line ${line}: ${said} The file was left as it is. Somebody else has written to it: repair the line, or ` +
        "delete it, and its trial is evaluated again.";
  return new SweepError("bad_results", message, { file, line });
}

function valueOf(bytes: Uint8Array): unknown {
  return JSON.parse(new TextDecoder("utf-8", utf8).decode(bytes));
}

/** Whether bytes without a newline at their end can be what a process that was killed has written of a record. */
function canBeTorn(bytes: Uint8Array, isFirst: boolean): boolean {
  if (!isFirst) return true;
  const beginning = new TextDecoder("utf-8", { ...utf8, fatal: false }).decode(bytes);
  return BEGINNING.startsWith(beginning) || beginning.startsWith(BEGINNING);
}

/**
 * Reads a results file.
 *
 * @param file - its name, for messages
 * @throws SweepError `bad_results` with the first line that is not one of its records; a last line without a newline may
 *   be the beginning of one
 */
export function parseLines(file: string, bytes: Uint8Array): Lines {
  const entries: Entry[] = [];
  let header: Header | undefined;
  let from = 0;
  for (let number = 1; from < bytes.length; number++) {
    const newline = bytes.indexOf(NEWLINE, from);
    const isLast = newline < 0;
    const line = bytes.subarray(from, isLast ? bytes.length : newline);
    let value: unknown;
    try {
      value = valueOf(line);
    } catch {
      if (!isLast || !canBeTorn(line, number === 1)) throw refuse(file, number, "it is not JSON");
      return { header, entries, whole: from, torn: bytes.length - from, isOpen: false };
    }
    const problem = problemOf(value, header);
    if (problem !== undefined) throw refuse(file, number, problem);
    if (header === undefined) header = value as Header;
    else entries.push(value as Entry);
    from = isLast ? bytes.length : newline + 1;
  }
  return { header, entries, whole: from, torn: 0, isOpen: from > 0 && bytes.at(-1) !== NEWLINE };
}
