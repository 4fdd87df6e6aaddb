/** The collectives, written once for every transport: arguments checked, large arrays cut, bytes counted. */
import { complete, type Operation } from "../drive.ts";
import { CommunicatorError } from "../errors.ts";
import {
  checkApart,
  checkArray,
  checkDeadline,
  checkKeys,
  checkLength,
  checkReduction,
  checkRoot,
  countsOf,
  typeOf,
} from "./arguments.ts";
import type {
  AllGatherOptions,
  CallOptions,
  Collectives,
  GatherOptions,
  ReduceOptions,
  ReduceScatterOptions,
  RootOptions,
  ScatterOptions,
  Sendable,
} from "./communicator.ts";
import { counted, pieces } from "./pieces.ts";
import { startCheck } from "./same-call.ts";
import type { Call, Started, Transport } from "./transport.ts";

/** A new array of the type of `like`, but never a Buffer. */
function emptyLike<T extends Sendable>(like: T, length: number): T {
  const types = globalThis as unknown as Readonly<Record<string, new (length: number) => T>>;
  return new types[typeOf(like)]!(length);
}

/** All collectives but `split`, which makes a communicator. */
export class TransportCollectives implements Omit<Collectives, "split"> {
  readonly #transport: Transport;
  readonly #deadline: number;
  /** What made the communicator unusable. */
  #failed: CommunicatorError | undefined;
  #bytesMoved = 0;

  constructor(transport: Transport, deadline: number) {
    this.#transport = transport;
    this.#deadline = deadline;
  }

  get bytesMoved(): number {
    return this.#bytesMoved;
  }

  *barrier(options: CallOptions = {}): Operation<void> {
    yield* this.arrival(this.begin("barrier", options, []));
  }

  /** Waits until all ranks have come to the same call. */
  *arrival(call: Call): Operation<void> {
    yield* this.#run(call, call.name, 0, () => []); // the check waits for all
  }

  *broadcast<T extends Sendable>(values: T, options: RootOptions = {}): Operation<T> {
    const { root = 0 } = options;
    const call = this.begin("broadcast", options, ["root"]);
    checkArray("broadcast: values", values);
    checkRoot("broadcast", root, this.#transport.size);
    yield* this.#run(call, `${shown(call, values)}, root ${root}`, values.byteLength, () =>
      pieces(values.length, this.#transport.mostElements).map(([from, to]) =>
        this.#transport.broadcast(call, values.subarray(from, to), root),
      ),
    );
    return values;
  }

  *allReduce<T extends Sendable>(values: T, options: ReduceOptions<T> = {}): Operation<T> {
    const { into, reduction = "sum" } = options;
    const call = this.begin("allReduce", options, ["into", "reduction"]);
    checkArray("allReduce: values", values);
    checkReduction("allReduce", reduction);
    if (into !== undefined) checkInto("allReduce", into, values, values.length);
    yield* this.#run(call, `${shown(call, values)}, ${reduction}`, values.byteLength, () =>
      pieces(values.length, this.#transport.mostElements).map(([from, to]) =>
        this.#transport.allReduce(call, values.subarray(from, to), into?.subarray(from, to), reduction),
      ),
    );
    return into ?? values;
  }

  *allGather<T extends Sendable>(part: T, options: AllGatherOptions<T> = {}): Operation<T> {
    const { rank, size, mostElements } = this.#transport;
    const call = this.begin("allGather", options, ["into", "counts"]);
    checkArray("allGather: part", part);
    const counts = countsOf("allGather", options.counts, part.length, size);
    checkLength("allGather: part", part, counts[rank]!);
    const into = intoOf("allGather", options, part, sum(counts));
    yield* this.#run(call, shown(call, part, counts), into.byteLength - part.byteLength, () =>
      counted(counts, rank, mostElements).map(({ counts, all, own }) =>
        this.#transport.allGather(call, part.subarray(...own), into.subarray(...all), counts),
      ),
    );
    return into;
  }

  *reduceScatter<T extends Sendable>(values: T, options: ReduceScatterOptions<T> = {}): Operation<T> {
    const { reduction = "sum" } = options;
    const { rank, size, mostElements } = this.#transport;
    const call = this.begin("reduceScatter", options, ["into", "counts", "reduction"]);
    checkArray("reduceScatter: values", values);
    checkReduction("reduceScatter", reduction);
    if (options.counts === undefined && values.length % size !== 0) {
      throw new RangeError(
        `reduceScatter: ${values.length} elements do not divide among ${size} ranks. Give counts.`,
      );
    }
    const counts = countsOf("reduceScatter", options.counts, values.length / size, size);
    checkLength("reduceScatter: values", values, sum(counts));
    const into = intoOf("reduceScatter", options, values, counts[rank]!);
    const what = `${shown(call, values, counts)}, ${reduction}`;
    yield* this.#run(call, what, values.byteLength - into.byteLength, () =>
      counted(counts, rank, mostElements).map(({ counts, all, own }) =>
        this.#transport.reduceScatter(
          call,
          values.subarray(...all),
          into.subarray(...own),
          counts,
          reduction,
        ),
      ),
    );
    return into;
  }

  *gather<T extends Sendable>(part: T, options: GatherOptions<T> = {}): Operation<T | undefined> {
    const { root = 0 } = options;
    const { rank, size, mostElements } = this.#transport;
    const call = this.begin("gather", options, ["root", "into", "counts"]);
    checkArray("gather: part", part);
    checkRoot("gather", root, size);
    const counts = countsOf("gather", options.counts, part.length, size);
    checkLength("gather: part", part, counts[rank]!);
    const into = rank === root ? intoOf("gather", options, part, sum(counts)) : undefined;
    const bytes = into === undefined ? part.byteLength : into.byteLength - part.byteLength;
    yield* this.#run(call, `${shown(call, part, counts)}, root ${root}`, bytes, () =>
      counted(counts, rank, mostElements).map(({ counts, all, own }) =>
        this.#transport.gather(call, part.subarray(...own), into?.subarray(...all), counts, root),
      ),
    );
    return into;
  }

  *scatter<T extends Sendable>(into: T, options: ScatterOptions<T> = {}): Operation<T> {
    const { root = 0 } = options;
    const { rank, size, mostElements } = this.#transport;
    const call = this.begin("scatter", options, ["root", "from", "counts"]);
    checkArray("scatter: into", into);
    checkRoot("scatter", root, size);
    const counts = countsOf("scatter", options.counts, into.length, size);
    checkLength("scatter: into", into, counts[rank]!);
    const from = rank === root ? options.from : undefined;
    if (rank === root) {
      checkArray("scatter: from, on the root,", from, into);
      checkLength("scatter: from", from!, sum(counts));
      checkApart("scatter: into", into, from!);
    }
    const bytes = from === undefined ? into.byteLength : from.byteLength - into.byteLength;
    yield* this.#run(call, `${shown(call, into, counts)}, root ${root}`, bytes, () =>
      counted(counts, rank, mostElements).map(({ counts, all, own }) =>
        this.#transport.scatter(call, from?.subarray(...all), into.subarray(...own), counts, root),
      ),
    );
    return into;
  }

  /** @throws TypeError, RangeError, CommunicatorError unless a collective of this name may start */
  begin(name: string, options: CallOptions, known: readonly string[]): Call {
    checkKeys(name, options, [...known, "deadline"]);
    const { deadline = this.#deadline } = options;
    checkDeadline(`${name}: deadline`, deadline);
    this.#assertUsable(name);
    return { name, deadline, until: performance.now() + deadline };
  }

  /**
   * Starts all requests of a collective at once, so that their order is the same on all ranks, and waits for them.
   *
   * @param what - the collective, with all that the ranks must give alike
   * @param bytes - this rank's payload
   */
  *#run(call: Call, what: string, bytes: number, start: () => readonly Started[]): Operation<void> {
    const { channel } = this.#transport;
    try {
      const check = channel && startCheck(channel, call, what);
      const requests = start();
      if (check?.request !== undefined) yield* complete(check.request);
      if (check !== undefined) yield* check.result();
      for (const request of requests) if (request !== undefined) yield* complete(request);
    } catch (error) {
      if (error instanceof CommunicatorError) this.#failed ??= error;
      throw error;
    }
    if (channel !== undefined) this.#bytesMoved += bytes;
  }

  #assertUsable(name: string): void {
    const { closed, rank } = this.#transport;
    const reason = closed ?? (this.#failed && `a collective failed before (${this.#failed.code})`);
    if (reason === undefined) return;
    throw new CommunicatorError(
      "communicator_closed",
      `${name} on rank ${rank}: this communicator cannot be used any more: ${reason}. Nothing was sent. ` +
        "Parameters are as they were. Open what needs it before that; after a failure, let the job end.",
      this.#failed === undefined ? {} : { cause: this.#failed },
    );
  }
}

function checkInto(name: string, into: Sendable, values: Sendable, length: number): void {
  checkArray(`${name}: into`, into, values);
  checkLength(`${name}: into`, into, length);
  checkApart(`${name}: into`, into, values);
}

/** Where the result goes: the array that was given, or a new one. */
function intoOf<T extends Sendable>(
  name: string,
  { into }: { readonly into?: T },
  values: T,
  length: number,
): T {
  if (into === undefined) return emptyLike(values, length);
  checkInto(name, into, values, length);
  return into;
}

/** A collective and its arguments, for comparing with other ranks, and for messages. */
function shown({ name }: Call, values: Sendable, counts?: readonly number[]): string {
  return `${name} of ${counts === undefined ? values.length : `[${counts.join(", ")}]`} in a ${typeOf(values)}`;
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}
