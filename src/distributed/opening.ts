/**
 * Opening a theater on ranks that each have a part of the model. Before each collective all ranks meet, in one call that is
 * always the same: a rank that has failed comes there with its failure, and none waits for it in a collective that it
 * never reaches. Closing needs nobody.
 */
import type { Operation } from "../drive.ts";
import { CommunicatorError } from "../errors.ts";
import { fingerprint } from "../fingerprint.ts";
import type { Agreement } from "../shard.ts";
import { agreement, agreementOn } from "./agree.ts";
import type { Communicator } from "./communicator.ts";

/** After these all ranks know, or none can be asked any more. */
const known: readonly CommunicatorError["code"][] = [
  "peer_failed",
  "ranks_disagree",
  "timed_out",
  "mpi_failed",
  "communicator_closed",
];

export class Opening implements Agreement {
  readonly comm: Communicator;
  /** What no rank may have differently, besides the request. */
  readonly #facts: Readonly<Record<string, string>>;

  constructor(comm: Communicator, facts: Readonly<Record<string, string>>) {
    this.comm = comm;
    this.#facts = facts;
  }

  /** Waits for the other ranks, which must be about to do the same. */
  *meet(what: string, failure?: unknown): Operation<void> {
    const { rank, size, collectives } = this.comm;
    const words = (fingerprint(new TextEncoder().encode(what)).match(/.{8}/g) ?? []).map((word) =>
      Number.parseInt(word, 16),
    );
    // The largest of h and of −h are the largest and the smallest of all h, in one call.
    const extremes = Float64Array.from([
      failure === undefined ? 0 : size - rank,
      ...words.flatMap((word) => [word, -word]),
    ]);
    yield* collectives.allReduce(extremes, { reduction: "max" });
    if (extremes[0]! > 0) yield* agreement(this.comm, failure);
    if (words.every((_, i) => extremes[2 * i + 1] === -extremes[2 * i + 2]!)) return;
    throw new CommunicatorError(
      "ranks_disagree",
      `The ranks are not at the same point of opening a theater: this one is about to ${what}. Every parameter is as it ` +
        "was before the call. Open theaters on all ranks, in the same order.",
      { ranks: [] },
    );
  }

  *same(what: string, text: string): Operation<void> {
    yield* this.meet(`compare ${what}`);
    yield* agreementOn(this.comm, { ...this.#facts, [what]: text });
  }

  *settle(error?: unknown): Operation<void> {
    if (error instanceof CommunicatorError && known.includes(error.code)) return;
    yield* this.meet("go on", error);
  }
}
