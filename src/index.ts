/// <reference lib="esnext.disposable" preserve="true" />
export {
  surgicalTheater,
  surgicalTheaterAsync,
  withTheater,
  withTheaterAsync,
  planTheater,
  Ema,
  store,
} from "./memory.ts";
export type { MemoryModel, MemoryParameter, ShapedArray } from "./stores/memory/record.ts";
export type { DType, NumericArray } from "./dtypes/dtype.ts";
export type { Bnb4Bit } from "./quantized/bnb-4bit.ts";
export type { BnbInt8 } from "./quantized/bnb-int8.ts";
export type { GgufBlocks } from "./quantized/gguf-blocks.ts";
export type { NestedAbsmax } from "./quantized/nested-absmax.ts";
export type { QuantizedFormat, QuantizedParameter } from "./quantized/parameter.ts";
export * from "./shared.ts";
