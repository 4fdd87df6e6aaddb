/** Examples from a CSV file: numbers, one example a line, with the label in the last column. */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { csvParseRows } from "d3-dsv";
import { UsageError } from "../exit.ts";
import { existingFile } from "../files.ts";

/** Rows of numbers, all of one length. */
export interface Table {
  readonly rows: readonly (readonly number[])[];
  readonly columns: number;
}

/**
 * Reads numbers separated by commas, from a file that may be compressed (`.gz`). A first line that is no numbers is a
 * header.
 *
 * @throws UsageError naming the line and column of what is no number
 */
export function readTable(path: string): Table {
  const bytes = readFileSync(existingFile(path, "The data"));
  const text = (path.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8");
  const cells = csvParseRows(text, (row) => row.map((cell) => cell.trim()));
  const isNumber = (cell: string): boolean => cell !== "" && Number.isFinite(Number(cell));
  const first = cells[0]?.some(isNumber) === false ? 1 : 0;
  if (cells.length === first) throw new UsageError(`The data ${JSON.stringify(path)} has no examples`);
  const columns = cells[first]!.length;
  const rows = cells.slice(first).map((row, at) => {
    const line = at + first + 1;
    if (row.length !== columns) {
      throw new UsageError(
        `${path}, line ${line}: ${row.length} columns, and ${columns} in the lines before`,
      );
    }
    const bad = row.findIndex((cell) => !isNumber(cell));
    if (bad >= 0) {
      throw new UsageError(
        `${path}, line ${line}, column ${bad + 1}: ${JSON.stringify(row[bad])} is no number`,
      );
    }
    return row.map(Number);
  });
  return { rows, columns };
}
