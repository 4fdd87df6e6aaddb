/** The header of a GGUF file: read, and checked against the size of the file before any data is. */
import { Cursor } from "./gguf-cursor.ts";
import { type GgufValue, valueAt } from "./gguf-metadata.ts";
import { type GgufDType, type GgufType, padded, typeWithId } from "./gguf-types.ts";
import { quoted } from "./json.ts";
import type { ByteSource } from "./source.ts";

/** Where a tensor of a GGUF file is, and what. */
export interface GgufTensorInfo {
  /** `"float32"`, …, `"gguf-q8_0"`, …; what cannot be read has ggml's name: `"Q5_K"`. */
  readonly dtype: GgufDType;
  /** Slowest first, as in PyTorch; files have it the other way round. */
  readonly shape: readonly number[];
  /** Position of its first byte in the file. */
  readonly offset: number;
  /** Its size in the file. */
  readonly bytes: number;
}

export interface GgufHeader {
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly tensors: ReadonlyMap<string, GgufTensorInfo>;
}

const DIMENSIONS = 4;
const ALIGNMENT = 32;
/** Longest key and longest name of a tensor, in bytes: the specification's. */
const KEY = 65_535;
const NAME = 64;
/** What an entry has at least: of a pair a length, a key, a type, a value; of a tensor no dimension and an empty name. */
const PAIR = 8 + 1 + 4 + 1;
const INFO = 8 + 4 + 4 + 8;

/**
 * Reads and checks a header. It allocates what the header has in bytes, and what it describes.
 *
 * Source: the GGUF specification, versions 2 and 3; ggml at d99724f, whose reader demands that tensors lie one after the
 * other, in order, each padded to the alignment.
 *
 * @throws FormatError `truncated`, `bad_header`, `bad_offsets`, `unknown_dtype`, each with its offset
 */
export async function readGgufHeader(source: ByteSource): Promise<GgufHeader> {
  const cursor = new Cursor(source);
  await cursor.need(24);
  checkVersion(cursor);
  const tensorCount = cursor.count("tensors", INFO);
  const pairCount = cursor.count("pairs of metadata", PAIR);
  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < pairCount; i++) {
    const at = cursor.at;
    const key = await cursor.string("a key");
    if (key === "" || cursor.at - at - 8 > KEY) cursor.fail("bad_header", "a key is empty, or too long", at);
    if (metadata.has(key)) cursor.fail("bad_header", `the key ${quoted(key)} is there twice`, at);
    const value = await valueAt(cursor, quoted(key));
    if (key === "general.alignment" && !isAlignment(value)) {
      cursor.fail("bad_header", "general.alignment must be a uint32 and a power of two from 8 on", at);
    }
    metadata.set(key, value);
  }
  const infos = new Map<string, Info>();
  for (let i = 0; i < tensorCount; i++) {
    const info = await infoAt(cursor);
    if (infos.has(info.name))
      cursor.fail("bad_header", `the tensor ${quoted(info.name)} is there twice`, info.at);
    infos.set(info.name, info);
  }
  return { metadata, tensors: placed(cursor, infos, alignmentOf(metadata)) };
}

function checkVersion(cursor: Cursor): void {
  if (cursor.u32() !== 0x46554747) cursor.fail("bad_header", 'it does not begin with "GGUF"', 0);
  const version = cursor.u32();
  if (version === 2 || version === 3) return;
  const what =
    (version & 0xffff) === 0
      ? "it is big-endian, and only little-endian files are read"
      : `it has version ${version}, and only versions 2 and 3 are read`;
  cursor.fail("bad_header", what, 4);
}

/** Whether tensors can be aligned to it. */
export function isAlignment({ type, value }: GgufValue): boolean {
  return type === "uint32" && value >= 8 && Math.log2(value) % 1 === 0;
}

/** What tensors are aligned to, in bytes. */
export function alignmentOf(metadata: ReadonlyMap<string, GgufValue>): number {
  return Number(metadata.get("general.alignment")?.value ?? ALIGNMENT);
}

interface Info {
  readonly name: string;
  /** Position of the entry in the file. */
  readonly at: number;
  readonly type: GgufType;
  readonly shape: readonly number[];
  readonly bytes: number;
  /** From the beginning of the data. */
  readonly offset: bigint;
}

async function infoAt(cursor: Cursor): Promise<Info> {
  const at = cursor.at;
  const name = await cursor.string("a name");
  if (cursor.at - at - 8 > NAME)
    cursor.fail("bad_header", `the name ${quoted(name)} has more than ${NAME} bytes`, at);
  await cursor.need(4);
  const dimensions = cursor.u32();
  if (dimensions > DIMENSIONS) {
    cursor.fail(
      "bad_header",
      `${quoted(name)} has ${dimensions} dimensions, and ${DIMENSIONS} are allowed`,
      at,
    );
  }
  await cursor.need(8 * dimensions + 12);
  // the fastest dimension comes first in the file
  const sizes = Array.from({ length: dimensions }, () => Number(cursor.u64()));
  const id = cursor.u32();
  const type = typeWithId(id);
  if (type === undefined) {
    return cursor.fail(
      "unknown_dtype",
      `${quoted(name)} has the type ${id}, which is not known`,
      cursor.at - 4,
    );
  }
  const elements = sizes.reduce((product, size) => product * size, 1);
  const isCountable = sizes.every(Number.isSafeInteger) && Number.isSafeInteger(elements * type.bytes);
  if (!isCountable || (sizes[0] ?? 1) % type.values !== 0) {
    const problem = `${quoted(name)} is ${type.dtype} [${[...sizes].reverse().join(", ")}]`;
    const reason = isCountable ? `its rows are not whole blocks of ${type.values}` : "which no file can have";
    cursor.fail("bad_offsets", `${problem}, ${reason}`, at);
  }
  const bytes = (elements / type.values) * type.bytes;
  return { name, at, type, shape: sizes.reverse(), bytes, offset: cursor.u64() };
}

/** The tensors, which must lie one after the other and fill the file, from the padded end of the header on. */
function placed(
  cursor: Cursor,
  infos: ReadonlyMap<string, Info>,
  alignment: number,
): ReadonlyMap<string, GgufTensorInfo> {
  const { size } = cursor.source;
  const start = padded(cursor.at, alignment);
  const tensors = new Map<string, GgufTensorInfo>();
  let end = 0;
  for (const { name, at, type, shape, bytes, offset } of infos.values()) {
    if (offset !== BigInt(end)) {
      const problem = `the data of ${quoted(name)} begins at ${offset}, and the tensors before it end at ${end}`;
      cursor.fail("bad_offsets", problem, at);
    }
    const from = start + end;
    if (bytes > size - from) {
      cursor.fail(
        "truncated",
        `${quoted(name)} needs ${bytes} bytes at byte ${from}, and the file ends`,
        size,
      );
    }
    tensors.set(name, { dtype: type.dtype, shape, offset: from, bytes });
    end = padded(end + bytes, alignment);
  }
  if (size > start + end) {
    cursor.fail("bad_offsets", `no tensor has the last ${size - start - end} bytes`, start + end);
  }
  return tensors;
}
