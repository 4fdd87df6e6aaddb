/** Element formats of GGUF tensors: their names there and here, and their sizes. */
import type { GgufBlocks } from "../quantized/gguf-blocks.ts";
import type { KQuant } from "../quantized/k-quants.ts";
import type { FileTensor } from "./tensor.ts";

/** Element formats that are read into the array that carries them. */
export type GgufPlainDType = "float32" | "float16" | "bfloat16" | "float64" | "int8" | "int32";

/** What reading a tensor gives: a parameter as the memory store takes it. */
export type GgufTensor = FileTensor<GgufPlainDType> | GgufBlocks;

/** Formats that are known by name and size, and cannot be read. */
export type GgufOtherDType = (typeof others)[number][1];

/** The format of a tensor: under our name if it can be read, else under ggml's. */
export type GgufDType = GgufPlainDType | GgufBlocks["format"] | KQuant | GgufOtherDType;

export interface GgufType {
  readonly id: number;
  readonly dtype: GgufDType;
  /** Bytes of a block. */
  readonly bytes: number;
  /** Elements of a block. */
  readonly values: number;
}

const readable: readonly (readonly [
  number,
  GgufPlainDType | GgufBlocks["format"] | KQuant,
  number,
  number,
])[] = [
  [0, "float32", 4, 1],
  [1, "float16", 2, 1],
  [2, "gguf-q4_0", 18, 32],
  [8, "gguf-q8_0", 34, 32],
  [12, "gguf-q4_k", 144, 256],
  [14, "gguf-q6_k", 210, 256],
  [24, "int8", 1, 1],
  [26, "int32", 4, 1],
  [28, "float64", 8, 1],
  [30, "bfloat16", 2, 1],
];

const others = [
  [3, "Q4_1", 20, 32],
  [6, "Q5_0", 22, 32],
  [7, "Q5_1", 24, 32],
  [9, "Q8_1", 36, 32],
  [10, "Q2_K", 84, 256],
  [11, "Q3_K", 110, 256],
  [13, "Q5_K", 176, 256],
  [15, "Q8_K", 292, 256],
  [16, "IQ2_XXS", 66, 256],
  [17, "IQ2_XS", 74, 256],
  [18, "IQ3_XXS", 98, 256],
  [19, "IQ1_S", 50, 256],
  [20, "IQ4_NL", 18, 32],
  [21, "IQ3_S", 110, 256],
  [22, "IQ2_S", 82, 256],
  [23, "IQ4_XS", 136, 256],
  [25, "I16", 2, 1],
  [27, "I64", 8, 1],
  [29, "IQ1_M", 56, 256],
  [34, "TQ1_0", 54, 256],
  [35, "TQ2_0", 66, 256],
  [39, "MXFP4", 17, 32],
  [40, "NVFP4", 36, 64],
  [41, "Q1_0", 18, 128],
  [42, "Q2_0", 18, 64],
] as const;

/** Ids that are missing were given up by ggml. Source: ggml at d99724f. */
const types: readonly GgufType[] = [...readable, ...others].map(([id, dtype, bytes, values]) => {
  return { id, dtype, bytes, values };
});

const byId = new Map(types.map((type) => [type.id, type]));

export function typeWithId(id: number): GgufType | undefined {
  return byId.get(id);
}

/** What can be written: what can be read as it is in the file. */
export const writable: ReadonlyMap<string, GgufType> = new Map(
  readable.filter(([, dtype]) => !isKQuantName(dtype)).map(([id, dtype]) => [dtype, byId.get(id)!]),
);

function isKQuantName(dtype: GgufDType): dtype is KQuant {
  return dtype === "gguf-q4_k" || dtype === "gguf-q6_k";
}

/** Whether reading gives a plain typed array of these elements. */
export function isPlainDType(dtype: GgufDType): dtype is GgufPlainDType {
  return !isOther(dtype) && !dtype.startsWith("gguf-");
}

/** Whether a format is known, and cannot be read. */
export function isOther(dtype: GgufDType): dtype is GgufOtherDType {
  return others.some(([, name]) => name === dtype);
}

/** The next multiple of `alignment`. */
export function padded(size: number, alignment: number): number {
  return Math.ceil(size / alignment) * alignment;
}
