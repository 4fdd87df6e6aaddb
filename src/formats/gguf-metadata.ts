/** Values of GGUF's metadata: numbers with their type, strings, and lists of either. */
import type { Cursor } from "./gguf-cursor.ts";
import { byteLengthOf, type Carriers, tensorOn } from "./tensor.ts";

/** In the order of their ids: 0 to 12. */
const types = [
  "uint8",
  "int8",
  "uint16",
  "int16",
  "uint32",
  "int32",
  "float32",
  "bool",
  "string",
  "array",
  "uint64",
  "int64",
  "float64",
] as const;

/** Types of fixed size. */
export type GgufNumberType = Exclude<(typeof types)[number], "string" | "array">;

/** A value with its type, so that what was read can be written again. An array of `bool` has bytes, 0 or 1. */
export type GgufValue =
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "bool"; readonly value: boolean }
  | { readonly type: "uint64" | "int64"; readonly value: bigint }
  | {
      readonly type: Exclude<GgufNumberType, "bool" | "uint64" | "int64">;
      readonly value: number;
    }
  | { readonly type: "array"; readonly of: "string"; readonly value: readonly string[] }
  | {
      [K in GgufNumberType]: { readonly type: "array"; readonly of: K; readonly value: Carriers[K] };
    }[GgufNumberType];

/** The id of a type in files. */
export function idOfType(type: GgufValue["type"]): number {
  return types.indexOf(type);
}

async function typeAt(cursor: Cursor, what: string): Promise<(typeof types)[number]> {
  await cursor.need(4);
  const at = cursor.at;
  const id = cursor.u32();
  return types[id] ?? cursor.fail("bad_header", `${what} has the type ${id}, which is not known`, at);
}

/** Elements of fixed size, as the array that carries them. */
async function numbersAt(
  cursor: Cursor,
  type: GgufNumberType,
  count: number,
  what: string,
): Promise<Carriers[GgufNumberType]> {
  const at = cursor.at;
  const bytes = await cursor.bytes(byteLengthOf(type, [count])!);
  const { data } = tensorOn(bytes, type, [count]);
  if (type === "bool") {
    const wrong = bytes.findIndex((byte) => byte > 1);
    if (wrong >= 0) cursor.fail("bad_header", `${what} is a bool of ${bytes[wrong]}`, at + wrong);
  }
  return data;
}

async function stringsAt(cursor: Cursor, count: number, what: string): Promise<readonly string[]> {
  const strings: string[] = [];
  for (let i = 0; i < count; i++) strings.push(await cursor.string(`a string of ${what}`));
  return strings;
}

/** The value at the cursor. @throws FormatError `bad_header`, `truncated` */
export async function valueAt(cursor: Cursor, what: string): Promise<GgufValue> {
  const type = await typeAt(cursor, what);
  if (type === "string") return { type, value: await cursor.string(what) };
  if (type !== "array") {
    const [value] = await numbersAt(cursor, type, 1, what);
    return { type, value: type === "bool" ? value === 1 : value } as GgufValue;
  }
  const at = cursor.at;
  const of = await typeAt(cursor, what);
  if (of === "array")
    cursor.fail("bad_header", `${what} is an array of arrays, which ggml does not read either`, at);
  await cursor.need(8);
  const count = cursor.count(`elements of ${what}`, of === "string" ? 8 : byteLengthOf(of, [1])!);
  if (of === "string") return { type, of, value: await stringsAt(cursor, count, what) };
  return { type, of, value: await numbersAt(cursor, of, count, what) } as GgufValue;
}
