/** Timing for shared machines: variants interleaved in one process, medians, warm-up first. */

/** A variant to time; `after` runs untimed. */
export interface Variant {
  readonly name: string;
  run(): void;
  after?(): void;
}

/** Median milliseconds of each variant over `rounds` interleaved rounds, after as many again for the compiler. */
export function interleaved(variants: readonly Variant[], rounds: number): ReadonlyMap<string, number> {
  const times = new Map(variants.map(({ name }) => [name, [] as number[]]));
  for (let round = -rounds; round < rounds; round++) {
    for (const { name, run, after } of variants) {
      const begin = performance.now();
      run();
      const time = performance.now() - begin;
      after?.();
      if (round >= 0) times.get(name)!.push(time);
    }
  }
  return new Map([...times].map(([name, all]) => [name, median(all)]));
}

/** Middle value. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1]!;
}

/** Prints rows under their keys, right-aligned. */
export function printTable(rows: readonly Readonly<Record<string, string | number>>[]): void {
  const columns = Object.keys(rows[0]!);
  const cells = [columns, ...rows.map((row) => columns.map((column) => String(row[column])))];
  const widths = columns.map((_, i) => Math.max(...cells.map((row) => row[i]!.length)));
  for (const row of cells) {
    console.log(
      row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join("  "),
    );
  }
}
