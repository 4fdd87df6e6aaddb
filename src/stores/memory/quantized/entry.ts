/** A quantized parameter of a user's record, and its place in memory. */
import { arraysOf, codecOf, type QuantizedParameter } from "../../../quantized/parameter.ts";
import { type Codec, regionOf } from "../../../quantized/codec.ts";
import type { Parameter } from "../../../store.ts";
import type { Whole } from "../storage.ts";
import { Undo } from "./undo.ts";

/** One quantized parameter: codes, scales and state are one. */
export interface QuantizedEntry {
  readonly parameter: Parameter;
  readonly quantized: QuantizedParameter;
  readonly codec: Codec;
  /** All arrays that may be written to, codes first. */
  readonly arrays: readonly (Int8Array | Uint8Array | Float32Array)[];
  /** Of all arrays together. */
  readonly storage: Whole;
}

export function quantizedEntry(
  parameter: Parameter,
  quantized: QuantizedParameter,
  storage: Whole,
): QuantizedEntry {
  return { parameter, quantized, codec: codecOf(quantized), arrays: arraysOf(quantized), storage };
}

/** All values, as float32. */
export function decodeAll({ codec }: QuantizedEntry): Float32Array {
  const values = new Float32Array(codec.length);
  codec.decode(0, values);
  return values;
}

/** All bytes as they are now. */
export function imageOf({ codec, arrays }: QuantizedEntry): Undo {
  const image = new Undo(codec.codes);
  for (const array of arrays) image.save(regionOf(array, 1));
  return image;
}

/** Whether a buffer was transferred, or a WebAssembly memory grew. */
export function isDetached({ arrays, parameter }: QuantizedEntry): boolean {
  return arrays.reduce((sum, { byteLength }) => sum + byteLength, 0) !== parameter.bytes;
}
