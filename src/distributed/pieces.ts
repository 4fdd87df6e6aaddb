/** Cuts a collective into requests that MPI can count: its counts and displacements are 32-bit integers. */

/** From, and up to but without. */
type Range = readonly [from: number, to: number];

/** `[0, length)` in parts of at most `most`. */
export function pieces(length: number, most: number): readonly Range[] {
  const ranges: Range[] = [];
  for (let from = 0; from < length; from += most) ranges.push([from, Math.min(from + most, length)]);
  return ranges;
}

/** One request of a collective with counts. */
export interface CountedPiece {
  readonly counts: Int32Array;
  /** Its part of the array of all ranks. */
  readonly all: Range;
  /** Its part of this rank's array. */
  readonly own: Range;
}

/**
 * A collective with counts, as one request if all elements together can be counted, and else as requests in which one
 * rank alone has elements, and displacements are zero.
 */
export function counted(counts: readonly number[], rank: number, most: number): readonly CountedPiece[] {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total <= most) {
    return [{ counts: Int32Array.from(counts), all: [0, total], own: [0, counts[rank]!] }];
  }
  let start = 0;
  return counts.flatMap((count, owner) => {
    const before = start;
    start += count;
    return pieces(count, most).map(([from, to]): CountedPiece => {
      const only = new Int32Array(counts.length);
      only[owner] = to - from;
      return { counts: only, all: [before + from, before + to], own: owner === rank ? [from, to] : [0, 0] };
    });
  });
}
