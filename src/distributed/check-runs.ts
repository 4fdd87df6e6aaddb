/** Runs given by hand, where each rank knows its own alone: checked together, in a few bytes. */
import { drive, driveAsync, type Operation } from "../drive.ts";
import { LayoutError } from "../errors.ts";
import { agreement } from "./agree.ts";
import type { CallOptions, Communicator } from "./communicator.ts";
import { checkCoverage } from "./coverage.ts";
import { copiedRuns, type GivenRuns, givenRuns, type Run } from "./layouts.ts";
import { elementsOf } from "./runs.ts";

/** One rank's runs of a parameter. */
export interface OwnRuns {
  /** Of the whole parameter; the same on all ranks. */
  readonly shape: readonly number[];
  /** In the order of `local`. */
  readonly runs: readonly Run[];
  /** Elements of the rank's array, where its runs must fit in. Default: not checked. */
  readonly localLength?: number;
}

/**
 * Checks that the runs of all ranks are the whole parameter, each element as often as any other. Two collectives of 56 bytes together;
 * the runs themselves are exchanged only to name what is wrong.
 *
 * @throws LayoutError on all ranks, with the first offending element and who holds it
 * @throws CommunicatorError `peer_failed` on all ranks where the runs of some make no sense by themselves
 * @example
 * import { checkRuns, solo } from "surgical-theater/distributed";
 *
 * checkRuns(solo(), { shape: [2, 3], runs: [{ global: 0, local: 0, length: 6 }] });
 */
export function checkRuns(comm: Communicator, own: OwnRuns, options?: CallOptions): void {
  drive(runsChecked(comm, own, options));
}

/**
 * As {@link checkRuns}, asynchronously.
 *
 * @example
 * import { checkRunsAsync, solo } from "surgical-theater/distributed";
 *
 * await checkRunsAsync(solo(), { shape: [], runs: [{ global: 0, local: 0, length: 1 }] });
 */
export function checkRunsAsync(comm: Communicator, own: OwnRuns, options?: CallOptions): Promise<void> {
  return driveAsync(runsChecked(comm, own, options));
}

/** {@link checkRuns} as a generator. */
export function* runsChecked(comm: Communicator, own: OwnRuns, options?: CallOptions): Operation<void> {
  let failure: unknown;
  try {
    assertSound(own);
  } catch (error) {
    failure = error;
  }
  yield* agreement(comm, failure, options);
  if (yield* isCovered(comm, own, options)) return;
  const { runs } = yield* gatheredRuns(comm, own.runs, options);
  checkCoverage(runs, own.shape);
  // The sums differ and the runs do not: the shape is another one on another rank, or memory is broken.
  throw new LayoutError("The ranks have other shapes of one parameter. Nothing was changed.", 0, []);
}

/** The runs of all ranks, by rank, as a layout: 24 bytes for each run, and nothing checked. */
export function* gatheredRuns(
  comm: Communicator,
  runs: readonly Run[],
  options?: CallOptions,
): Operation<GivenRuns> {
  const numbers = Float64Array.from(runs.flatMap(({ global, local, length }) => [global, local, length]));
  const counts = yield* comm.collectives.allGather(Int32Array.of(numbers.length), options);
  const all = yield* comm.collectives.allGather(numbers, { ...options, counts: [...counts] });
  let at = 0;
  return givenRuns(
    Array.from(counts, (count) =>
      Array.from({ length: count / 3 }, (): Run => {
        const [global, local, length] = all.subarray(at, (at += 3)) as unknown as [number, number, number];
        return { global, local, length };
      }),
    ),
  );
}

/** @throws TypeError, RangeError unless these are runs that can be in the rank's array */
function assertSound({ runs, localLength }: OwnRuns): void {
  const last = copiedRuns("checkRuns", runs).at(-1);
  if (last === undefined || localLength === undefined || last.local + last.length <= localLength) return;
  throw new RangeError(
    `checkRuns: the last run ends at local ${last.local + last.length}, and the array has ${localLength} elements.`,
  );
}

/**
 * How often an element is held changes by one where a run begins or ends. It is the same everywhere, k, exactly if
 * beginnings and ends cancel but for k at either end of the parameter; and they cancel, but for a chance of 2⁻¹²⁸, if sums of
 * hashes of them do. The sums are of integers below 2³², so that they are exact in any order for two million ranks.
 */
function* isCovered(
  { collectives, size }: Communicator,
  { runs, shape }: OwnRuns,
  options?: CallOptions,
): Operation<boolean> {
  const sums = new Float64Array(LANES + 2);
  for (let lane = 0; lane < LANES; lane++) {
    let sum = 0;
    for (const { global, length } of runs) sum = (sum + hash(global + length, lane) - hash(global, lane)) | 0;
    sums[lane] = sum >>> 0;
  }
  sums[LANES] = runs.reduce((held, { length }) => held + length, 0);
  sums[LANES + 1] = elementsOf(shape);
  yield* collectives.allReduce(sums, options);
  // From here on nothing is this rank's own: all must come to the same.
  const [held = 0, total = 0] = sums.subarray(LANES);
  const elements = total / size;
  if (elements === 0) return held === 0;
  const copies = held / elements;
  if (!Number.isInteger(elements) || !Number.isInteger(copies) || copies === 0) return false;
  for (let lane = 0; lane < LANES; lane++) {
    const expected = Math.imul(copies, (hash(elements, lane) - hash(0, lane)) | 0) >>> 0;
    if (sums[lane]! % 2 ** 32 !== expected) return false;
  }
  return true;
}

const LANES = 4;

/** 32 bits of an index below 2^53: MurmurHash3's finalizer (A. Appleby, public domain), keyed by lane. */
function hash(index: number, lane: number): number {
  let h = index | 0;
  h = mix(h ^ Math.imul(lane + 1, 0x9e3779b1));
  return mix(h ^ Math.floor(index / 2 ** 32) ^ Math.imul(lane + 1, 0x85ebca77));
}

function mix(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
