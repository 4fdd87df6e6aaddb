/** The header of a GGUF file as bytes: version 3, little endian. */
import { idOfType, type GgufValue } from "./gguf-metadata.ts";
import { type GgufType, padded } from "./gguf-types.ts";
import { byteLengthOf, tensorOn } from "./tensor.ts";

/** A tensor that has been checked. */
export interface GgufEntry {
  readonly name: string;
  readonly type: GgufType;
  /** Slowest first. */
  readonly shape: readonly number[];
  readonly array: ArrayBufferView;
}

export const utf8: { encode(text: string): Uint8Array } = new TextEncoder();

function uint(value: number, bytes: 4 | 8): Uint8Array {
  const view = new DataView(new ArrayBuffer(bytes));
  if (bytes === 4) view.setUint32(0, value, true);
  else view.setBigUint64(0, BigInt(value), true);
  return new Uint8Array(view.buffer);
}

function text(value: string): readonly Uint8Array[] {
  const bytes = utf8.encode(value);
  return [uint(bytes.length, 8), bytes];
}

/** A value behind its type. @throws RangeError for a number that its type cannot hold */
function valueBytes(key: string, given: GgufValue): readonly Uint8Array[] {
  const id = uint(idOfType(given.type), 4);
  if (given.type === "string") return [id, ...text(given.value)];
  const isArray = given.type === "array";
  const list = isArray ? given.value : [given.value];
  const of = isArray ? given.of : given.type;
  const head = isArray ? [id, uint(idOfType(of), 4), uint(list.length, 8)] : [id];
  if (of === "string") return [...head, ...(list as readonly string[]).flatMap(text)];
  const bytes = new Uint8Array(byteLengthOf(of, [list.length])!);
  const data = tensorOn(bytes, of, [list.length]).data as unknown as (number | bigint)[];
  for (let i = 0; i < list.length; i++) {
    const value = of === "bool" ? Number(list[i]) : (list[i] as number | bigint);
    data[i] = value;
    if (data[i] !== value && !of.startsWith("float")) {
      throw new RangeError(`metadata[${JSON.stringify(key)}]: ${of} cannot hold ${value}.`);
    }
  }
  return [...head, bytes];
}

/** All that comes before the data, padded. */
export function ggufHeader(
  entries: readonly GgufEntry[],
  metadata: ReadonlyMap<string, GgufValue>,
  alignment: number,
): Uint8Array {
  const parts = [utf8.encode("GGUF"), uint(3, 4), uint(entries.length, 8), uint(metadata.size, 8)];
  for (const [key, value] of metadata) parts.push(...text(key), ...valueBytes(key, value));
  let offset = 0;
  for (const { name, type, shape, array } of entries) {
    parts.push(...text(name), uint(shape.length, 4));
    for (let i = shape.length - 1; i >= 0; i--) parts.push(uint(shape[i]!, 8));
    parts.push(uint(type.id, 4), uint(offset, 8));
    offset = padded(offset + array.byteLength, alignment);
  }
  const header = new Uint8Array(
    padded(
      parts.reduce((sum, { length }) => sum + length, 0),
      alignment,
    ),
  );
  let at = 0;
  for (const part of parts) {
    header.set(part, at);
    at += part.length;
  }
  return header;
}
