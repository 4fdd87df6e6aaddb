/** The seam between the collectives and what carries them. A transport checks nothing: its arguments have been. */
import type { Waitable } from "../drive.ts";
import type { Reduction, Sendable } from "./communicator.ts";

/** One collective under way on this rank. */
export interface Call {
  /** Its name, for messages. */
  readonly name: string;
  /** Milliseconds it may take. */
  readonly deadline: number;
  /** When that is over, on the clock of `performance.now()`. */
  readonly until: number;
}

/** A request that was started; undefined where there is nothing to wait for. */
export type Started = Waitable<void> | undefined;

/**
 * Starts collectives, each to be waited for until its call's end. Arrays are held until they are done, also when nobody
 * waits any more. Counts are below 2^31 together, unless only one of them is not zero.
 */
export interface Transport {
  readonly rank: number;
  readonly size: number;
  /** Most elements that one request can have. */
  readonly mostElements: number;
  /** The same ranks once more, so that what is sent there meets nothing else. undefined: one rank alone. */
  readonly channel: Transport | undefined;
  /** Why it cannot be used, or undefined. Reads as `… of this communicator`. */
  readonly closed: string | undefined;
  broadcast(call: Call, values: Sendable, root: number): Started;
  /** `into` undefined: in place. */
  allReduce(call: Call, values: Sendable, into: Sendable | undefined, reduction: Reduction): Started;
  allGather(call: Call, part: Sendable, into: Sendable, counts: Int32Array): Started;
  reduceScatter(
    call: Call,
    values: Sendable,
    into: Sendable,
    counts: Int32Array,
    reduction: Reduction,
  ): Started;
  /** `into` is undefined but on the root. */
  gather(call: Call, part: Sendable, into: Sendable | undefined, counts: Int32Array, root: number): Started;
  /** `from` is undefined but on the root. */
  scatter(call: Call, from: Sendable | undefined, into: Sendable, counts: Int32Array, root: number): Started;
  /** Called when all ranks have come: it may block, for a moment. */
  split(call: Call, color: number | undefined, key: number): Transport | undefined;
  free(): void;
}
