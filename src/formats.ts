/// <reference lib="esnext.disposable" preserve="true" />
/** The entry point for files: safetensors, read and written, and PEFT adapters. See docs/formats.md. */
export { FormatError, SurgicalTheaterError, UnsupportedError } from "./errors.ts";
export type { TensorInfo } from "./formats/header.ts";
export type { Json } from "./formats/json.ts";
export { type LoraArguments, loraOf, type LoraOfOptions } from "./formats/lora-of.ts";
export type { ModuleNames } from "./formats/module-names.ts";
export { FileSource, folderAt, openFile, saveFiles } from "./formats/node.ts";
export { peftOf, type PeftOfOptions } from "./formats/peft-of.ts";
export type { PeftAdapter, PeftConfig, PeftEntry } from "./formats/peft.ts";
export { readPeft } from "./formats/read-peft.ts";
export { openSafetensors, Safetensors } from "./formats/safetensors.ts";
export { openShardedSafetensors } from "./formats/sharded.ts";
export {
  type BlobLike,
  type Bytes,
  byteSource,
  type ByteSource,
  type Folder,
  folderOf,
  type Readable,
} from "./formats/source.ts";
export type { Carriers, FileDType, FileTensor } from "./formats/tensor.ts";
export { writePeft } from "./formats/write-peft.ts";
export { writeShardedSafetensors } from "./formats/write-sharded.ts";
export { bytesOf, type Chunks, type TensorToWrite, writeSafetensors } from "./formats/write.ts";
