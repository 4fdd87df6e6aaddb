/// <reference lib="esnext.disposable" preserve="true" />
/** The entry point for quantized parameters: codecs, GGUF files, and bitsandbytes in safetensors. See docs/quantized.md. */
export { FormatError, SurgicalTheaterError, UnsupportedError } from "./errors.ts";
export { bnbParameters, type BnbLayout, type ParameterInFile } from "./formats/bnb.ts";
export type { BnbDType } from "./formats/bnb-state.ts";
export { Gguf, openGguf } from "./formats/gguf.ts";
export type { GgufTensorInfo } from "./formats/gguf-header.ts";
export type { GgufNumberType, GgufValue } from "./formats/gguf-metadata.ts";
export type { GgufDType, GgufOtherDType, GgufPlainDType, GgufTensor } from "./formats/gguf-types.ts";
export { bnbTensors } from "./formats/write-bnb.ts";
export { type GgufMetadata, type GgufTensorToWrite, writeGguf } from "./formats/write-gguf.ts";
export type { Bnb4Bit } from "./quantized/bnb-4bit.ts";
export type { BnbInt8 } from "./quantized/bnb-int8.ts";
export { decodeBlocks, decodeQuantized } from "./quantized/decode.ts";
export { encodeQuantized, type Fill } from "./quantized/encode.ts";
export type { GgufBlocks } from "./quantized/gguf-blocks.ts";
export type { KQuant, KQuantBlocks } from "./quantized/k-quants.ts";
export type { NestedAbsmax } from "./quantized/nested-absmax.ts";
export { type QuantizedFormat, quantizedFormats, type QuantizedParameter } from "./quantized/parameter.ts";
export { type ParameterOf, quantizedBytes, type QuantizedOptions } from "./quantized/sizes.ts";
