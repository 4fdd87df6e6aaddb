/** Checks quantized parameters that users give: formats, arrays and sizes must fit. */
import { describeValue, UnsupportedError } from "../errors.ts";
import { didYouMean } from "../hints.ts";
import { BLOCK, blockBytes } from "./gguf-blocks.ts";
import { type KQuantBlocks, type KQuant, SUPER_BLOCK, superBlockBytes } from "./k-quants.ts";
import { GROUP } from "./nested-absmax.ts";
import { type QuantizedFormat, quantizedFormats, type QuantizedParameter } from "./parameter.ts";

const properties: Readonly<Record<QuantizedFormat, readonly string[]>> = {
  "bnb-int8": ["format", "shape", "codes", "scb"],
  "bnb-nf4": ["format", "shape", "codes", "blockSize", "absmax"],
  "bnb-fp4": ["format", "shape", "codes", "blockSize", "absmax"],
  "gguf-q8_0": ["format", "shape", "blocks"],
  "gguf-q4_0": ["format", "shape", "blocks"],
};

/** Whether a value of a record is meant to be a quantized parameter. */
export function isQuantized(value: unknown): value is { readonly format: unknown } {
  return typeof value === "object" && value !== null && "format" in value;
}

/** Whether a format can only be decoded. */
export function isKQuant(format: unknown): format is KQuant {
  return typeof format === "string" && Object.hasOwn(superBlockBytes, format);
}

type Given = Readonly<Record<string, unknown>>;

/** Throws unless `value` is a typed array of this kind and length. */
function checkArray(what: string, value: unknown, kind: string, length: number): void {
  if (
    !ArrayBuffer.isView(value) ||
    (value as unknown as { [Symbol.toStringTag]: string })[Symbol.toStringTag] !== kind
  ) {
    throw new TypeError(`${what} must be a ${kind}, got ${describeValue(value)}. Nothing was changed.`);
  }
  const given = (value as Uint8Array).length;
  if (given === length) return;
  throw new RangeError(`${what} must have ${length} elements, and has ${given}. Nothing was changed.`);
}

/** Throws unless values of this shape can have the format. Gives their number. */
export function checkShape(at: string, format: QuantizedFormat | KQuant, shape: unknown): number {
  const isShape =
    Array.isArray(shape) && shape.length > 0 && shape.every((n) => Number.isSafeInteger(n) && n >= 1);
  const elements = isShape ? shape.reduce((product: number, n: number) => product * n, 1) : NaN;
  if (!isShape || !Number.isSafeInteger(elements)) {
    throw new RangeError(
      `${at}: shape must be a list of positive integers, got ${JSON.stringify(shape)}. Nothing was changed.`,
    );
  }
  const sizes = `[${shape.join(", ")}]`;
  if (format === "bnb-int8" && shape.length !== 2) {
    throw new RangeError(`${at}: shape must be [outputs, inputs], got ${sizes}. Nothing was changed.`);
  }
  const multiple = isKQuant(format) ? SUPER_BLOCK : format.startsWith("gguf-") ? BLOCK : 1;
  if ((shape.at(-1) as number) % multiple !== 0) {
    throw new RangeError(
      `${at}: the last dimension of ${format} must be a multiple of ${multiple}, got ${sizes}. Nothing was changed.`,
    );
  }
  return elements;
}

/** Throws unless it is the size of a block of the 4-bit formats of bitsandbytes. */
export function checkBlockSize(at: string, blockSize: unknown): asserts blockSize is number {
  if (isBlockSize(blockSize)) return;
  throw new RangeError(
    `${at}: blockSize must be a power of two from 32 to 4096, got ${describeValue(blockSize)}. Nothing was changed.`,
  );
}

export function isBlockSize(blockSize: unknown): blockSize is number {
  const isSize = typeof blockSize === "number" && blockSize >= 32 && blockSize <= 4096;
  return isSize && Math.log2(blockSize) % 1 === 0;
}

function checkFourBit(at: string, { codes, blockSize, absmax }: Given, elements: number): void {
  checkBlockSize(at, blockSize);
  checkArray(`${at}: codes`, codes, "Uint8Array", Math.ceil(elements / 2));
  const blocks = Math.ceil(elements / blockSize);
  if (typeof absmax !== "object" || absmax === null || ArrayBuffer.isView(absmax)) {
    checkArray(`${at}: absmax`, absmax, "Float32Array", blocks);
    return;
  }
  const nested = absmax as Given;
  checkArray(`${at}: absmax.codes`, nested["codes"], "Uint8Array", blocks);
  checkArray(`${at}: absmax.map`, nested["map"], "Float32Array", 256);
  checkArray(`${at}: absmax.absmax`, nested["absmax"], "Float32Array", Math.ceil(blocks / GROUP));
  checkArray(`${at}: absmax.offset`, nested["offset"], "Float32Array", 1);
}

function checkProperties(at: string, given: Given, known: readonly string[]): void {
  const unknown = Object.keys(given).find((key) => !known.includes(key));
  if (unknown === undefined) return;
  throw new TypeError(
    `${at}: unknown property ${JSON.stringify(unknown)}.${didYouMean(unknown, known)} Nothing was changed.`,
  );
}

/** Throws unless `format` is one that can be encoded, with what it is instead. */
export function checkFormat(at: string, format: unknown): asserts format is QuantizedFormat {
  if (quantizedFormats.includes(format as QuantizedFormat)) return;
  const remedy = isKQuant(format)
    ? " It can be decoded, not encoded."
    : didYouMean(typeof format === "string" ? format : "", quantizedFormats);
  throw new UnsupportedError(
    "dtype",
    `${at}: format ${describeValue(format)} is not supported.${remedy} Nothing was changed. ` +
      `Supported: ${quantizedFormats.join(", ")}.`,
  );
}

/**
 * The quantized parameter that `value` is.
 *
 * @param at - how messages call it
 * @throws UnsupportedError `dtype` for another format; TypeError, RangeError for arrays that do not fit
 */
export function checkQuantized(at: string, value: { readonly format: unknown }): QuantizedParameter {
  const given = value as Given & { readonly format: unknown };
  const { format, shape } = given;
  checkFormat(at, format);
  checkProperties(at, given, properties[format]);
  const elements = checkShape(at, format, shape);
  if (format === "bnb-int8") {
    checkArray(`${at}: codes`, given["codes"], "Int8Array", elements);
    checkArray(`${at}: scb`, given["scb"], "Float32Array", (shape as readonly number[])[0]!);
  } else if (format === "bnb-nf4" || format === "bnb-fp4") checkFourBit(at, given, elements);
  else checkArray(`${at}: blocks`, given["blocks"], "Uint8Array", (elements / BLOCK) * blockBytes[format]);
  return given as unknown as QuantizedParameter;
}

/** As {@link checkQuantized}, for what can only be decoded. */
export function checkKQuant(at: string, value: KQuantBlocks): KQuantBlocks {
  const { format, shape, blocks } = value;
  const elements = checkShape(at, format, shape);
  checkArray(`${at}: blocks`, blocks, "Uint8Array", (elements / SUPER_BLOCK) * superBlockBytes[format]);
  return value;
}
