/** What commands print: results on stdout, everything else on stderr. */
import { visible } from "./report/text.ts";

/** Writes to stdout, and waits until a pipe has taken it: the process may end right after. */
export async function print(text: string): Promise<void> {
  await new Promise<void>((done, fail) => {
    process.stdout.write(text.endsWith("\n") ? text : `${text}\n`, (error) => {
      // `| head` closes the pipe when it has seen enough.
      if (error && (error as NodeJS.ErrnoException).code !== "EPIPE") fail(error);
      else done();
    });
  });
}

/** One or several lines on stderr. Messages quote names and files, which are other people's. */
export function note(text: string): void {
  process.stderr.write(`${text.split("\n").map(visible).join("\n")}\n`);
}

/** Rows as columns, the first row as their heads; columns of numbers are flush right. */
export function table(rows: readonly (readonly string[])[]): string {
  const shown = rows.map((row) => row.map(visible));
  const widths = (shown[0] ?? []).map((_, at) => Math.max(...shown.map((row) => row[at]!.length)));
  const isNumber = widths.map((_, at) =>
    shown.slice(1).every((row) => /^([-+\u2212]?[\d.]+.*|–|)$/.test(row[at]!)),
  );
  return shown
    .map((row) =>
      row
        .map((cell, at) => (isNumber[at]! ? cell.padStart(widths[at]!) : cell.padEnd(widths[at]!)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
