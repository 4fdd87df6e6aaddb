/**
 * Whether all ranks are in the same collective, with arguments that fit. MPI does not look: of arrays of different
 * lengths, or of two collectives that exchange the same messages, it makes wrong numbers and reports success. A few bytes
 * on a channel of their own travel with each collective.
 */
import { complete, type Operation } from "../drive.ts";
import { CommunicatorError } from "../errors.ts";
import { fingerprint } from "../fingerprint.ts";
import type { Call, Started, Transport } from "./transport.ts";

/** Bytes of a description that are exchanged when descriptions differ. */
const SHOWN = 160;

/** Digest of a text, so that one reduction tells whether it is the same everywhere. */
export interface Extremes {
  /** To be reduced to the maximum: the largest of h and of −h are the largest and the smallest of all h. */
  readonly values: Float64Array;
  /** After that: whether all were the same. */
  areEqual(): boolean;
}

export function extremesOf(text: Uint8Array): Extremes {
  const words = (fingerprint(text).match(/.{8}/g) ?? []).map((word) => Number.parseInt(word, 16));
  const values = Float64Array.from(words.flatMap((word) => [word, -word]));
  return { values, areEqual: () => words.every((_, i) => values[2 * i] === -values[2 * i + 1]!) };
}

/** A check under way. */
export interface Check {
  readonly request: Started;
  /** When the request is done. @throws CommunicatorError `ranks_disagree`, on all ranks */
  result(): Operation<void>;
}

/** Starts the check. @param description - the collective and what all ranks must give alike */
export function startCheck(channel: Transport, call: Call, description: string): Check {
  const text = new TextEncoder().encode(description);
  const extremes = extremesOf(text);
  const request = channel.allReduce(call, extremes.values, undefined, "max");
  return {
    request,
    *result() {
      if (!extremes.areEqual()) throw yield* disagreement(channel, call, text);
    },
  };
}

function* disagreement(channel: Transport, call: Call, text: Uint8Array): Operation<CommunicatorError> {
  const own = new Uint8Array(SHOWN);
  own.set(text.subarray(0, SHOWN));
  const all = new Uint8Array(SHOWN * channel.size);
  const request = channel.allGather(call, own, all, new Int32Array(channel.size).fill(SHOWN));
  if (request !== undefined) yield* complete(request);
  const calls = Array.from({ length: channel.size }, (_, rank) =>
    new TextDecoder().decode(all.subarray(rank * SHOWN, (rank + 1) * SHOWN)).replace(/\0+$/, ""),
  );
  const ranks = [...calls.keys()].filter((rank) => calls[rank] !== calls[0]);
  const other = ranks[0] ?? channel.size - 1;
  return new CommunicatorError(
    "ranks_disagree",
    `The ranks are not in the same collective: rank 0 is in ${calls[0]}, rank ${other} in ${calls[other]}. What was to be ` +
      "written is undefined. All ranks must call the same, in the same order, with arguments that fit. Let the job end.",
    { ranks },
  );
}
