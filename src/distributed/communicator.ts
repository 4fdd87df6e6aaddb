/** Processes that work together: what they can ask of each other. */
import type { Operation } from "../drive.ts";

/** Arrays that can be sent. Ranks must give the same type to one collective. */
export type Sendable =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

/** How elements of several ranks become one. Integers wrap around; the order of a sum is up to the library. */
export type Reduction = "sum" | "min" | "max";

/** What every collective takes. */
export interface CallOptions {
  /** Milliseconds until it gives up on the other ranks. Default: that of the communicator. */
  readonly deadline?: number;
}

/** Options of collectives that have one rank at their centre. */
export interface RootOptions extends CallOptions {
  /** Default 0. */
  readonly root?: number;
}

/** Where a result goes, if not to a new array. */
export interface Into<T> {
  /** Of the right length, and of the type of what is sent; must not share memory with it. */
  readonly into?: T;
}

/** Elements of each rank, where they are not equally many. */
export interface Counts {
  /** By rank; the same on all ranks. */
  readonly counts?: readonly number[];
}

/** Options of `allReduce`. */
export interface ReduceOptions<T> extends CallOptions, Into<T> {
  /** Default `"sum"`. */
  readonly reduction?: Reduction;
}

/** Options of `allGather`. */
export interface AllGatherOptions<T> extends CallOptions, Into<T>, Counts {}

/** Options of `reduceScatter`. */
export interface ReduceScatterOptions<T> extends ReduceOptions<T>, Counts {}

/** Options of `gather`. */
export interface GatherOptions<T> extends RootOptions, Into<T>, Counts {}

/** Options of `scatter`. */
export interface ScatterOptions<T> extends RootOptions, Counts {
  /** On the root: what to distribute, the elements of rank 0 first. Lent. Left out on other ranks. */
  readonly from?: T;
}

/** Options of `split`. */
export interface SplitOptions extends CallOptions {
  /** Ranks of the new group are in the order of their keys, then of their old ranks. Default: the old rank. */
  readonly key?: number;
}

/**
 * The collectives, as generators: for code that is written once and driven synchronously or asynchronously. Nothing
 * happens before the generator runs. What each one does is described at {@link Communicator}.
 */
export interface Collectives {
  barrier(options?: CallOptions): Operation<void>;
  broadcast<T extends Sendable>(values: T, options?: RootOptions): Operation<T>;
  allReduce<T extends Sendable>(values: T, options?: ReduceOptions<T>): Operation<T>;
  allGather<T extends Sendable>(part: T, options?: AllGatherOptions<T>): Operation<T>;
  reduceScatter<T extends Sendable>(values: T, options?: ReduceScatterOptions<T>): Operation<T>;
  gather<T extends Sendable>(part: T, options?: GatherOptions<T>): Operation<T | undefined>;
  scatter<T extends Sendable>(into: T, options?: ScatterOptions<T>): Operation<T>;
  split(color: number | undefined, options?: SplitOptions): Operation<Communicator | undefined>;
}

/**
 * A group of processes, or one alone.
 *
 * Every collective must be called by all ranks of the group, in the same order and with arguments that fit: types,
 * lengths, counts, root and reduction. Only what can be seen on one rank is checked (see `agreeOn` for the rest). Arrays
 * are lent until the call returns, or its promise settles; after `timed_out` they stay in use, and must not be read.
 *
 * Each throws TypeError or RangeError for arguments that make no sense, and CommunicatorError: `timed_out` when the
 * deadline has passed, `mpi_failed`, `communicator_closed`. After one of the first two the communicator is unusable,
 * because nobody knows any more who is in which collective.
 */
export interface Communicator extends Disposable {
  /** This process's number in the group, from 0. */
  readonly rank: number;
  /** Number of processes. */
  readonly size: number;
  /** Milliseconds that a collective waits for the other ranks, unless it says otherwise. */
  readonly deadline: number;
  /**
   * Bytes of payload that this rank has exchanged with others: those of its arrays that others get, or those that it gets
   * from others. The value is that of the collective, not of the library's algorithm.
   */
  readonly bytesMoved: number;
  readonly collectives: Collectives;

  /** Returns when all ranks have called it. */
  barrier(options?: CallOptions): void;
  barrierAsync(options?: CallOptions): Promise<void>;

  /** Overwrites `values` with those of the root, and returns it. */
  broadcast<T extends Sendable>(values: T, options?: RootOptions): T;
  broadcastAsync<T extends Sendable>(values: T, options?: RootOptions): Promise<T>;

  /** Combines the arrays of all ranks element by element: in place, or in `into`. Returns where. */
  allReduce<T extends Sendable>(values: T, options?: ReduceOptions<T>): T;
  allReduceAsync<T extends Sendable>(values: T, options?: ReduceOptions<T>): Promise<T>;

  /** All parts, in the order of ranks. `counts` where they are not equally long. */
  allGather<T extends Sendable>(part: T, options?: AllGatherOptions<T>): T;
  allGatherAsync<T extends Sendable>(part: T, options?: AllGatherOptions<T>): Promise<T>;

  /** Combines as `allReduce`, and gives each rank its part. Without `counts` the length must divide by `size`. */
  reduceScatter<T extends Sendable>(values: T, options?: ReduceScatterOptions<T>): T;
  reduceScatterAsync<T extends Sendable>(values: T, options?: ReduceScatterOptions<T>): Promise<T>;

  /** As `allGather`, on the root alone; undefined on other ranks. */
  gather<T extends Sendable>(part: T, options?: GatherOptions<T>): T | undefined;
  gatherAsync<T extends Sendable>(part: T, options?: GatherOptions<T>): Promise<T | undefined>;

  /** Fills `into` with this rank's part of what the root gives as `from`. */
  scatter<T extends Sendable>(into: T, options?: ScatterOptions<T>): T;
  scatterAsync<T extends Sendable>(into: T, options?: ScatterOptions<T>): Promise<T>;

  /**
   * A group of the ranks that give the same color, an integer of 0 or more; undefined for ranks that give undefined. The
   * new communicator is the caller's, to be freed.
   */
  split(color: number | undefined, options?: SplitOptions): Communicator | undefined;
  splitAsync(color: number | undefined, options?: SplitOptions): Promise<Communicator | undefined>;

  /** Ends its use, on this rank. May be called again. Also what `using` does. */
  free(): void;
}
