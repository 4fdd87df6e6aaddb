/** How figures are printed. */

export const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

export const yes = (holds: boolean): string => (holds ? "yes" : "NO");

/** Columns as wide as their widest cell: text to the left, figures to the right. The first row is the header. */
export function formatTable(textColumns: number, rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const line = (row: readonly string[]): string =>
    row.map((cell, i) => (i < textColumns ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join("  ");
  const [header, ...body] = rows.map(line);
  return [header, widths.map((width) => "─".repeat(width)).join("  "), ...body].join("\n");
}
