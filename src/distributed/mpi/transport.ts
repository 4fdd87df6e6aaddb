/** The collectives of MPI, each started without waiting for it. */
import type { Reduction, Sendable } from "../communicator.ts";
import { typeOf } from "../arguments.ts";
import type { Call, Transport } from "../transport.ts";
import type { Handle } from "./abi.ts";
import type { NativeValue } from "./library.ts";
import { Request } from "./request.ts";
import type { Runtime } from "./runtime.ts";

const NULL = 0n;

/** Where each rank's part begins: one behind the other. */
function displacements(counts: Int32Array): Int32Array {
  const starts = new Int32Array(counts.length);
  for (let rank = 1; rank < counts.length; rank++) starts[rank] = starts[rank - 1]! + counts[rank - 1]!;
  return starts;
}

export class MpiTransport implements Transport {
  readonly rank: number;
  readonly size: number;
  readonly mostElements: number;
  readonly channel: MpiTransport | undefined;
  readonly #runtime: Runtime;
  readonly #handle: Handle;
  #freed = false;

  /**
   * Called by all ranks of the group.
   *
   * @param deadline - milliseconds, for the channel to be made
   * @param mostElements - what one request may have: counts are of type int
   */
  constructor(
    runtime: Runtime,
    handle: Handle,
    deadline: number,
    mostElements = 2 ** 31 - 1,
    isChannel = false,
  ) {
    const { functions, abi } = runtime;
    this.#runtime = runtime;
    this.#handle = handle;
    this.mostElements = mostElements;
    // Each communicator has its own, and a new one may not take over that of the old one.
    runtime.number(() => functions.Comm_set_errhandler(handle, abi.errorsReturn));
    this.rank = runtime.number((into) => functions.Comm_rank(handle, into));
    this.size = runtime.number((into) => functions.Comm_size(handle, into));
    if (isChannel || this.size === 1) return;
    const twin = this.#split("split", deadline, 0, this.rank);
    this.channel = new MpiTransport(runtime, twin, deadline, mostElements, true);
  }

  get closed(): string | undefined {
    return this.#runtime.closed ?? (this.#freed ? "it was freed" : undefined);
  }

  broadcast(call: Call, values: Sendable, root: number): Request {
    return this.#start(call, [values], (request) =>
      this.#runtime.functions.Ibcast(values, values.length, this.#type(values), root, this.#handle, request),
    );
  }

  allReduce(call: Call, values: Sendable, into: Sendable | undefined, reduction: Reduction): Request {
    const { functions, abi } = this.#runtime;
    return this.#start(call, [values, into], (request) =>
      functions.Iallreduce(
        into === undefined ? abi.inPlace : values,
        into ?? values,
        values.length,
        this.#type(values),
        abi.reductions[reduction],
        this.#handle,
        request,
      ),
    );
  }

  allGather(call: Call, part: Sendable, into: Sendable, counts: Int32Array): Request {
    const type = this.#type(part);
    const starts = displacements(counts);
    return this.#start(call, [part, into, counts, starts], (request) =>
      this.#runtime.functions.Iallgatherv(
        part,
        part.length,
        type,
        into,
        counts,
        starts,
        type,
        this.#handle,
        request,
      ),
    );
  }

  reduceScatter(
    call: Call,
    values: Sendable,
    into: Sendable,
    counts: Int32Array,
    reduction: Reduction,
  ): Request {
    const { functions, abi } = this.#runtime;
    return this.#start(call, [values, into, counts], (request) =>
      functions.Ireduce_scatter(
        values,
        into,
        counts,
        this.#type(values),
        abi.reductions[reduction],
        this.#handle,
        request,
      ),
    );
  }

  gather(call: Call, part: Sendable, into: Sendable | undefined, counts: Int32Array, root: number): Request {
    const type = this.#type(part);
    const starts = displacements(counts);
    return this.#start(call, [part, into, counts, starts], (request) =>
      this.#runtime.functions.Igatherv(
        part,
        part.length,
        type,
        into ?? NULL,
        counts,
        starts,
        type,
        root,
        this.#handle,
        request,
      ),
    );
  }

  scatter(call: Call, from: Sendable | undefined, into: Sendable, counts: Int32Array, root: number): Request {
    const type = this.#type(into);
    const starts = displacements(counts);
    return this.#start(call, [from, into, counts, starts], (request) =>
      this.#runtime.functions.Iscatterv(
        from ?? NULL,
        counts,
        starts,
        type,
        into,
        into.length,
        type,
        root,
        this.#handle,
        request,
      ),
    );
  }

  split({ name, deadline }: Call, color: number | undefined, key: number): Transport | undefined {
    const handle = this.#split(name, deadline, color ?? this.#runtime.abi.noColor, key);
    if (handle === this.#runtime.abi.nullCommunicator) return undefined;
    return new MpiTransport(this.#runtime, handle, deadline, this.mostElements);
  }

  free(): void {
    if (this.closed !== undefined) return;
    this.channel?.free();
    this.#freed = true;
    // After a failure requests may still use it.
    if (this.#runtime.isBroken) return;
    const handle = this.#runtime.abi.handleMemory();
    handle[0] = this.#handle;
    this.#runtime.check("free", this.rank, this.#runtime.functions.Comm_free(handle));
  }

  #split(name: string, deadline: number, color: number, key: number): Handle {
    const { functions, abi } = this.#runtime;
    const into = abi.handleMemory();
    const code = this.#runtime.guard(deadline, () => functions.Comm_split(this.#handle, color, key, into));
    this.#runtime.check(name, this.rank, code);
    return into[0]!;
  }

  #type(values: Sendable): Handle {
    return this.#runtime.abi.types[typeOf(values)]!;
  }

  #start(
    call: Call,
    held: readonly (ArrayBufferView | undefined)[],
    start: (request: NativeValue) => number,
  ): Request {
    return new Request(this.#runtime, call, this.rank, held, start);
  }
}
