/** Examples from a CSV file: numbers, one example a line, with the label in the last column. */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { csvParseRows } from "d3-dsv";
import { messageOf } from "../../errors.ts";
import { UsageError } from "../exit.ts";
import { existingFile } from "../files.ts";

/** Rows of numbers, all of one length. */
export interface Table {
  readonly rows: readonly (readonly number[])[];
  readonly columns: number;
}

const isNumber = (cell: string): boolean => cell !== "" && Number.isFinite(Number(cell));

function textOf(path: string): string {
  const bytes = readFileSync(existingFile(path, "The data"));
  try {
    return (path.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8");
  } catch (cause) {
    throw new UsageError(`The data ${JSON.stringify(path)} cannot be unpacked: ${messageOf(cause)}`, {
      cause,
    });
  }
}

/** Lines of cells, without empty ones at the end, and where the numbers begin. */
function linesOf(path: string): { readonly lines: readonly (readonly string[])[]; readonly first: number } {
  const lines = csvParseRows(textOf(path), (row) => row.map((cell) => cell.trim()));
  while (lines.at(-1)?.join("") === "") lines.pop();
  const hasNames = lines[0]?.some(isNumber) === false;
  if (lines.length > (hasNames ? 1 : 0)) return { lines, first: hasNames ? 1 : 0 };
  throw new UsageError(`The data ${JSON.stringify(path)} has no examples`);
}

/**
 * Reads numbers separated by commas, from a file that may be compressed (`.gz`). A first line without a number has names.
 *
 * @throws UsageError naming the line and column of what is no number
 */
export function readTable(path: string): Table {
  const { lines, first } = linesOf(path);
  const columns = lines[0]!.length;
  if (columns === 1 && /[;\t]/.test(lines[0]![0]!)) {
    throw new UsageError(`${path}: columns must be separated by commas, and line 1 has other separators`);
  }
  const rows = lines.slice(first).map((row, at) => {
    const where = `${path}, line ${at + first + 1}`;
    if (row.join("") === "") throw new UsageError(`${where} is empty`);
    if (row.length !== columns) {
      throw new UsageError(`${where}: ${row.length} columns, and ${columns} in the lines before`);
    }
    const bad = row.findIndex((cell) => !isNumber(cell));
    if (bad < 0) return row.map(Number);
    throw new UsageError(
      `${where}, column ${bad + 1}: ${JSON.stringify(row[bad])} is no number. Classes are numbers from 0 on`,
    );
  });
  return { rows, columns };
}
