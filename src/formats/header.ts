/** The header of a safetensors file: read, and checked against the size of the file before any data is. */
import { FormatError } from "../errors.ts";
import { JsonReader, quoted } from "./json.ts";
import { byteLengthOf, dtypeNamed, type FileDType, nameOf } from "./tensor.ts";
import { type ByteSource, readBytes, titleOf } from "./source.ts";

/** Where a tensor is, and what. */
export interface TensorInfo {
  readonly dtype: FileDType;
  /** Sizes of the dimensions, outermost first; of a scalar, none. */
  readonly shape: readonly number[];
  /** Position of its first byte in its file. */
  readonly offset: number;
  /** Its size. */
  readonly bytes: number;
  /** Of a model in several files: the one that has it. */
  readonly file?: string;
}

export interface Header {
  readonly metadata: ReadonlyMap<string, string>;
  /** By name, in the order of their data. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
}

/** Largest header, in bytes: that of the reference implementation. */
const MOST = 100_000_000;

/** Most dimensions. The format has no limit; a shape of millions of ones is only there to fill memory. */
const DIMENSIONS = 64;

/**
 * Reads and checks a header. It allocates what the header has in bytes, and what it describes.
 *
 * Source: safetensors 24b0b28: 8 bytes, the length of the header, little endian; the header, JSON; the data, which the
 * tensors must tile without a hole, an overlap, or a rest.
 *
 * @throws FormatError `truncated`, `bad_header`, `bad_offsets`, `unknown_dtype`, each with its offset
 */
export async function readHeader(source: ByteSource): Promise<Header> {
  const failAt = (code: FormatError["code"], problem: string, offset: number): FormatError =>
    new FormatError(
      code,
      `${titleOf(source)} is not a valid safetensors file: ${problem}, at byte ${offset}. No model was changed. ` +
        "Get the file again, or ask who wrote it.",
      { file: source.name, offset },
    );
  const lead = await readBytes(source, 0, 8);
  const length = new DataView(lead.buffer).getBigUint64(0, true);
  if (length > BigInt(MOST)) {
    throw failAt("bad_header", `its header would have ${length} bytes, and ${MOST} are allowed`, 0);
  }
  const start = 8 + Number(length);
  const bytes = await readBytes(source, 8, Number(length));
  const reader = new JsonReader(bytes, (problem, at) => failAt("bad_header", problem, 8 + at));
  const metadata = new Map<string, string>();
  const tensors = new Map<string, TensorInfo>();
  reader.object((name) => {
    if (name === "__metadata__") readMetadata(reader, metadata);
    else
      tensors.set(
        name,
        readInfo(reader, name, start, (code, problem, at) => failAt(code, problem, 8 + at)),
      );
  });
  reader.end();
  return { metadata, tensors: tiled(tensors, start, source.size, failAt) };
}

function readMetadata(reader: JsonReader, metadata: Map<string, string>): void {
  const at = reader.at;
  const value = reader.value();
  if (value === null) return; // the reference implementation takes it for none
  if (!(value instanceof Map)) reader.fail("__metadata__ is not an object", at);
  for (const [key, text] of value as ReadonlyMap<string, unknown>) {
    if (typeof text !== "string") reader.fail(`__metadata__ has ${quoted(key)}, which is no string`, at);
    metadata.set(key, text);
  }
}

type FailAt = (code: FormatError["code"], problem: string, at: number) => FormatError;

/** One entry; `start` is where data begins in the file. */
function readInfo(reader: JsonReader, name: string, start: number, failAt: FailAt): TensorInfo {
  const at = reader.at;
  const what = quoted(name);
  let dtype: FileDType | undefined;
  let shape: number[] | undefined;
  let offsets: number[] | undefined;
  const numbers = (most: number): number[] => {
    const list: number[] = [];
    reader.array(() => {
      if (list.length === most) reader.fail(`${what} has more than ${most} numbers in a list`);
      list.push(reader.integer());
    });
    return list;
  };
  reader.object((key, keyAt) => {
    const valueAt = reader.at;
    if (key === "dtype") {
      const given = reader.string();
      dtype = dtypeNamed(given);
      if (dtype !== undefined) return;
      throw failAt("unknown_dtype", `${what} has dtype ${quoted(given)}, which is not known`, valueAt);
    } else if (key === "shape") shape = numbers(DIMENSIONS);
    else if (key === "data_offsets") offsets = numbers(2);
    else reader.fail(`${what} has ${quoted(key)}, which is not known and may change its meaning`, keyAt);
  });
  if (dtype === undefined || shape === undefined || offsets === undefined || offsets.length !== 2) {
    reader.fail(`${what} must have dtype, shape and two data_offsets`, at);
  }
  const [begin, end] = offsets as [number, number];
  const needed = byteLengthOf(dtype, shape);
  if (end - begin !== needed) {
    const size = needed === undefined ? "no number of bytes that a file can have" : `${needed} bytes`;
    const problem = `${what} is ${nameOf(dtype)} [${shape.join(", ")}], ${size}, and its data goes from ${begin} to ${end}`;
    throw failAt("bad_offsets", problem, at);
  }
  return { dtype, shape, offset: start + begin, bytes: needed };
}

/** The tensors in the order of their data, which must fill the file from `start` on. */
function tiled(
  tensors: ReadonlyMap<string, TensorInfo>,
  start: number,
  size: number,
  failAt: FailAt,
): ReadonlyMap<string, TensorInfo> {
  const sorted = [...tensors].sort(([, a], [, b]) => a.offset - b.offset || a.bytes - b.bytes);
  let end = start;
  for (const [name, { offset, bytes }] of sorted) {
    if (offset < end) throw failAt("bad_offsets", `${quoted(name)} overlaps the tensor before it`, offset);
    if (offset > end) throw failAt("bad_offsets", `no tensor has the bytes before ${quoted(name)}`, end);
    end = offset + bytes;
  }
  if (end > size) throw failAt("truncated", `its tensors need ${end} bytes, and it ends`, size);
  if (end < size) throw failAt("bad_offsets", `no tensor has the last ${size - end} bytes`, end);
  return new Map(sorted);
}
