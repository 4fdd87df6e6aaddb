/** Tensors as safetensors files have them: element formats, their names there and here, and what carries them. */
import { carrierOf, type DType } from "../dtypes/dtype.ts";
import type { Bytes } from "./source.ts";

/**
 * The array that carries each element format. float16 and bfloat16 are bits. `bool` is a byte, 0 or 1. Formats without
 * a typed array keep the name that files give them, and are the file's bytes.
 */
export interface Carriers {
  float64: Float64Array;
  float32: Float32Array;
  float16: Uint16Array;
  bfloat16: Uint16Array;
  int64: BigInt64Array;
  uint64: BigUint64Array;
  int32: Int32Array;
  uint32: Uint32Array;
  int16: Int16Array;
  uint16: Uint16Array;
  int8: Int8Array;
  uint8: Uint8Array;
  bool: Uint8Array;
  C64: Uint8Array;
  F8_E5M2: Uint8Array;
  F8_E4M3: Uint8Array;
  F8_E8M0: Uint8Array;
  F8_E4M3FNUZ: Uint8Array;
  F8_E5M2FNUZ: Uint8Array;
  F6_E2M3: Uint8Array;
  F6_E3M2: Uint8Array;
  F4: Uint8Array;
}

/** An element format that files may have: what the library computes with, and what can only be carried. */
export type FileDType = keyof Carriers;

/** A tensor: its elements, row-major. `shape` is outermost first; its product is the number of elements. */
export type FileTensor<D extends FileDType = FileDType> = {
  [K in D]: { readonly data: Carriers[K]; readonly shape: readonly number[]; readonly dtype: K };
}[D];

interface Format {
  /** Its name in files. */
  readonly name: string;
  readonly bits: number;
  /** `Symbol.toStringTag` of its carrier. */
  readonly carrier: string;
}

const ours = (name: string, bits: number, dtype: DType): Format => ({
  name,
  bits,
  carrier: carrierOf(dtype),
});
const bytes = (name: string, bits: number): Format => ({ name, bits, carrier: "Uint8Array" });

/**
 * In the order of the reference implementation's enumeration, which is the order of alignment; its writer sorts by it,
 * last first. Source: safetensors 24b0b28.
 */
const formats: Readonly<Record<FileDType, Format>> = {
  bool: bytes("BOOL", 8),
  F4: bytes("F4", 4),
  F6_E2M3: bytes("F6_E2M3", 6),
  F6_E3M2: bytes("F6_E3M2", 6),
  uint8: ours("U8", 8, "uint8"),
  int8: ours("I8", 8, "int8"),
  F8_E5M2: bytes("F8_E5M2", 8),
  F8_E4M3: bytes("F8_E4M3", 8),
  F8_E8M0: bytes("F8_E8M0", 8),
  F8_E4M3FNUZ: bytes("F8_E4M3FNUZ", 8),
  F8_E5M2FNUZ: bytes("F8_E5M2FNUZ", 8),
  int16: { name: "I16", bits: 16, carrier: "Int16Array" },
  uint16: { name: "U16", bits: 16, carrier: "Uint16Array" },
  float16: ours("F16", 16, "float16"),
  bfloat16: ours("BF16", 16, "bfloat16"),
  int32: ours("I32", 32, "int32"),
  uint32: { name: "U32", bits: 32, carrier: "Uint32Array" },
  float32: ours("F32", 32, "float32"),
  C64: bytes("C64", 64),
  float64: ours("F64", 64, "float64"),
  int64: { name: "I64", bits: 64, carrier: "BigInt64Array" },
  uint64: { name: "U64", bits: 64, carrier: "BigUint64Array" },
};

/** All formats, least aligned first. */
export const fileDTypes: readonly FileDType[] = Object.keys(formats) as FileDType[];

const byName = new Map(fileDTypes.map((dtype) => [formats[dtype].name, dtype]));

/** The format that files call `name`. */
export function dtypeNamed(name: string): FileDType | undefined {
  return byName.get(name);
}

/** What files call a format. */
export function nameOf(dtype: FileDType): string {
  return formats[dtype].name;
}

/** Name of the typed array that carries a format, as in its `Symbol.toStringTag`. */
export function fileCarrierOf(dtype: FileDType): string {
  return formats[dtype].carrier;
}

/** Bytes of a tensor, or undefined if they are no whole number, or too many to count. */
export function byteLengthOf(dtype: FileDType, shape: readonly number[]): number | undefined {
  let bits = formats[dtype].bits;
  for (const size of shape) {
    bits *= size;
    if (!Number.isSafeInteger(bits)) return undefined;
  }
  return bits % 8 === 0 ? bits / 8 : undefined;
}

const constructors: Readonly<Record<string, new (buffer: ArrayBuffer) => Carriers[FileDType]>> = {
  Float64Array,
  Float32Array,
  BigInt64Array,
  BigUint64Array,
  Int32Array,
  Uint32Array,
  Int16Array,
  Uint16Array,
  Int8Array,
  Uint8Array,
};

/** A tensor on `bytes`, which have a buffer of their own. */
export function tensorOn(bytes: Bytes, dtype: FileDType, shape: readonly number[]): FileTensor {
  return { data: new constructors[formats[dtype].carrier]!(bytes.buffer), shape, dtype } as FileTensor;
}
