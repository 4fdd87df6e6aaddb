/** What the types of "surgical-theater/quantized" accept, and what they refuse. */
import { expectTypeOf } from "vitest";
import { type MemoryModel, planTheater } from "../../src/index.ts";
import type { FileTensor } from "../../src/formats.ts";
import {
  type Bnb4Bit,
  type BnbInt8,
  bnbTensors,
  decodeQuantized,
  encodeQuantized,
  type GgufBlocks,
  type Gguf,
  quantizedBytes,
  type QuantizedFormat,
  type QuantizedParameter,
  writeGguf,
} from "../../src/quantized.ts";

const values = new Float32Array(64);

// A format says what its parameter is.
expectTypeOf(encodeQuantized(values, [2, 32], { format: "bnb-int8" })).toEqualTypeOf<BnbInt8>();
expectTypeOf(encodeQuantized(values, [2, 32], { format: "bnb-nf4", nested: true })).toEqualTypeOf<Bnb4Bit>();
const blocks = encodeQuantized((_, out) => void out.fill(1), [2, 32], { format: "gguf-q4_0" });
expectTypeOf(blocks).toEqualTypeOf<GgufBlocks>();
declare const format: QuantizedFormat;
const any: QuantizedParameter = encodeQuantized(values, [2, 32], { format });
expectTypeOf(decodeQuantized(any)).toEqualTypeOf<Float32Array>();
// @ts-expect-error K-quants cannot be encoded
encodeQuantized(values, [256], { format: "gguf-q4_k" });
quantizedBytes([256], { format: "gguf-q4_k" });
// @ts-expect-error misspelt option
encodeQuantized(values, [64], { format: "bnb-nf4", blocksize: 64 });
// @ts-expect-error values are float32
encodeQuantized(new Float64Array(64), [64], { format: "bnb-nf4" });

// Parameters are part of a model, and so is whatever a GGUF file has.
export const model: MemoryModel = {
  blocks,
  any,
  byHand: { format: "bnb-nf4", shape: [2], codes: new Uint8Array(1), blockSize: 64, absmax: values },
};
export const read = async (file: Gguf): Promise<MemoryModel> => ({ w: await file.read("w") });
// @ts-expect-error codes of int8 are signed
planTheater({ q: { format: "bnb-int8", shape: [1, 1], codes: new Uint8Array(1), scb: values } }, {});
// @ts-expect-error scales are missing
planTheater({ q: { format: "bnb-nf4", shape: [1], codes: new Uint8Array(1), blockSize: 64 } }, {});

// Files.
declare const tensor: FileTensor;
bnbTensors("w", tensor);
bnbTensors("q", any, { dtype: "bfloat16" });
// @ts-expect-error the reference knows three dtypes
bnbTensors("q", any, { dtype: "float64" });
writeGguf([{ name: "q", ...blocks }], { "general.architecture": "toy" });
// @ts-expect-error a number needs its type
writeGguf([], { count: 1 });
// @ts-expect-error a 64-bit integer is a bigint
writeGguf([], { count: { type: "uint64", value: 1 } });
