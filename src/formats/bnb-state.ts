/** The JSON that bitsandbytes keeps beside a 4-bit weight: read strictly, and written as Python writes it. */
import type { FormatError } from "../errors.ts";
import type { Bnb4Bit } from "../quantized/bnb-4bit.ts";
import { isBlockSize } from "../quantized/check.ts";
import { GROUP } from "../quantized/nested-absmax.ts";
import { type Json, JsonReader, quoted } from "./json.ts";

/** What the reference decodes weights to. */
export type BnbDType = "float32" | "float16" | "bfloat16";

/** `quant_state` of a 4-bit weight. */
export interface BnbState {
  readonly format: Bnb4Bit["format"];
  readonly blockSize: number;
  readonly dtype: BnbDType;
  readonly shape: readonly number[];
  /** Where scales are quantized too: what is added to all of them, a float32. */
  readonly nestedOffset: number | undefined;
}

const dtypes: readonly string[] = ["float32", "float16", "bfloat16"];

/** What each key may be, in the order of the reference. */
const keys: Readonly<Record<string, readonly [isRight: (value: Json) => boolean, what: string]>> = {
  quant_type: [(value) => value === "nf4" || value === "fp4", "nf4 or fp4"],
  blocksize: [isBlockSize, "a power of two from 32 to 4096"],
  dtype: [(value) => dtypes.includes(value as string), dtypes.join(", ")],
  // The reference may write null, and then only its own module knows the shape.
  shape: [
    (value) =>
      Array.isArray(value) && value.length > 0 && value.every((n) => Number.isSafeInteger(n) && n > 0),
    "a list of positive integers",
  ],
  nested_blocksize: [(value) => value === GROUP, String(GROUP)],
  nested_dtype: [(value) => value === "float32", "float32"],
  nested_offset: [(value) => typeof value === "number" && Math.fround(value) === value, "a float32"],
};

const names = Object.keys(keys);

/**
 * Reads `quant_state`.
 *
 * @param quantType - as the name of the tensor has it
 * @param error - makes the error for a problem at a byte of the text
 * @throws FormatError of `error` for anything that is not understood, or missing
 */
export function readState(
  text: Uint8Array,
  quantType: "nf4" | "fp4",
  error: (problem: string, at: number) => FormatError,
): BnbState {
  const reader = new JsonReader(text, error);
  const fields = new Map<string, Json>();
  reader.object((key, at) => {
    if (!Object.hasOwn(keys, key)) reader.fail(`${quoted(key)} is not known`, at);
    const valueAt = reader.at;
    const value = reader.value();
    const [isRight, what] = keys[key]!;
    if (!isRight(value)) reader.fail(`${key} must be ${what}`, valueAt);
    fields.set(key, value);
  });
  reader.end();
  const nested = fields.has("nested_offset");
  const missing = names.find((key) => !fields.has(key) && (nested || !key.startsWith("nested_")));
  if (missing !== undefined) reader.fail(`${missing} is missing`, 0);
  if (!nested && fields.size > 4) reader.fail("nested_offset is missing", 0);
  if (fields.get("quant_type") !== quantType)
    reader.fail(`quant_type is not ${quantType}, as its name says`, 0);
  return {
    format: `bnb-${quantType}`,
    blockSize: fields.get("blocksize") as number,
    dtype: fields.get("dtype") as BnbDType,
    shape: fields.get("shape") as readonly number[],
    nestedOffset: fields.get("nested_offset") as number | undefined,
  };
}

/** A float as Python prints it. */
export function pythonFloat(x: number): string {
  const [digits, power] = x.toExponential().split("e") as [string, string];
  const exponent = Number(power);
  if (exponent < -4 || exponent >= 16) {
    return `${digits}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
  }
  const text = Object.is(x, -0) ? "-0" : String(x);
  return text.includes(".") ? text : `${text}.0`;
}

/** The text of `quant_state`, byte for byte as `json.dumps` of Python writes it. */
export function stateText({ format, blockSize, dtype, shape, nestedOffset }: BnbState): string {
  const members = [
    `"quant_type": "${format.slice(4)}"`,
    `"blocksize": ${blockSize}`,
    `"dtype": "${dtype}"`,
    `"shape": [${shape.join(", ")}]`,
  ];
  if (nestedOffset !== undefined) {
    members.push(
      `"nested_blocksize": ${GROUP}`,
      `"nested_dtype": "float32"`,
      `"nested_offset": ${pythonFloat(nestedOffset)}`,
    );
  }
  return `{${members.join(", ")}}`;
}
