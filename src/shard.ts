/** Parameters whose parts are in several processes: what opening a theater needs of the others. Closing needs nobody. */

/** `length` elements that lie together: from `global` on in the whole parameter, row-major, from `local` on in its part. */
export interface Run {
  readonly global: number;
  readonly local: number;
  readonly length: number;
}

/** What has to be waited for; to be driven like every operation. */
type Waiting<R> = Generator<unknown, R, unknown>;

/** The part that is here. */
export interface Shard<T> {
  /** In the order of `local`; elements in none of them are padding, and nobody's. */
  readonly runs: readonly Run[];
  /** As `runs`, but of what several parts have, in one of them only: what counts when all parts are put together. */
  readonly owned: readonly Run[];
  /** Adds up numbers of all parts, in place, on each. */
  sum(numbers: Float64Array): Waiting<void>;
  /** The numbers of all parts, one behind the other, on each. */
  concat(numbers: Float64Array): Waiting<Float64Array>;
  /** The whole parameter, from what each part holds now. Waits for the others, synchronously. Not to be written. */
  whole(part: T): T;
  /** Elements that `whole` allocates: those of its result, and at most while it runs, with the result. */
  readonly gathered: { readonly result: number; readonly most: number };
}

/** How processes that have parts of one model open a theater together: they go on together, or fail together. */
export interface Agreement {
  /** @throws on every one, with the first that differs, unless all give the same facts; `what` says what they are about */
  same(what: string, facts: Readonly<Record<string, string>>): Waiting<void>;
  /** Waits until all are here. @throws on every one if one gives an error: there that, elsewhere one that names it */
  settle(error?: unknown): Waiting<void>;
}

/** The elements of a part that are of the parameter, one behind the other. */
export function withoutPadding(values: ArrayLike<number>, runs: readonly Run[]): ArrayLike<number> {
  if (runs.length === 1 && runs[0]!.local === 0 && runs[0]!.length === values.length) return values;
  const own = new Float64Array(runs.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const { local, length } of runs) {
    for (let i = 0; i < length; i++) own[at++] = values[local + i]!;
  }
  return own;
}

/** The runs of what {@link withoutPadding} gives. */
export function packed(runs: readonly Run[]): readonly Run[] {
  let local = 0;
  return runs.map(({ global, length }) => {
    const run = { global, local, length };
    local += length;
    return run;
  });
}
