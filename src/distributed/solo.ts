/** One process alone: every collective is a copy, and nothing waits. */
import { checkDeadline, checkKeys, DEADLINE } from "./arguments.ts";
import type { Communicator, Sendable } from "./communicator.ts";
import { Group } from "./group.ts";
import type { Transport } from "./transport.ts";

function copy(from: Sendable, into: Sendable): undefined {
  // Types are the same; `set` of the same type keeps every bit.
  (into as Uint8Array).set(from as Uint8Array);
}

class SoloTransport implements Transport {
  readonly rank = 0;
  readonly size = 1;
  readonly mostElements = Infinity;
  readonly channel = undefined;
  closed: string | undefined;

  broadcast(): undefined {}
  allReduce(_: unknown, values: Sendable, into: Sendable | undefined): undefined {
    if (into !== undefined) copy(values, into);
  }
  allGather(_: unknown, part: Sendable, into: Sendable): undefined {
    copy(part, into);
  }
  reduceScatter(_: unknown, values: Sendable, into: Sendable): undefined {
    copy(values, into);
  }
  gather(_: unknown, part: Sendable, into: Sendable | undefined): undefined {
    copy(part, into!);
  }
  scatter(_: unknown, from: Sendable | undefined, into: Sendable): undefined {
    copy(from!, into);
  }
  split(_: unknown, color: number | undefined): Transport | undefined {
    return color === undefined ? undefined : new SoloTransport();
  }
  free(): void {
    this.closed = "it was freed";
  }
}

/**
 * A communicator of this process alone: rank 0 of 1. It needs nothing, and checks its arguments as all of them do, so that
 * a program for many ranks can be written and tested on one.
 *
 * @param options - `deadline` in milliseconds, default 60,000: checked, and never reached
 * @returns the caller's
 * @throws TypeError, RangeError
 * @example
 * import { solo } from "surgical-theater/distributed";
 *
 * using comm = solo();
 * const sums = comm.allReduce(Float32Array.of(1, 2)); // in place, over all ranks
 * const whole = comm.allGather(sums); // a new array
 * console.log(comm.rank, comm.size, whole, comm.bytesMoved); // 0 1 Float32Array [1, 2] 0
 */
export function solo(options: { readonly deadline?: number } = {}): Communicator {
  checkKeys("solo", options, ["deadline"]);
  const { deadline = DEADLINE } = options;
  checkDeadline("solo: deadline", deadline);
  return new Group(new SoloTransport(), deadline);
}
