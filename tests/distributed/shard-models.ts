/** Parameters that are divided among ranks, and how a test puts them together again. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  type Communicator,
  flatPadded,
  flatUnit,
  givenRuns,
  localLength,
  mesh,
  replicated,
  type Run,
  runsOf,
  shard,
  sharded,
  type ShardedArray,
  type ShardedModel,
  type ShardLayout,
} from "../../src/distributed.ts";
import { encode } from "../../src/dtypes/convert.ts";
import { bytesPerElement, carrierOf, type DType, type NumericArray } from "../../src/dtypes/dtype.ts";

export const shapes = { "embed.weight": [11, 6], "attn.weight": [8, 32], "attn.bias": [7] } as const;
export type Name = keyof typeof shapes;
export const names = Object.keys(shapes) as Name[];

export const elementsOf = (shape: readonly number[]): number => shape.reduce((product, n) => product * n, 1);

const arrays = { Float32Array, Float64Array, Uint16Array, Int8Array, Uint8Array, Int32Array };

export function arrayOf(dtype: DType, length: number): NumericArray {
  return new arrays[carrierOf(dtype) as keyof typeof arrays](length);
}

/** Values of a whole parameter, which depend on nothing but these arguments: zeros of both signs, ties, and others. */
export function valuesFor(name: Name, dtype: DType, state = 0): NumericArray {
  const data = arrayOf(dtype, elementsOf(shapes[name]));
  const values = Float64Array.from(data, (_, i) => {
    const hash = (Math.imul(i + 7 * name.length + 1000 * state, 0x9e3779b1) >>> 8) % 2001;
    if (dtype === "int8") return (hash % 41) - 20;
    return i % 17 === 0 ? (i % 2 === 0 ? 0 : -0) : i % 11 === 0 ? 0.25 : (hash - 1000) / 997;
  });
  encode(values, values.length, dtype, data, 0);
  return data;
}

/** Alignment, as frameworks leave between the tensors of a unit. */
const GAP = 5;

function unitOf(): { readonly offsets: Readonly<Record<string, number>>; readonly unitLength: number } {
  const offsets: Record<string, number> = {};
  let at = 3;
  for (const name of names) {
    offsets[name] = at;
    at += elementsOf(shapes[name]) + GAP;
  }
  return { offsets, unitLength: at };
}

/** Pieces of five elements by turns, backwards, with two elements that are nobody's between them. */
function dealt(elements: number, size: number): readonly (readonly Run[])[] {
  return Array.from({ length: size }, (_, rank) => {
    const own: number[] = [];
    for (let global = 5 * rank; global < elements; global += 5 * size) own.unshift(global);
    let local = 1;
    return own.map((global) => {
      const run = { global, local, length: Math.min(5, elements - global) };
      local += run.length + 2;
      return run;
    });
  });
}

/** A row for the first rank, the others by turns: some ranks have none. */
function unevenSizes(extent: number, size: number): readonly number[] {
  const sizes = Array.from({ length: size }, (_, rank) => (rank === 0 ? 1 : 0));
  for (let i = 1; i < extent; i++) sizes[size - 1 - (i % Math.ceil(size / 2))]! += 1;
  return sizes;
}

type LayoutFor = (name: Name, size: number) => ShardLayout;

const layouts: Readonly<Record<string, LayoutFor>> = {
  flatPadded: () => flatPadded(),
  flatUnit: (name) => flatUnit({ offset: unitOf().offsets[name]!, unitLength: unitOf().unitLength }),
  "shard(0)": () => shard(0),
  "shard(0), uneven": (name, size) => shard(0, unevenSizes(shapes[name][0], size)),
  "shard(1)": (name) => shard(Math.min(1, shapes[name].length - 1)),
  "shard(-1)": () => shard(-1),
  replicated: () => replicated(),
  givenRuns: (name, size) => givenRuns(dealt(elementsOf(shapes[name]), size)),
};

const meshes: Readonly<Record<string, LayoutFor>> = {
  hybrid: () =>
    mesh([
      { size: 2, layout: replicated() },
      { size: 2, layout: shard(0) },
    ]),
  "two cuts": (name) =>
    mesh(
      [
        { size: 2, layout: shard(0) },
        { size: 2, layout: shard(shapes[name].length === 1 || name === "embed.weight" ? 0 : 1) },
      ],
      { cutOrder: [1, 0] },
    ),
};

/** Layouts that this many ranks can have. */
export function layoutsFor(size: number): Readonly<Record<string, LayoutFor>> {
  return size === 4 ? { ...layouts, ...meshes } : layouts;
}

/** Bytes that stand for whatever a trainer leaves in padding. */
const PADDING = 0xa5;

/** This rank's parts, and the memory that they are in. */
export interface Local {
  readonly model: ShardedModel;
  /** Everything, padding included. */
  readonly buffers: readonly ArrayBuffer[];
}

export function localModel(
  comm: Communicator,
  layoutFor: LayoutFor,
  dtype: DType,
  of: readonly Name[] = names,
): Local {
  const parameters: Record<string, ShardedArray> = {};
  const buffers: ArrayBuffer[] = [];
  let unit: NumericArray | undefined;
  for (const name of of) {
    const layout = layoutFor(name, comm.size);
    const shape = shapes[name];
    const isNew = layout.kind !== "flatUnit" || unit === undefined;
    const data = isNew ? arrayOf(dtype, localLength(layout, shape, comm)) : unit!;
    if (isNew) {
      new Uint8Array(data.buffer).fill(PADDING);
      buffers.push(data.buffer as ArrayBuffer);
    }
    if (layout.kind === "flatUnit") unit = data;
    parameters[name] = { data, shape, dtype, layout };
  }
  const model = sharded(comm, parameters);
  setState(model, 0);
  return { model, buffers };
}

/** Writes this rank's elements of a state, as a training step would. */
export function setState({ comm, parameters }: ShardedModel, state: number): void {
  for (const [name, { data, shape, dtype, layout }] of Object.entries(parameters)) {
    const whole = valuesFor(name as Name, dtype, state);
    for (const { global, local, length } of runsOf(layout, shape, comm)) {
      data.set(whole.subarray(global, global + length), local);
    }
  }
}

/** The bytes of this rank that belong to no parameter. */
export function paddingOf({ model, buffers }: Local): string {
  const { comm, parameters } = model;
  const copies = new Map(buffers.map((buffer) => [buffer, new Uint8Array(buffer.slice(0))]));
  for (const { data, dtype, shape, layout } of Object.values(parameters)) {
    const each = bytesPerElement(dtype);
    for (const { local, length } of runsOf(layout, shape, comm)) {
      copies
        .get(data.buffer as ArrayBuffer)!
        .fill(0, data.byteOffset + each * local, data.byteOffset + each * (local + length));
    }
  }
  return digestOf([...copies.values()]);
}

export function digestOf(views: readonly ArrayBufferView[]): string {
  const hash = createHash("sha256");
  for (const { buffer, byteOffset, byteLength } of views)
    hash.update(new Uint8Array(buffer, byteOffset, byteLength));
  return hash.digest("hex").slice(0, 16);
}

const bytesOf = (view: NumericArray): Uint8Array =>
  new Uint8Array(view.buffer, view.byteOffset, view.byteLength);

/** Digest of all parameters as the ranks together show them; where several have an element they must have the same. */
export function wholeDigest({ comm, parameters }: ShardedModel): string {
  const ranks = Array.from({ length: comm.size }, (_, rank) => ({ rank, size: comm.size }));
  const parts = Object.values(parameters);
  const lengths = ranks.map((member) =>
    parts.map(({ layout, shape, dtype }) => bytesPerElement(dtype) * localLength(layout, shape, member)),
  );
  const own = new Uint8Array(Buffer.concat(parts.map(({ data }) => bytesOf(data))));
  const all = comm.allGather(own, { counts: lengths.map((each) => each.reduce((sum, n) => sum + n, 0)) });
  const wholes = parts.map(({ shape, dtype }) => new Uint8Array(bytesPerElement(dtype) * elementsOf(shape)));
  const there = wholes.map((whole) => new Uint8Array(whole.length));
  let start = 0;
  for (const member of ranks) {
    for (const [i, { layout, shape, dtype }] of parts.entries()) {
      const each = bytesPerElement(dtype);
      for (const { global, local, length } of runsOf(layout, shape, member)) {
        const from = all.subarray(start + each * local, start + each * (local + length));
        const [begin, end] = [each * global, each * (global + length)];
        if (there[i]![begin] === 1)
          assert.deepEqual(from, wholes[i]!.subarray(begin, end), "replicas differ");
        wholes[i]!.set(from, begin);
        there[i]!.fill(1, begin, end);
      }
      start += lengths[member.rank]![i]!;
    }
  }
  assert.ok(there.every((bytes) => bytes.every((isThere) => isThere === 1)));
  return digestOf(wholes);
}

/** Whether all that this rank has, padding included, is what it was. */
export function watch({ buffers }: Pick<Local, "buffers">): () => boolean {
  const before = buffers.map((buffer) => digestOf([new Uint8Array(buffer.slice(0))]));
  return () =>
    buffers.every((buffer, i) => buffer.byteLength > 0 && digestOf([new Uint8Array(buffer)]) === before[i]);
}
