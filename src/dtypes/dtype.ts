/** Element formats: their names, sizes, ranges, and the typed array that carries each one. */

/** Format of one element of a parameter. */
export type DType = "float32" | "float64" | "float16" | "bfloat16" | "int8" | "uint8" | "int32";

/** The integer formats. */
export type IntegerDType = "int8" | "uint8" | "int32";

/** Arrays that carry elements; float16 and bfloat16 travel as their bit patterns in a Uint16Array. */
export type NumericArray = Float32Array | Float64Array | Uint16Array | Int8Array | Uint8Array | Int32Array;

const BYTES: Readonly<Record<DType, 1 | 2 | 4 | 8>> = {
  float32: 4,
  float64: 8,
  float16: 2,
  bfloat16: 2,
  int8: 1,
  uint8: 1,
  int32: 4,
};

const CARRIERS: Readonly<Record<DType, string>> = {
  float32: "Float32Array",
  float64: "Float64Array",
  float16: "Uint16Array",
  bfloat16: "Uint16Array",
  int8: "Int8Array",
  uint8: "Uint8Array",
  int32: "Int32Array",
};

const RANGES: Readonly<Record<IntegerDType, readonly [number, number]>> = {
  int8: [-128, 127],
  uint8: [0, 255],
  int32: [-2147483648, 2147483647],
};

/** Size of one element, in bytes. */
export function bytesPerElement(dtype: DType): 1 | 2 | 4 | 8 {
  return BYTES[dtype];
}

/** Whether the format is a floating-point one. */
export function isFloat(dtype: DType): dtype is Exclude<DType, IntegerDType> {
  return !Object.hasOwn(RANGES, dtype);
}

/** Smallest and largest value of an integer format. */
export function integerRange(dtype: IntegerDType): readonly [smallest: number, largest: number] {
  return RANGES[dtype];
}

/** Name of the typed array that carries a format, as in its `Symbol.toStringTag`. */
export function carrierOf(dtype: DType): string {
  return CARRIERS[dtype];
}
