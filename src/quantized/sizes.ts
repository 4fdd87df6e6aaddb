/** What a quantized parameter takes, and one to encode into. */
import { describeValue } from "../errors.ts";
import { didYouMean } from "../hints.ts";
import type { Bnb4Bit } from "./bnb-4bit.ts";
import type { BnbInt8 } from "./bnb-int8.ts";
import { checkBlockSize, checkFormat, checkShape, isKQuant } from "./check.ts";
import { dynamicMap } from "./dynamic-map.ts";
import { BLOCK, blockBytes, type GgufBlocks } from "./gguf-blocks.ts";
import { type KQuant, SUPER_BLOCK, superBlockBytes } from "./k-quants.ts";
import { GROUP } from "./nested-absmax.ts";
import type { QuantizedFormat } from "./parameter.ts";

/** How to quantize. */
export interface QuantizedOptions<F extends QuantizedFormat | KQuant = QuantizedFormat> {
  readonly format: F;
  /** Elements of a block of `bnb-nf4` and `bnb-fp4`: a power of two from 32 to 4096. Default: 64. */
  readonly blockSize?: number;
  /** Whether their scales are quantized too (`compress_statistics`). Default: false. */
  readonly nested?: boolean;
}

/** What a format's parameter is. */
export type ParameterOf<F extends QuantizedFormat> = F extends "bnb-int8"
  ? BnbInt8
  : F extends Bnb4Bit["format"]
    ? Bnb4Bit
    : GgufBlocks;

const known: readonly string[] = ["format", "blockSize", "nested"];

interface Checked<F> {
  readonly format: F;
  readonly elements: number;
  readonly blockSize: number;
  readonly nested: boolean;
}

/** @throws UnsupportedError, TypeError, RangeError for what cannot be */
export function checkOptions<F extends QuantizedFormat>(
  at: string,
  shape: readonly number[],
  options: QuantizedOptions<F>,
): Checked<F> {
  const { format, blockSize = 64, nested = false } = options;
  const unknown = Object.keys(options).find((key) => !known.includes(key));
  if (unknown !== undefined) {
    const hint = didYouMean(unknown, known);
    throw new TypeError(
      `${at}: unknown option ${JSON.stringify(unknown)}.${hint} Known: ${known.join(", ")}.`,
    );
  }
  checkFormat(at, format);
  const hasBlocks = format === "bnb-nf4" || format === "bnb-fp4";
  if (!hasBlocks && (options.blockSize !== undefined || options.nested !== undefined)) {
    throw new TypeError(`${at}: blockSize and nested are of bnb-nf4 and bnb-fp4, not of ${format}.`);
  }
  if (typeof nested !== "boolean") {
    throw new TypeError(`${at}: nested must be true or false, got ${describeValue(nested)}.`);
  }
  checkBlockSize(at, blockSize);
  return { format, elements: checkShape(at, format, shape), blockSize, nested };
}

/**
 * Bytes of a quantized parameter, before it is made: of its codes and scales, which is what a theater counts as the
 * size of the parameter. The map of nested scales, 1 kB and the same for all, is not counted.
 *
 * @throws UnsupportedError `dtype` for another format; RangeError for a shape that the format cannot have
 * @example
 * import { quantizedBytes } from "surgical-theater/quantized";
 *
 * console.log(quantizedBytes([4096, 4096], { format: "bnb-nf4" })); // 9437184: 4.5 bits a weight
 * console.log(quantizedBytes([4096, 4096], { format: "bnb-nf4", nested: true })); // 8654852: 4.127 bits
 */
export function quantizedBytes(
  shape: readonly number[],
  options: QuantizedOptions<QuantizedFormat | KQuant>,
): number {
  const { format } = options;
  if (isKQuant(format)) {
    return (checkShape("quantizedBytes", format, shape) / SUPER_BLOCK) * superBlockBytes[format];
  }
  const checked = checkOptions("quantizedBytes", shape, options as QuantizedOptions);
  const { elements, blockSize, nested } = checked;
  if (checked.format === "bnb-int8") return elements + 4 * shape[0]!;
  if (checked.format === "gguf-q8_0" || checked.format === "gguf-q4_0") {
    return (elements / BLOCK) * blockBytes[checked.format];
  }
  const blocks = Math.ceil(elements / blockSize);
  return Math.ceil(elements / 2) + (nested ? blocks + 4 * Math.ceil(blocks / GROUP) + 4 : 4 * blocks);
}

/** A parameter with arrays of its own, all bytes of which are 0. */
export function emptyParameter(
  shape: readonly number[],
  { format, elements, blockSize, nested }: Checked<QuantizedFormat>,
): BnbInt8 | Bnb4Bit | GgufBlocks {
  if (format === "bnb-int8") {
    const [outputs, inputs] = shape as readonly [number, number];
    return {
      format,
      shape: [outputs, inputs],
      codes: new Int8Array(elements),
      scb: new Float32Array(outputs),
    };
  }
  if (format === "gguf-q8_0" || format === "gguf-q4_0") {
    return { format, shape: [...shape], blocks: new Uint8Array((elements / BLOCK) * blockBytes[format]) };
  }
  const blocks = Math.ceil(elements / blockSize);
  const absmax = nested
    ? {
        codes: new Uint8Array(blocks),
        map: dynamicMap(),
        absmax: new Float32Array(Math.ceil(blocks / GROUP)),
        offset: new Float32Array(1),
      }
    : new Float32Array(blocks);
  return { format, shape: [...shape], codes: new Uint8Array(Math.ceil(elements / 2)), blockSize, absmax };
}
