/** A communicator over any transport: the collectives in both forms. */
import { dispose } from "../dispose.ts";
import { drive, driveAsync, type Operation } from "../drive.ts";
import { checkInteger } from "./layouts.ts";
import { TransportCollectives } from "./collectives.ts";
import type {
  AllGatherOptions,
  CallOptions,
  Collectives,
  Communicator,
  GatherOptions,
  ReduceOptions,
  ReduceScatterOptions,
  RootOptions,
  ScatterOptions,
  Sendable,
  SplitOptions,
} from "./communicator.ts";
import type { Transport } from "./transport.ts";

class GroupCollectives extends TransportCollectives implements Collectives {
  readonly #transport: Transport;
  readonly #deadline: number;

  constructor(transport: Transport, deadline: number) {
    super(transport, deadline);
    this.#transport = transport;
    this.#deadline = deadline;
  }

  *split(color: number | undefined, options: SplitOptions = {}): Operation<Communicator | undefined> {
    const { rank } = this.#transport;
    const { key = rank } = options;
    const call = this.begin("split", options, ["key"]);
    if (color !== undefined) checkInteger("split: color", color);
    if (!Number.isSafeInteger(key)) throw new RangeError(`split: key must be an integer, got ${key}.`);
    // The library's own split blocks. Behind this one all ranks have come, or it has failed at the deadline.
    yield* this.arrival(call);
    const group = this.#transport.split(call, color, key);
    return group && new Group(group, this.#deadline);
  }
}

/** @internal */
export class Group implements Communicator {
  readonly rank: number;
  readonly size: number;
  readonly deadline: number;
  readonly #transport: Transport;
  readonly #collectives: GroupCollectives;

  constructor(transport: Transport, deadline: number) {
    this.rank = transport.rank;
    this.size = transport.size;
    this.deadline = deadline;
    this.#transport = transport;
    this.#collectives = new GroupCollectives(transport, deadline);
  }

  get bytesMoved(): number {
    return this.#collectives.bytesMoved;
  }

  get collectives(): Collectives {
    return this.#collectives;
  }

  /** Waits until all ranks have come to a call of this name. */
  protected *arrival(name: string, options: CallOptions = {}): Operation<void> {
    yield* this.#collectives.arrival(this.#collectives.begin(name, options, []));
  }

  barrier(options?: CallOptions): void {
    drive(this.#collectives.barrier(options));
  }
  barrierAsync(options?: CallOptions): Promise<void> {
    return driveAsync(this.#collectives.barrier(options));
  }

  broadcast<T extends Sendable>(values: T, options?: RootOptions): T {
    return drive(this.#collectives.broadcast(values, options));
  }
  broadcastAsync<T extends Sendable>(values: T, options?: RootOptions): Promise<T> {
    return driveAsync(this.#collectives.broadcast(values, options));
  }

  allReduce<T extends Sendable>(values: T, options?: ReduceOptions<T>): T {
    return drive(this.#collectives.allReduce(values, options));
  }
  allReduceAsync<T extends Sendable>(values: T, options?: ReduceOptions<T>): Promise<T> {
    return driveAsync(this.#collectives.allReduce(values, options));
  }

  allGather<T extends Sendable>(part: T, options?: AllGatherOptions<T>): T {
    return drive(this.#collectives.allGather(part, options));
  }
  allGatherAsync<T extends Sendable>(part: T, options?: AllGatherOptions<T>): Promise<T> {
    return driveAsync(this.#collectives.allGather(part, options));
  }

  reduceScatter<T extends Sendable>(values: T, options?: ReduceScatterOptions<T>): T {
    return drive(this.#collectives.reduceScatter(values, options));
  }
  reduceScatterAsync<T extends Sendable>(values: T, options?: ReduceScatterOptions<T>): Promise<T> {
    return driveAsync(this.#collectives.reduceScatter(values, options));
  }

  gather<T extends Sendable>(part: T, options?: GatherOptions<T>): T | undefined {
    return drive(this.#collectives.gather(part, options));
  }
  gatherAsync<T extends Sendable>(part: T, options?: GatherOptions<T>): Promise<T | undefined> {
    return driveAsync(this.#collectives.gather(part, options));
  }

  scatter<T extends Sendable>(into: T, options?: ScatterOptions<T>): T {
    return drive(this.#collectives.scatter(into, options));
  }
  scatterAsync<T extends Sendable>(into: T, options?: ScatterOptions<T>): Promise<T> {
    return driveAsync(this.#collectives.scatter(into, options));
  }

  split(color: number | undefined, options?: SplitOptions): Communicator | undefined {
    return drive(this.#collectives.split(color, options));
  }
  splitAsync(color: number | undefined, options?: SplitOptions): Promise<Communicator | undefined> {
    return driveAsync(this.#collectives.split(color, options));
  }

  free(): void {
    this.#transport.free();
  }
  [dispose](): void {
    this.free();
  }
}
