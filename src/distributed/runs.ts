/** What a layout means on a rank: arithmetic, without traffic, the same on every rank that computes it. */
import { LayoutError } from "../errors.ts";
import { checkInteger, type Mesh, type Run, type Shard, type ShardLayout } from "./layouts.ts";

/** A rank among others; a communicator is one. */
export interface Member {
  readonly rank: number;
  /** Number of ranks. */
  readonly size: number;
}

/** A part of a parameter that is a box: along each dimension from `start` on, `length` indices. */
interface Box {
  readonly start: readonly number[];
  readonly length: readonly number[];
}

/** Number of elements; 1 for a scalar. */
export function elementsOf(shape: readonly number[]): number {
  return shape.reduce((product, n) => product * n, 1);
}

/**
 * The runs of a parameter that a rank holds, in the order of `local`. Together the ranks hold every element once, or as
 * often as it is replicated; padding is in no run.
 *
 * @param shape - of the whole parameter
 * @param member - which rank of how many: `{ rank, size }`, or a communicator
 * @throws RangeError for a layout that does not fit the shape or the number of ranks
 * @throws LayoutError for a cut that leaves indices out, or has too many
 * @example
 * import { runsOf, shard, solo } from "surgical-theater/distributed";
 *
 * console.log(runsOf(shard(0), [4, 3], solo())); // [{ global: 0, local: 0, length: 12 }]
 */
export function runsOf(layout: ShardLayout, shape: readonly number[], member: Member): readonly Run[] {
  checkMember(shape, member);
  const { rank, size } = member;
  const elements = elementsOf(shape);
  switch (layout.kind) {
    case "replicated":
      return piece(0, elements, 0);
    case "flatPadded": {
      const each = Math.ceil(elements / size);
      const start = Math.min(rank * each, elements);
      return piece(start, Math.min(start + each, elements), 0);
    }
    case "flatUnit": {
      const { offset, unitLength } = layout;
      if (offset + elements > unitLength) {
        throw new RangeError(
          `flatUnit: [${shape.join(", ")}] has ${elements} elements from ${offset} on, and the unit has ${unitLength}.`,
        );
      }
      const each = Math.ceil(unitLength / size);
      const start = rank * each;
      const from = Math.max(start, offset);
      const to = Math.min(start + each, offset + elements);
      return piece(from - offset, to - offset, from - start);
    }
    case "shard":
      return boxRuns(shape, cut(wholeOf(shape), layout, shape, member));
    case "mesh":
      return boxRuns(shape, meshBox(layout, shape, member));
    case "given": {
      const own = layout.runs[rank];
      if (own !== undefined && layout.runs.length === size) return own;
      throw new RangeError(`givenRuns: there are runs for ${layout.runs.length} ranks, and ${size} ranks.`);
    }
  }
}

/**
 * How many elements a rank's array has for this parameter, padding included. For `flatUnit` that is the shard of the
 * whole unit.
 *
 * @throws as `runsOf`
 * @example
 * import { flatPadded, localLength } from "surgical-theater/distributed";
 *
 * console.log(localLength(flatPadded(), [10], { rank: 0, size: 4 })); // 3
 */
export function localLength(layout: ShardLayout, shape: readonly number[], member: Member): number {
  const runs = runsOf(layout, shape, member);
  if (layout.kind === "flatPadded") return Math.ceil(elementsOf(shape) / member.size);
  if (layout.kind === "flatUnit") return Math.ceil(layout.unitLength / member.size);
  const last = runs.at(-1);
  return last === undefined ? 0 : last.local + last.length;
}

function checkMember(shape: readonly number[], { rank, size }: Member): void {
  for (const [dim, n] of shape.entries()) checkInteger(`shape[${dim}]`, n);
  checkInteger("size", size, 1);
  checkInteger("rank", rank);
  if (rank >= size) throw new RangeError(`rank must be less than size, ${size}, got ${rank}.`);
}

/** One run of the elements from `from` to before `to`, or none. */
function piece(from: number, to: number, local: number): readonly Run[] {
  return to > from ? [{ global: from, local, length: to - from }] : [];
}

function wholeOf(shape: readonly number[]): Box {
  return { start: shape.map(() => 0), length: shape };
}

/** The part of a box that is a rank's, when all ranks cut it along one dimension. */
function cut(box: Box, layout: Shard, shape: readonly number[], { rank, size }: Member): Box {
  const dim = layout.dim < 0 ? layout.dim + shape.length : layout.dim;
  const extent = box.length[dim];
  if (extent === undefined) {
    throw new RangeError(`shard: there is no dimension ${layout.dim} in the shape [${shape.join(", ")}].`);
  }
  const each = Math.ceil(extent / size);
  const sizes = layout.sizes ?? Array.from({ length: size }, (_, r) => clamp(extent - r * each, 0, each));
  if (sizes.length !== size) {
    throw new RangeError(`shard: there are ${sizes.length} sizes and ${size} ranks.`);
  }
  checkSizes(sizes, extent, dim, shape);
  const before = sum(sizes.slice(0, rank));
  return {
    start: replaced(box.start, dim, box.start[dim]! + before),
    length: replaced(box.length, dim, sizes[rank]!),
  };
}

function checkSizes(sizes: readonly number[], extent: number, dim: number, shape: readonly number[]): void {
  const all = sum(sizes);
  if (all === extent) return;
  const stride = elementsOf(shape.slice(dim + 1));
  const cuts = `shard: sizes [${sizes.join(", ")}] cut ${all} indices of dimension ${dim}, which has ${extent}`;
  if (all < extent) {
    const message = `${cuts}: element ${all * stride} of [${shape.join(", ")}] is on no rank. Nothing was changed.`;
    throw new LayoutError(message, all * stride, []);
  }
  let held = 0;
  const past = sizes.findIndex((n) => (held += n) > extent);
  const message = `${cuts}: rank ${past} would hold index ${extent}, which does not exist. Nothing was changed.`;
  throw new LayoutError(message, extent * stride, [past]);
}

/** The box that a rank of a grid holds, cut along one axis of the grid after the other. */
function meshBox({ axes, cutOrder }: Mesh, shape: readonly number[], { rank, size }: Member): Box {
  const sizes = axes.map((axis) => axis.size);
  if (elementsOf(sizes) !== size) {
    throw new RangeError(`mesh: a grid of ${sizes.join(" × ")} is not ${size} ranks.`);
  }
  let box = wholeOf(shape);
  for (const i of cutOrder) {
    const axis = axes[i]!;
    if (axis.layout.kind === "replicated") continue;
    const along = Math.floor(rank / elementsOf(sizes.slice(i + 1))) % axis.size;
    box = cut(box, axis.layout, shape, { rank: along, size: axis.size });
  }
  return box;
}

/** A box as runs: one for each index of the dimensions before the last that is cut. */
function boxRuns(shape: readonly number[], { start, length }: Box): readonly Run[] {
  const elements = elementsOf(length);
  if (elements === 0) return [];
  let last = shape.length - 1;
  while (last > 0 && length[last] === shape[last]) last--; // behind it everything is whole, and lies together
  if (last < 0) return piece(0, 1, 0); // a scalar
  const each = elementsOf(length.slice(last));
  const runs: Run[] = [];
  const index = [...start];
  for (let local = 0; local < elements; local += each) {
    runs.push({ global: flatIndex(index, shape), local, length: each });
    for (let dim = last - 1; dim >= 0 && ++index[dim]! === start[dim]! + length[dim]!; dim--) {
      index[dim] = start[dim]!;
    }
  }
  return runs;
}

function flatIndex(index: readonly number[], shape: readonly number[]): number {
  return index.reduce((flat, i, dim) => flat * shape[dim]! + i, 0);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, n) => total + n, 0);
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most);
}

function replaced(list: readonly number[], at: number, value: number): readonly number[] {
  return list.map((each, i) => (i === at ? value : each));
}
