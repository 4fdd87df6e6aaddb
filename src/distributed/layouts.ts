/**
 * How a parameter is divided among ranks, as plain values. Each is what a training framework does; nothing here knows
 * how many ranks there are.
 */
import { describeValue } from "../errors.ts";

/** A part of a flat unit of several tensors. */
export interface FlatUnit {
  readonly kind: "flatUnit";
  readonly offset: number;
  readonly unitLength: number;
}

/** One flattened tensor, padded so that all parts are equally long. */
export interface FlatPadded {
  readonly kind: "flatPadded";
}

/** Cut along one dimension. */
export interface Shard {
  readonly kind: "shard";
  readonly dim: number;
  readonly sizes: readonly number[] | undefined;
}

/** Everything on every rank. */
export interface Replicated {
  readonly kind: "replicated";
}

/** One axis of a mesh of ranks, and what it does to the parameter. */
export interface MeshAxis {
  /** Number of ranks along the axis. */
  readonly size: number;
  readonly layout: Shard | Replicated;
}

/** Ranks in a grid, with a layout for each of its axes. */
export interface Mesh {
  readonly kind: "mesh";
  readonly axes: readonly MeshAxis[];
  /** Axes in the order in which they cut. */
  readonly cutOrder: readonly number[];
}

/** `length` elements that lie together: from `global` on in the row-major parameter, from `local` on in the shard. */
export interface Run {
  readonly global: number;
  readonly local: number;
  readonly length: number;
}

/** Runs given by hand. */
export interface GivenRuns {
  readonly kind: "given";
  /** By rank; each in the order of `local`. */
  readonly runs: readonly (readonly Run[])[];
}

/** How a parameter is divided among ranks. */
export type ShardLayout = FlatUnit | FlatPadded | Shard | Replicated | Mesh | GivenRuns;

/** @throws TypeError, RangeError unless `value` is an integer of at least `least` */
export function checkInteger(role: string, value: unknown, least = 0): void {
  if (typeof value !== "number")
    throw new TypeError(`${role} must be a number, got ${describeValue(value)}.`);
  if (!Number.isSafeInteger(value) || value < least) {
    throw new RangeError(`${role} must be an integer, ${least} or more, got ${value}.`);
  }
}

function checkList(role: string, value: unknown): void {
  if (!Array.isArray(value)) throw new TypeError(`${role} must be a list, got ${describeValue(value)}.`);
}

/**
 * FSDP1's `FlatParameter`: the tensors of a unit lie one behind the other, and the whole is cut into equal parts, the
 * last ones padded. The local index counts inside the rank's shard of the unit; a tensor may be absent from a rank.
 *
 * @param part - `offset`: where this tensor begins in the unit, in elements (alignment gaps included); `unitLength`: all
 *   elements of the unit, without the padding at its end
 * @throws TypeError, RangeError
 * @example
 * import { flatUnit, runsOf } from "surgical-theater/distributed";
 *
 * const layout = flatUnit({ offset: 6, unitLength: 10 }); // behind one of 6 elements
 * console.log(runsOf(layout, [2, 2], { rank: 1, size: 2 })); // [{ global: 0, local: 1, length: 4 }]
 */
export function flatUnit({ offset, unitLength }: { offset: number; unitLength: number }): FlatUnit {
  checkInteger("flatUnit: offset", offset);
  checkInteger("flatUnit: unitLength", unitLength);
  return Object.freeze({ kind: "flatUnit", offset, unitLength });
}

/**
 * DeepSpeed ZeRO-3: the tensor is flattened, padded at its end to a multiple of the number of ranks, and cut into equal
 * parts. Padding is in no run.
 *
 * @example
 * import { flatPadded, localLength, runsOf } from "surgical-theater/distributed";
 *
 * const last = { rank: 3, size: 4 };
 * console.log(localLength(flatPadded(), [3, 3], last)); // 3
 * console.log(runsOf(flatPadded(), [3, 3], last)); // []: it holds padding alone
 */
export function flatPadded(): FlatPadded {
  return Object.freeze({ kind: "flatPadded" });
}

/**
 * DTensor's `Shard(dim)`, and with `shard(0)` FSDP2: cut along a dimension as `torch.chunk` does, in parts of the rounded
 * up quotient; later ranks hold less, or nothing. Without padding.
 *
 * @param dim - counted from the end if negative
 * @param sizes - indices of the dimension for each rank, where the cut is another one (uneven tensor parallelism)
 * @throws TypeError, RangeError
 * @example
 * import { localLength, runsOf, shard } from "surgical-theater/distributed";
 *
 * console.log([0, 1, 2, 3].map((rank) => localLength(shard(0), [5, 2], { rank, size: 4 }))); // [4, 4, 2, 0]
 * console.log(runsOf(shard(1, [1, 2]), [2, 3], { rank: 1, size: 2 })); // one run for each row
 */
export function shard(dim: number, sizes?: readonly number[]): Shard {
  if (typeof dim !== "number") throw new TypeError(`shard: dim must be a number, got ${describeValue(dim)}.`);
  if (!Number.isSafeInteger(dim)) throw new RangeError(`shard: dim must be an integer, got ${dim}.`);
  if (sizes !== undefined) {
    checkList("shard: sizes", sizes);
    for (const [rank, size] of sizes.entries()) checkInteger(`shard: sizes[${rank}]`, size);
  }
  return Object.freeze({ kind: "shard", dim, sizes: sizes && Object.freeze([...sizes]) });
}

/**
 * Data parallelism (DDP): the whole parameter on every rank.
 *
 * @example
 * import { replicated, runsOf } from "surgical-theater/distributed";
 *
 * console.log(runsOf(replicated(), [2, 3], { rank: 1, size: 2 })); // [{ global: 0, local: 0, length: 6 }]
 */
export function replicated(): Replicated {
  return Object.freeze({ kind: "replicated" });
}

/**
 * Ranks in a grid, row-major, as DTensor's device mesh with one placement for each axis: hybrid sharding, or tensor
 * parallelism with FSDP2.
 *
 * @param axes - outermost first; their sizes multiply to the number of ranks
 * @param options - `cutOrder`: the axes in the order in which they cut, if not the first one first. FSDP2 over tensor
 *   parallelism cuts from the right: `[1, 0]` (`_StridedShard`)
 * @throws TypeError, RangeError
 * @example
 * import { localLength, mesh, replicated, shard } from "surgical-theater/distributed";
 *
 * const hybrid = mesh([{ size: 2, layout: replicated() }, { size: 4, layout: shard(0) }]); // HSDP on 8 ranks
 * console.log(localLength(hybrid, [16, 2], { rank: 7, size: 8 })); // 8
 */
export function mesh(
  axes: readonly MeshAxis[],
  { cutOrder }: { readonly cutOrder?: readonly number[] } = {},
): Mesh {
  checkList("mesh: axes", axes);
  for (const [i, { size, layout }] of axes.entries()) {
    checkInteger(`mesh: the size of axis ${i}`, size, 1);
    if (layout?.kind === "shard" || layout?.kind === "replicated") continue;
    throw new TypeError(`mesh: the layout of axis ${i} must be shard(…) or replicated().`);
  }
  const order = cutOrder ?? [...axes.keys()];
  checkList("mesh: cutOrder", order);
  if (order.length !== axes.length || axes.some((_, axis) => !order.includes(axis))) {
    throw new RangeError(
      `mesh: cutOrder must name each of the ${axes.length} axes once, got [${order.join(", ")}].`,
    );
  }
  return Object.freeze({
    kind: "mesh",
    axes: Object.freeze(axes.map(({ size, layout }) => Object.freeze({ size, layout }))),
    cutOrder: Object.freeze([...order]),
  });
}

/**
 * Runs by hand, for whatever no other layout describes: checkpoint chunk lists, Megatron's packed buffers. For a rank
 * that knows its own runs alone, see `checkRuns`.
 *
 * @param runs - by rank, each in the order of `local`
 * @throws TypeError, RangeError; coverage is checked by `checkLayout`, which knows the shape
 * @example
 * import { checkLayout, givenRuns } from "surgical-theater/distributed";
 *
 * const backwards = givenRuns([[{ global: 4, local: 0, length: 2 }], [{ global: 0, local: 0, length: 4 }]]);
 * checkLayout(backwards, [3, 2], 2);
 */
export function givenRuns(runs: readonly (readonly Run[])[]): GivenRuns {
  checkList("givenRuns: runs", runs);
  const copies = runs.map((own, rank) => copiedRuns(`givenRuns: rank ${rank}`, own));
  return Object.freeze({ kind: "given", runs: Object.freeze(copies) });
}

/** @throws TypeError, RangeError unless these are runs, one behind the other in the shard */
export function copiedRuns(role: string, runs: readonly Run[]): readonly Run[] {
  checkList(`${role}: its runs`, runs);
  let end = 0;
  const copies = runs.map(({ global, local, length }, i) => {
    checkInteger(`${role}: global of run ${i}`, global);
    checkInteger(`${role}: local of run ${i}`, local);
    checkInteger(`${role}: length of run ${i}`, length, 1);
    if (local < end) {
      throw new RangeError(
        `${role}: run ${i} begins at local ${local}, and the one before ends at ${end}. ` +
          "Give runs in the order of local, without overlaps.",
      );
    }
    end = local + length;
    return Object.freeze({ global, local, length });
  });
  return Object.freeze(copies);
}
