/** Parameters that are divided among ranks, as the theater sees them: each rank modifies its own part in place. */
import type { DType, NumericArray } from "../dtypes/dtype.ts";
import { describeValue } from "../errors.ts";
import { isRecord } from "../plain.ts";
import type { Model } from "../store.ts";
import { memoryParts, modelOf } from "../stores/memory/model.ts";
import { checkLayout } from "./coverage.ts";
import type { Communicator } from "./communicator.ts";
import type { ShardLayout } from "./layouts.ts";
import { Opening } from "./opening.ts";
import { localLength, runsOf } from "./runs.ts";
import { shardOf } from "./shard.ts";

/** This rank's part of a parameter. */
export interface ShardedArray {
  /** As the layout has it, padding included; of a flat unit the rank's part of the whole unit. */
  readonly data: NumericArray;
  /** Of the whole parameter; the same on all ranks. */
  readonly shape: readonly number[];
  readonly dtype: DType;
  /** The same on all ranks. */
  readonly layout: ShardLayout;
}

/** Parameters by name, and the ranks that they are divided among. */
export interface ShardedModel {
  readonly comm: Communicator;
  readonly parameters: Readonly<Record<string, ShardedArray>>;
}

/**
 * Parameters that are divided among the ranks of a communicator, for the entry points of this module. All ranks must open
 * their theaters together, with the same options; each closes its own.
 *
 * @param comm - borrowed as long as theaters open on it
 * @param parameters - by name, in the same order on all ranks; an array that has no element here is given empty
 * @example
 * import { scale, shard, sharded, solo, withTheater } from "surgical-theater/distributed";
 *
 * const kernel = { data: Float32Array.of(1, 2, 3, 4), shape: [2, 2], dtype: "float32", layout: shard(0) } as const;
 * const model = sharded(solo(), { kernel });
 * console.log(withTheater(model, { modification: scale(0.5), layers: "all" }, () => kernel.data[3])); // 2
 */
export function sharded(
  comm: Communicator,
  parameters: Readonly<Record<string, ShardedArray>>,
): ShardedModel {
  return { comm, parameters };
}

const layoutKinds: readonly string[] = [
  "flatUnit",
  "flatPadded",
  "shard",
  "replicated",
  "mesh",
  "given",
] satisfies readonly ShardLayout["kind"][];

function isLayout(value: unknown): boolean {
  return isRecord(value) && layoutKinds.includes(value["kind"] as string);
}

function checkPart(name: string, part: unknown): asserts part is ShardedArray {
  const { data, shape, layout } = (part ?? {}) as Partial<Record<keyof ShardedArray, unknown>>;
  if (ArrayBuffer.isView(data) && Array.isArray(shape) && isLayout(layout)) return;
  throw new TypeError(
    `parameter ${JSON.stringify(name)} must be { data, shape, dtype, layout }, got ${describeValue(part)}. ` +
      "Nothing was changed.",
  );
}

/** The elements of the parameter that are here, with nothing before and behind them. */
function narrowed(name: string, part: ShardedArray, comm: Communicator): NumericArray {
  const { data, shape, layout } = part;
  checkLayout(layout, shape, comm.size);
  const length = localLength(layout, shape, comm);
  if (data.length !== length) {
    throw new RangeError(
      `parameter ${JSON.stringify(name)}: its layout gives rank ${comm.rank} of ${comm.size} an array of ${length} elements ` +
        `for the shape [${shape.join(", ")}], and it has ${data.length}. Nothing was changed.`,
    );
  }
  const runs = runsOf(layout, shape, comm);
  const last = runs.at(-1);
  return last === undefined ? data.subarray(0, 0) : data.subarray(runs[0]!.local, last.local + last.length);
}

/** What the ranks must have alike, of parameters that were checked. */
function factsOf(parameters: ShardedModel["parameters"]): Readonly<Record<string, string>> {
  const layouts = Object.entries(parameters).map(([name, { shape, dtype, layout }]) => [
    name,
    shape,
    dtype,
    layout,
  ]);
  return { "the parameters": JSON.stringify(layouts), "the engine": engine() };
}

/** Of what ranks tell each other, and of what they make of a modification: to be raised with either. */
const FORMAT = 1;

/** User code (`Math.exp`, `Math.log`) need not give the same bits on another one; everything else does. */
function engine(): string {
  const { process } = globalThis as { process?: { readonly versions?: { readonly v8?: string } } };
  return `format ${FORMAT}, V8 ${process?.versions?.v8 ?? "unknown"}`;
}

function hasCommunicator(model: unknown): model is Pick<ShardedModel, "comm"> {
  const { comm } = (model ?? {}) as { readonly comm?: Partial<Communicator> };
  return typeof comm?.collectives === "object" && typeof comm.rank === "number";
}

/** How the ranks of a model open a theater together; undefined for what is no such model: there is nobody to ask. */
export function openingOf(model: ShardedModel): Opening | undefined {
  return hasCommunicator(model) ? new Opening(model.comm, () => factsOf(model.parameters)) : undefined;
}

/**
 * A sharded model as the theater sees it.
 *
 * @throws TypeError, RangeError, LayoutError for a part that is not what its layout says
 */
export function shardedModel(model: ShardedModel): Model<NumericArray> {
  const opening = openingOf(model);
  if (opening === undefined || !isRecord(model.parameters)) {
    throw new TypeError(
      `a sharded model is what sharded(comm, parameters) returns, got ${describeValue(model)}. Nothing was changed.`,
    );
  }
  const { comm, parameters } = model;
  const parts = Object.entries(parameters).map(([name, part]) => {
    checkPart(name, part);
    const data = narrowed(name, part, comm);
    return { name, data, shape: part.shape, dtype: part.dtype, shard: shardOf(name, part, opening) };
  });
  return modelOf(memoryParts(parts), opening);
}
