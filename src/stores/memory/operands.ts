/** Operands of steps on typed arrays: their shapes, and their values as the arithmetic wants them. */
import { decode } from "../../dtypes/convert.ts";
import { carrierOf, type DType, type NumericArray } from "../../dtypes/dtype.ts";
import type { LowRank, Step } from "../../step.ts";

/** Whether elements are bits of a 16-bit format. */
export function isHalf(dtype: DType): dtype is "float16" | "bfloat16" {
  return dtype === "float16" || dtype === "bfloat16";
}

/** Elements between neighbours along `axis`, and how many there are along it. */
export function axisOf(
  shape: readonly number[],
  axis: number,
): { readonly inner: number; readonly length: number } {
  return { inner: shape.slice(axis + 1).reduce((product, size) => product * size, 1), length: shape[axis]! };
}

/** Values of `of`, an operand for a parameter of `dtype`: of the same format, or float32 for a 16-bit one. */
export function numbersOf(of: NumericArray, dtype: DType): Exclude<NumericArray, Uint16Array> {
  if (of[Symbol.toStringTag] !== carrierOf(dtype) || !isHalf(dtype)) return of as Float32Array;
  const values = new Float64Array(of.length);
  decode(of, dtype, 0, of.length, values);
  return values;
}

type FloatArray = Float32Array | Float64Array;

/**
 * The factors whose product left · right, row-major, is a low-rank delta: copies, `scaling` in the left one.
 *
 * @returns left: [rows, loraRank]; right: [loraRank, columns]
 */
export function factorsOf<A extends FloatArray>(
  dtype: DType,
  { a, b, loraRank, scaling, layout }: LowRank<NumericArray>,
  ArrayOf: new (length: number) => A,
): { readonly left: A; readonly right: A } {
  const [rowsFrom, columnsFrom] = layout === "outIn" ? [b, a] : [a, b];
  const [rowValues, columnValues] = [numbersOf(rowsFrom, dtype), numbersOf(columnsFrom, dtype)];
  const left = new ArrayOf(rowsFrom.length);
  const right = new ArrayOf(columnsFrom.length);
  const [rows, columns] = [left.length / loraRank, right.length / loraRank];
  // The factor itself is float32 there, as in a scale.
  const times = left instanceof Float32Array ? Math.fround(scaling) : scaling;
  for (let i = 0; i < rows; i++) {
    for (let k = 0; k < loraRank; k++) {
      left[i * loraRank + k] = times * rowValues[layout === "outIn" ? i * loraRank + k : k * rows + i]!;
    }
  }
  for (let k = 0; k < loraRank; k++) {
    for (let j = 0; j < columns; j++) {
      right[k * columns + j] = columnValues[layout === "outIn" ? k * columns + j : j * loraRank + k]!;
    }
  }
  return { left, right };
}

/** Bytes of a step's factors, which are smaller than the parameter: along an axis, or of a low-rank delta. */
export function factorBytes(step: Step<NumericArray>): number {
  if (step.op === "scale" && typeof step.by !== "number") return step.by.factors.byteLength;
  if (step.op === "add" && step.delta.kind === "lowRank")
    return step.delta.a.byteLength + step.delta.b.byteLength;
  return 0;
}

/** Bytes of what a step computes with: its factors, or the values that it adds. */
export function operandBytes(step: Step<NumericArray>): number {
  return step.op === "add" && step.delta.kind === "values" ? step.delta.of.byteLength : factorBytes(step);
}

/** The step with copies of all that it computes with. */
export function withOwnOperands(step: Step<NumericArray>): Step<NumericArray> {
  if (step.op !== "add" || step.delta.kind !== "values") return withOwnFactors(step);
  return { op: "add", delta: { ...step.delta, of: step.delta.of.slice() } };
}

/** The step with copies of its factors, so that nobody can change them. */
function withOwnFactors(step: Step<NumericArray>): Step<NumericArray> {
  if (step.op === "scale" && typeof step.by !== "number") {
    return { op: "scale", by: { axis: step.by.axis, factors: step.by.factors.slice() } };
  }
  if (step.op === "add" && step.delta.kind === "lowRank") {
    return { op: "add", delta: { ...step.delta, a: step.delta.a.slice(), b: step.delta.b.slice() } };
  }
  return step;
}
