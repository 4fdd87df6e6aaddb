/** A collective that MPI is carrying out, polled until it is done or its deadline has passed. */
import type { Waitable } from "../../drive.ts";
import { CommunicatorError } from "../../errors.ts";
import type { Call } from "../transport.ts";
import { nap, nextTurn } from "./node.ts";
import type { NativeValue } from "./library.ts";
import type { Runtime } from "./runtime.ts";

/** Polls before anything else is tried: a small collective is done by then. */
const SPINS = 200;
/** Polls between which the processor is given away, before naps begin. */
const YIELDS = 2000;
/** Polls between two looks at the clock. */
const CLOCK = 16;
const NAP_MS = 0.1;
/** From this size on nobody naps: libraries move data only while they are polled. */
const LARGE = 1 << 20;

const napCell = new Int32Array(new SharedArrayBuffer(4));

export class Request implements Waitable<void> {
  readonly #runtime: Runtime;
  readonly #call: Call;
  readonly #rank: number;
  readonly #handle: BigUint64Array | Int32Array;
  readonly #flag = new Int32Array(1);
  readonly #isLarge: boolean;
  #isDone = false;
  /** MPI reads and writes these until it is done, whether or not anybody still waits. */
  readonly held: readonly ArrayBufferView[];

  /** @param start - starts it; is given where to write the request */
  constructor(
    runtime: Runtime,
    call: Call,
    rank: number,
    held: readonly (ArrayBufferView | undefined)[],
    start: (handle: NativeValue) => number,
  ) {
    this.#runtime = runtime;
    this.#call = call;
    this.#rank = rank;
    this.held = held.filter((each) => each !== undefined);
    this.#isLarge = this.held.some(({ byteLength }) => byteLength >= LARGE);
    this.#handle = runtime.abi.handleMemory();
    runtime.requests.add(this);
    runtime.check(call.name, rank, start(this.#handle));
  }

  /** Lets MPI go on with it. @returns whether it is done */
  test(): boolean {
    if (this.#isDone) return true;
    const { functions, abi } = this.#runtime;
    this.#runtime.check(
      this.#call.name,
      this.#rank,
      functions.Test(this.#handle, this.#flag, abi.ignoreStatus),
    );
    if (this.#flag[0] === 0) return false;
    this.#isDone = true;
    this.#runtime.requests.delete(this);
    return true;
  }

  waitSync(): void {
    for (let polls = 1; !this.test(); polls++) {
      if (polls % CLOCK === 0) this.#assertInTime();
      if (polls < SPINS) continue;
      // A rank that only spins takes the processor from the one it waits for.
      if (polls < YIELDS || this.#isLarge) this.#runtime.yieldProcessor();
      else Atomics.wait(napCell, 0, 0, NAP_MS);
    }
  }

  async waitAsync(): Promise<void> {
    for (let polls = 1; !this.test(); polls++) {
      this.#assertInTime();
      await (polls < SPINS || this.#isLarge ? nextTurn() : nap());
    }
  }

  #assertInTime(): void {
    const { name, deadline, until } = this.#call;
    if (performance.now() < until) return;
    this.#runtime.isBroken = true;
    throw new CommunicatorError(
      "timed_out",
      `${name} on rank ${this.#rank}: not all ranks have taken part within ${deadline} ms. One is late, has ended, or is in ` +
        "another collective. MPI may still write to the arrays that were given: do not use them. Let the job end, and " +
        "start it again; or give a longer deadline, if a rank may take that long to come.",
    );
  }
}
