/**
 * Opening a theater on ranks that each have a part of the model. Before each collective all ranks meet, in one call that is
 * always the same: a rank that has failed comes there with its failure, and none waits for it in a collective that it
 * never reaches. Closing needs nobody.
 */
import type { Operation } from "../drive.ts";
import { CommunicatorError, RestoreError } from "../errors.ts";
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

/** Hexadecimal digits of a digest that is an exact float64, and what is larger than any. */
const DIGITS = 13;
const FAILED = 2 ** 53;

const BACK = "Every parameter of this rank is as it was before the call.";

export class Opening implements Agreement {
  readonly comm: Communicator;
  /** What no rank may have differently, besides the request. */
  readonly #facts: () => Readonly<Record<string, string>>;

  /** @param facts - asked for when all ranks have come: what cannot be read here must not keep this rank from failing there */
  constructor(comm: Communicator, facts: () => Readonly<Record<string, string>>) {
    this.comm = comm;
    this.#facts = facts;
  }

  /** Waits for the other ranks, which must be about to do the same. */
  *meet(what: string, failure?: unknown): Operation<void> {
    const digest = Number.parseInt(fingerprint(new TextEncoder().encode(what)).slice(0, DIGITS), 16);
    // The largest of h and of −h are the largest and the smallest of all h, in one call.
    const extremes = failure === undefined ? [digest, -digest] : [FAILED, FAILED];
    const all = Float64Array.from(extremes);
    yield* this.told(what, this.comm.collectives.allReduce(all, { reduction: "max" }));
    if (all[0] === FAILED) yield* this.told(what, agreement(this.comm, failure));
    if (all[0] === -all[1]!) return;
    throw new CommunicatorError(
      "ranks_disagree",
      `The ranks are not at the same point of opening a theater: this one is about to ${what}. ${BACK} ` +
        "Open theaters on all ranks, in the same order.",
      { ranks: [] },
    );
  }

  /**
   * Runs a collective of this opening. It knows no parameters; who reads the message of its failure wants to.
   *
   * @param complete - code of errors whose message says all
   */
  *told<R>(what: string, collective: Operation<R>, complete?: CommunicatorError["code"]): Operation<R> {
    try {
      return yield* collective;
    } catch (error) {
      if (!(error instanceof CommunicatorError) || error.code === complete) throw error;
      const { code, message, ranks, peerCode, cause = error } = error;
      throw new CommunicatorError(code, `${this.#worded(code, what, message)} ${BACK}`, {
        ranks,
        peerCode,
        cause,
      });
    }
  }

  #worded(code: CommunicatorError["code"], what: string, message: string): string {
    if (code !== "timed_out") return code === "peer_failed" ? message : `Opening a theater: ${message}`;
    const { rank, deadline } = this.comm;
    return (
      `Opening a theater: rank ${rank} was to ${what}, and not all ranks have come within ${deadline} ms. One is late, has ` +
      "ended, or does something else. The communicator cannot be used any more: let the job end, and start it again; or " +
      "give it a longer deadline, if a rank may take that long."
    );
  }

  *same(what: string, facts: Readonly<Record<string, string>>): Operation<void> {
    yield* this.meet(`compare ${what}`);
    const comparison = agreementOn(this.comm, { ...this.#facts(), ...facts });
    // Where the ranks disagree it says itself that nothing was changed.
    yield* this.told(`compare ${what}`, comparison, "ranks_disagree");
  }

  *settle(error?: unknown): Operation<void> {
    const isLost = error instanceof RestoreError;
    const reason = isLost ? error.cause : error;
    if (reason instanceof CommunicatorError && known.includes(reason.code)) return;
    try {
      yield* this.meet("go on", error);
    } catch (told) {
      // What did not come back here is news that only this rank has.
      throw isLost ? error : told;
    }
  }
}
