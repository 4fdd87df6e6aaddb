/** Quantized parameters: what they are made of, and the codec of each. */
import { type Bnb4Bit, bnb4BitCodec } from "./bnb-4bit.ts";
import { type BnbInt8, bnbInt8Codec } from "./bnb-int8.ts";
import type { Codec } from "./codec.ts";
import { BLOCK, blockBytes, type GgufBlocks, ggufBlocksCodec } from "./gguf-blocks.ts";
import { GROUP } from "./nested-absmax.ts";

/** A parameter whose codes, scales and state are one unit. Its arrays are the user's, and modified in place. */
export type QuantizedParameter = BnbInt8 | Bnb4Bit | GgufBlocks;

/** Name of a format that can be modified. */
export type QuantizedFormat = QuantizedParameter["format"];

/** The formats that can be modified. */
export const quantizedFormats: readonly QuantizedFormat[] = [
  "bnb-int8",
  "bnb-nf4",
  "bnb-fp4",
  "gguf-q8_0",
  "gguf-q4_0",
];

export function codecOf(parameter: QuantizedParameter): Codec {
  if ("scb" in parameter) return bnbInt8Codec(parameter);
  return "blocks" in parameter ? ggufBlocksCodec(parameter) : bnb4BitCodec(parameter);
}

/** All arrays of a parameter that a modification may write to, codes first. */
export function arraysOf(parameter: QuantizedParameter): readonly (Int8Array | Uint8Array | Float32Array)[] {
  if ("scb" in parameter) return [parameter.codes, parameter.scb];
  if ("blocks" in parameter) return [parameter.blocks];
  const { codes, absmax } = parameter;
  return ArrayBuffer.isView(absmax) ? [codes, absmax] : [codes, absmax.codes, absmax.absmax, absmax.offset];
}

/** A copy of elements `first` and following, flattened: whole blocks of one group or of several, for int8 any. */
export function sliceOf(parameter: QuantizedParameter, first: number, count: number): QuantizedParameter {
  if ("scb" in parameter) {
    const [, inputs] = parameter.shape;
    const codes = parameter.codes.slice(first, first + count);
    const scb = parameter.scb.slice(Math.floor(first / inputs), Math.ceil((first + count) / inputs));
    return { format: parameter.format, shape: [scb.length, Math.min(inputs, count)], codes, scb };
  }
  if ("blocks" in parameter) {
    const bytes = blockBytes[parameter.format];
    const blocks = parameter.blocks.slice((first / BLOCK) * bytes, ((first + count) / BLOCK) * bytes);
    return { format: parameter.format, shape: [count], blocks };
  }
  const { format, blockSize, absmax } = parameter;
  const codes = parameter.codes.slice(first / 2, Math.ceil((first + count) / 2));
  const [from, to] = [first / blockSize, Math.ceil((first + count) / blockSize)];
  if (ArrayBuffer.isView(absmax)) {
    return { format, shape: [count], codes, blockSize, absmax: absmax.slice(from, to) };
  }
  const nested = {
    codes: absmax.codes.slice(from, to),
    map: absmax.map,
    absmax: absmax.absmax.slice(Math.floor(from / GROUP), Math.ceil(to / GROUP)),
    offset: absmax.offset.slice(),
  };
  return { format, shape: [count], codes, blockSize, absmax: nested };
}
