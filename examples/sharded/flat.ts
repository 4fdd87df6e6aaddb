/**
 * Parameters as ZeRO-3 and FSDP keep them: one behind the other in a flat unit, of which each rank has a part. They are
 * together only while they are used.
 */
// In a project of your own: from "surgical-theater/distributed".
import { type Communicator, flatUnit, sharded, type ShardedModel } from "../../src/distributed.ts";

type Shapes = Readonly<Record<string, readonly number[]>>;

export class FlatParameters<S extends Shapes> {
  /** This rank's part, padding included: what is trained, and what theaters modify. */
  readonly shard: Float32Array;
  /** For the library: it modifies `shard` in place. */
  readonly model: ShardedModel;
  /** Elements of all parameters, without padding. */
  readonly length: number;
  readonly #comm: Communicator;
  readonly #shapes: S;

  constructor(comm: Communicator, shapes: S) {
    this.#comm = comm;
    this.#shapes = shapes;
    this.length = Object.values(shapes).reduce((sum, shape) => sum + elementsOf(shape), 0);
    const data = new Float32Array(Math.ceil(this.length / comm.size));
    this.shard = data;
    let offset = 0;
    const parameters = Object.entries(shapes).map(([name, shape]) => {
      const layout = flatUnit({ offset, unitLength: this.length });
      offset += elementsOf(shape);
      return [name, { data, shape, dtype: "float32", layout }] as const;
    });
    this.model = sharded(comm, Object.fromEntries(parameters));
  }

  /** Elements of all ranks' parts together. */
  get paddedLength(): number {
    return this.shard.length * this.#comm.size;
  }

  /** All parameters, one behind the other: as the shards show them now. All ranks ask together. */
  gather(): Float32Array {
    return this.#comm.allGather(this.shard).subarray(0, this.length);
  }

  /** Keeps this rank's part of what all ranks have alike. */
  take(whole: Float32Array): void {
    const begin = this.#comm.rank * this.shard.length;
    this.shard.set(whole.subarray(begin, begin + this.shard.length));
  }

  /** The parameters that lie in `flat`, by name. */
  views<A extends Float32Array | Float64Array>(flat: A): Readonly<Record<keyof S, A>> {
    let offset = 0;
    const views = Object.entries(this.#shapes).map(([name, shape]) => {
      const begin = offset;
      offset += elementsOf(shape);
      return [name, flat.subarray(begin, offset)] as const;
    });
    return Object.fromEntries(views) as Record<keyof S, A>;
  }
}

function elementsOf(shape: readonly number[]): number {
  return shape.reduce((product, length) => product * length, 1);
}
