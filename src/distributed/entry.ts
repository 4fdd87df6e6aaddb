/** The entry points for parameters that are divided among ranks. */
import type { NumericArray } from "../dtypes/dtype.ts";
import { type EmaOptions, MovingAverage } from "../ema.ts";
import { entryPoints, type Synchronous } from "../entry.ts";
import type { Options } from "../options.ts";
import type { Plan } from "../plan.ts";
import type { AsyncSurgicalTheater, SurgicalTheater } from "../surgical-theater.ts";
import { openingOf, shardedModel, type ShardedModel } from "./sharded.ts";

const entry = entryPoints<ShardedModel, NumericArray>(shardedModel, openingOf);

/**
 * Runs `fn` while the shards show modified parameters, and puts the same bits back, on each rank by itself.
 *
 * All ranks of the model's communicator must call it, with the same options: what differs is an error on all of them,
 * before anything is touched. What is shown is the same for every number of ranks and every layout. Elements are
 * modified where they are; only `custom`, `quantize` and facts need the other ranks, while the theater opens.
 *
 * @param model - see {@link sharded}; its arrays are modified in place
 * @param fn - what to measure; may use the communicator, if all ranks do
 * @returns what `fn` returns
 * @throws what `fn` throws, after restoring; nothing on the other ranks, which are not asked
 * @throws CommunicatorError before anything is changed, or after this rank's part is back: `ranks_disagree`,
 *   `peer_failed` with the failure of another rank, `timed_out`
 * @throws as `withTheater` of "surgical-theater", where it is the same on all ranks
 * @example
 * import { noise, sharded, shard, solo, withTheater } from "surgical-theater/distributed";
 *
 * const kernel = { data: new Float32Array(6), shape: [2, 3], dtype: "float32", layout: shard(0) } as const;
 * const options = { modification: noise({ std: 1, seed: 1 }), layers: "all" } as const;
 * console.log(withTheater(sharded(solo(), { kernel }), options, () => kernel.data[0] !== 0)); // true
 */
export function withTheater<R>(
  model: ShardedModel,
  options: Options<NumericArray>,
  fn: () => Synchronous<R>,
): R {
  return entry.withTheater(model, options, fn);
}

/**
 * As {@link withTheater}, for a function that must be awaited, and without blocking while it waits for other ranks; but a
 * gather for `custom` or `quantize` blocks.
 *
 * @example
 * import { scale, sharded, replicated, solo, withTheaterAsync } from "surgical-theater/distributed";
 *
 * const bias = { data: Float32Array.of(2), shape: [1], dtype: "float32", layout: replicated() } as const;
 * const options = { modification: scale(2), layers: "all" } as const;
 * console.log(await withTheaterAsync(sharded(solo(), { bias }), options, async () => bias.data[0])); // 4
 */
export function withTheaterAsync<R>(
  model: ShardedModel,
  options: Options<NumericArray>,
  fn: () => R | PromiseLike<R>,
): Promise<R> {
  return entry.withTheaterAsync(model, options, fn);
}

/**
 * Opens a theater on all ranks. Closing is local, and cannot wait for anybody.
 *
 * @example
 * import { disable, sharded, flatPadded, solo, surgicalTheater } from "surgical-theater/distributed";
 *
 * const kernel = { data: Float32Array.of(1, 2), shape: [2], dtype: "float32", layout: flatPadded() } as const;
 * const theater = surgicalTheater(sharded(solo(), { kernel }), { modification: disable(), layers: "all" });
 * console.log(kernel.data[1], theater.close().identical, kernel.data[1]); // 0 true 2
 */
export function surgicalTheater(model: ShardedModel, options: Options<NumericArray>): SurgicalTheater {
  return entry.surgicalTheater(model, options);
}

/**
 * As {@link surgicalTheater}, without blocking while it waits for other ranks.
 *
 * @example
 * import { scale, sharded, shard, solo, surgicalTheaterAsync } from "surgical-theater/distributed";
 *
 * const kernel = { data: Float32Array.of(1, 2), shape: [2], dtype: "float32", layout: shard(0) } as const;
 * const options = { modification: scale(3), layers: "all" } as const;
 * const theater = await surgicalTheaterAsync(sharded(solo(), { kernel }), options);
 * console.log(kernel.data[1], (await theater.close()).identical); // 6 true
 */
export function surgicalTheaterAsync(
  model: ShardedModel,
  options: Options<NumericArray>,
): Promise<AsyncSurgicalTheater> {
  return entry.surgicalTheaterAsync(model, options);
}

/**
 * What a theater would hold on this rank, without opening it. All ranks must ask where facts are needed
 * (`relativeTo`, a magnitude, `prune`).
 *
 * @example
 * import { planTheater, scale, sharded, shard, solo } from "surgical-theater/distributed";
 *
 * const kernel = { data: new Float32Array(100), shape: [100], dtype: "float32", layout: shard(0) } as const;
 * console.log(planTheater(sharded(solo(), { kernel }), { modification: scale(0.9), layers: "all" }).heldBytes); // 400
 */
export function planTheater(model: ShardedModel, options: Options<NumericArray>): Plan {
  return entry.planTheater(model, options);
}

/**
 * An exponential moving average of this rank's parts. It needs no other rank.
 *
 * @example
 * import { Ema, interpolate, sharded, shard, solo, withTheater } from "surgical-theater/distributed";
 *
 * const kernel = { data: Float32Array.of(1), shape: [1], dtype: "float32", layout: shard(0) } as const;
 * const model = sharded(solo(), { kernel });
 * const ema = new Ema(model, { decay: 0.5 });
 * ema.update();
 * kernel.data[0] = 5; // a training step
 * console.log(withTheater(model, { modification: interpolate(ema.weights) }, () => kernel.data[0])); // 1
 */
export class Ema extends MovingAverage<NumericArray> {
  /**
   * @param model - borrowed: read at each update
   * @throws TypeError, RangeError for options that make no sense, and as {@link sharded}
   */
  constructor(model: ShardedModel, options: EmaOptions) {
    super(shardedModel(model), options);
  }
}
