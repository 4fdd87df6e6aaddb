/// <reference lib="esnext.disposable" preserve="true" />
export {
  surgicalTheater,
  surgicalTheaterAsync,
  withTheater,
  withTheaterAsync,
  planTheater,
  Ema,
} from "./memory.ts";
export { lora, type Lora } from "./modifications/lora.ts";
export type { MemoryModel, MemoryParameter, ShapedArray } from "./stores/memory/record.ts";
export type { DType, NumericArray } from "./dtypes/dtype.ts";
export * from "./shared.ts";
