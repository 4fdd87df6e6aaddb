/** A quantized parameter of a user's record, and its place in memory. */
import { arraysOf, codecOf, type QuantizedParameter } from "../../../quantized/parameter.ts";
import type { Codec } from "../../../quantized/codec.ts";
import type { Parameter } from "../../../store.ts";
import type { Storage } from "../storage.ts";

/** One quantized parameter: codes, scales and state are one. */
export interface QuantizedEntry {
  readonly parameter: Parameter;
  readonly quantized: QuantizedParameter;
  readonly codec: Codec;
  /** All arrays that may be written to, codes first. */
  readonly arrays: readonly (Int8Array | Uint8Array | Float32Array)[];
  /** Of the codes, which stand for all of it. */
  readonly storage: Storage;
}

export function quantizedEntry(
  parameter: Parameter,
  quantized: QuantizedParameter,
  storage: Storage,
): QuantizedEntry {
  return { parameter, quantized, codec: codecOf(quantized), arrays: arraysOf(quantized), storage };
}

/** All values, as float32. */
export function decodeAll({ codec }: QuantizedEntry): Float32Array {
  const values = new Float32Array(codec.length);
  codec.decode(0, values);
  return values;
}
