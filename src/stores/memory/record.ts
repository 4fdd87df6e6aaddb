/** Reads a user's record of typed arrays: checks every entry, merges ties, refuses overlaps. */
import { bytesPerElement, carrierOf, type DType, type NumericArray } from "../../dtypes/dtype.ts";
import { describeValue, LayersError, UnsupportedError } from "../../errors.ts";
import { didYouMean } from "../../hints.ts";
import { layerPathOf } from "../../layers.ts";
import type { Shard } from "../../shard.ts";
import type { Parameter } from "../../store.ts";
import { checkQuantized, isQuantized } from "../../quantized/check.ts";
import { arraysOf, type QuantizedParameter } from "../../quantized/parameter.ts";
import { type QuantizedEntry, quantizedEntry } from "./quantized/entry.ts";
import { intersect, type Storage, storageOf, storageOfAll, type Whole } from "./storage.ts";

/** A typed array with its shape (row-major, no strides) and dtype: float16 and bfloat16 are bits in a Uint16Array. */
export interface ShapedArray {
  readonly data: NumericArray;
  /** Sizes of the dimensions, outermost first; their product is the length of `data`. */
  readonly shape: readonly number[];
  readonly dtype: DType;
}

/** A parameter in memory. A plain typed array has one dimension; a Uint16Array needs a dtype; codes need their scales. */
export type MemoryParameter =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int32Array
  | ShapedArray
  | QuantizedParameter;

/** A model in memory: parameters by name. Names may be paths: `blocks.0.attn.q`. */
export type MemoryModel = Readonly<Record<string, MemoryParameter>>;

/** A parameter and where its elements are. */
export interface Entry {
  readonly parameter: Parameter;
  readonly data: NumericArray;
  readonly dtype: DType;
  readonly storage: Storage;
  /** Where `data` is one part of the parameter. */
  readonly shard?: Shard<NumericArray>;
}

const dtypes: readonly DType[] = ["float32", "float64", "float16", "bfloat16", "int8", "uint8", "int32"];

function shaped(name: string, value: unknown): ShapedArray {
  const at = `parameter ${JSON.stringify(name)}`;
  if (ArrayBuffer.isView(value)) {
    const tag = (value as { [Symbol.toStringTag]?: string })[Symbol.toStringTag];
    const dtype = dtypes.find((each) => carrierOf(each) === tag && tag !== "Uint16Array");
    if (dtype === undefined) {
      const remedy =
        tag === "Uint16Array" || tag === "Float16Array"
          ? 'Give { data: a Uint16Array of its bits, shape, dtype: "float16" or "bfloat16" }.'
          : `Supported: ${dtypes.join(", ")}.`;
      throw new UnsupportedError(
        "dtype",
        `${at}: a ${tag ?? "DataView"} has no known dtype. Nothing was changed. ${remedy}`,
      );
    }
    const data = value as NumericArray;
    return { data, shape: [data.length], dtype };
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new TypeError(
      `${at} must be a typed array or { data, shape, dtype }, got ${describeValue(value)}. Nothing was changed.`,
    );
  }
  for (const key of Object.keys(value)) {
    if (key === "strides" || key === "stride") {
      throw new UnsupportedError(
        "strides",
        `${at}: strides are not supported, elements must lie one after the other. Nothing was changed. ` +
          "Copy it to a contiguous array, or give the whole storage it is a view of.",
      );
    }
    if (key !== "data" && key !== "shape" && key !== "dtype") {
      const hint = didYouMean(key, ["data", "shape", "dtype"]);
      throw new TypeError(
        `${at}: unknown property ${JSON.stringify(key)}.${hint} Nothing was changed. ` +
          "A parameter is a typed array or { data, shape, dtype }.",
      );
    }
  }
  const { data, shape, dtype } = value as Partial<ShapedArray>;
  if (!dtypes.includes(dtype as DType)) {
    throw new UnsupportedError(
      "dtype",
      `${at}: dtype ${describeValue(dtype)} is not supported. Nothing was changed. Supported: ${dtypes.join(", ")}.`,
    );
  }
  if (!ArrayBuffer.isView(data) || data[Symbol.toStringTag] !== carrierOf(dtype!)) {
    throw new TypeError(
      `${at}: data of dtype ${dtype} must be a ${carrierOf(dtype!)}, got ${describeValue(data)}. Nothing was changed.`,
    );
  }
  if (shape === undefined) throw new TypeError(`${at}: shape is missing. Nothing was changed.`);
  const size = Array.isArray(shape) ? shape.reduce((product: number, n: number) => product * n, 1) : NaN;
  if (!(Array.isArray(shape) && shape.every((n) => Number.isInteger(n) && n >= 0) && size === data.length)) {
    throw new RangeError(
      `${at}: shape ${JSON.stringify(shape)} does not have the ${data.length} elements of data. Nothing was changed.`,
    );
  }
  return { data, shape: [...shape], dtype: dtype! };
}

const constructors: Readonly<
  Record<string, new (buffer: ArrayBufferLike, byteOffset: number, length: number) => NumericArray>
> = { Float32Array, Float64Array, Uint16Array, Int8Array, Uint8Array, Int32Array };

/** All parameters of a model. */
export interface Inventory {
  readonly entries: readonly (Entry | QuantizedEntry)[];
  readonly layers: readonly string[];
}

/** Bytes that belong to a parameter. */
interface Piece {
  readonly name: string;
  readonly buffer: ArrayBufferLike;
  readonly storage: Storage;
}

function piecesOf(entry: Entry | QuantizedEntry): readonly Piece[] {
  const { name } = entry.parameter;
  return ("arrays" in entry ? entry.arrays : [entry.data]).map(({ buffer, byteOffset, byteLength }) => {
    return { name, buffer, storage: { start: byteOffset, end: byteOffset + byteLength } };
  });
}

function refuseOverlaps(entries: readonly (Entry | QuantizedEntry)[]): void {
  const byBuffer = new Map<ArrayBufferLike, Piece[]>();
  for (const piece of entries.flatMap(piecesOf)) {
    const { start, end } = piece.storage;
    if (end > start) byBuffer.set(piece.buffer, [...(byBuffer.get(piece.buffer) ?? []), piece]);
  }
  for (const group of byBuffer.values()) {
    group.sort((a, b) => a.storage.start - b.storage.start);
    for (let i = 1; i < group.length; i++) {
      const [a, b] = [group[i - 1]!, group[i]!];
      if (!intersect(a.storage, b.storage)) continue;
      throw new LayersError(
        "overlapping_storage",
        `${JSON.stringify(a.name)} and ${JSON.stringify(b.name)} share some but not all of their ` +
          "bytes, or read them as different dtypes. Nothing was changed. Give the larger one alone, or copies.",
      );
    }
  }
}

/** A parameter as it was found, under all its names. */
interface Found {
  readonly first: ShapedArray | QuantizedParameter;
  readonly names: string[];
}

function entryOf(
  parameter: Omit<Parameter, "shape" | "dtype" | "bytes">,
  first: Found["first"],
  storage: Storage,
): Entry | QuantizedEntry {
  if ("format" in first) {
    const { shape, format } = first;
    const bytes = arraysOf(first).reduce((sum, { byteLength }) => sum + byteLength, 0);
    return quantizedEntry({ ...parameter, shape: [...shape], dtype: format, bytes }, first, storage as Whole);
  }
  const { shape, dtype } = first;
  // A view of our own: subclasses, other windows' arrays, and arrays that grow with their buffer are all the same.
  const { buffer, byteOffset, length } = first.data;
  const data = new constructors[carrierOf(dtype)]!(buffer, byteOffset, length);
  const bytes = length * bytesPerElement(dtype);
  return { parameter: { ...parameter, shape, dtype, bytes }, data, dtype, storage };
}

/**
 * The parameters of a record, in its order. The same bytes twice are one parameter with an alias.
 *
 * @throws TypeError, RangeError, UnsupportedError, LayersError for an entry that cannot be a parameter
 */
export function readRecord(record: MemoryModel): Inventory {
  const byStorage = new Map<Storage, Found>();
  for (const [name, value] of Object.entries(record)) {
    const first = isQuantized(value)
      ? checkQuantized(`parameter ${JSON.stringify(name)}`, value)
      : shaped(name, value);
    const [data, dtype] = "format" in first ? [arraysOf(first)[0]!, first.format] : [first.data, first.dtype];
    const storage = "format" in first ? storageOfAll(arraysOf(first), dtype) : storageOf(data, dtype);
    const tied = byStorage.get(storage);
    // Arrays without elements have the same empty storage without being tied.
    if (tied !== undefined && data.byteLength > 0) tied.names.push(name);
    else byStorage.set(data.byteLength > 0 ? storage : { ...storage }, { first, names: [name] });
  }
  const layers: string[] = [];
  const entries = [...byStorage].map(([storage, { first, names }], index) => {
    const name = names[0]!;
    const layer = layerPathOf(name);
    if (!layers.includes(layer)) layers.push(layer);
    const place = { layer, index, layerIndex: layers.indexOf(layer), trainable: true };
    return entryOf({ name, aliases: names.slice(1), ...place }, first, storage);
  });
  refuseOverlaps(entries);
  return { entries, layers };
}
