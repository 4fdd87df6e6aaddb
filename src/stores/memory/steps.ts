/**
 * The four steps on typed arrays, in place. Arithmetic is in float64 over windows and rounds once, to the
 * parameter's dtype, after each step; what a float32 or float64 array holds needs no window of its own.
 */
import { decode, encode } from "../../dtypes/convert.ts";
import { carrierOf, type DType, isFloat, type NumericArray } from "../../dtypes/dtype.ts";
import { describeValue, messageOf, ModificationError } from "../../errors.ts";
import { isThenable } from "../../drive.ts";
import { fillNoise, noiseSource } from "../../random/noise.ts";
import type { Delta, Parameter, Replacement, Step } from "../../store.ts";

/** Elements per window: 8 kB of float64 stays in the first-level cache. */
const WINDOW = 1024;

type Window = Float32Array | Float64Array;

/** Elements as numbers: the array itself where it holds numbers, else decoded. */
export function valuesOf(data: NumericArray, dtype: DType): ArrayLike<number> {
  if (!(data instanceof Uint16Array)) return data;
  const values = new Float64Array(data.length);
  decode(data, dtype, 0, data.length, values);
  return values;
}

/** Runs `change` over all elements, a window at a time; what it writes is rounded to the dtype once. */
function eachWindow(data: NumericArray, dtype: DType, change: (window: Window, first: number) => void): void {
  const scratch = new Float64Array(WINDOW);
  for (let first = 0; first < data.length; first += WINDOW) {
    const end = Math.min(first + WINDOW, data.length);
    if (data instanceof Float32Array || data instanceof Float64Array) {
      change(data.subarray(first, end), first);
    } else {
      decode(data, dtype, first, end, scratch);
      change(scratch.subarray(0, end - first), first);
      encode(scratch, end - first, dtype, data, first);
    }
  }
}

/** float64 parameters and integers use the number itself, narrower floats what float32 makes of it. */
function coefficient(value: number, dtype: DType): number {
  return isFloat(dtype) && dtype !== "float64" ? Math.fround(value) : value;
}

function scale(data: NumericArray, dtype: DType, by: number): void {
  const factor = coefficient(by, dtype);
  eachWindow(data, dtype, (window) => {
    for (let i = 0; i < window.length; i++) window[i] = window[i]! * factor;
  });
}

/** Reads `of`, an operand for a parameter of `dtype`, into `out`. */
function readOperand(of: NumericArray, dtype: DType, first: number, end: number, out: Float64Array): void {
  if (of[Symbol.toStringTag] === carrierOf(dtype)) decode(of, dtype, first, end, out);
  else out.set(of.subarray(first, end));
}

function add(data: NumericArray, dtype: DType, name: string, delta: Delta<NumericArray>): void {
  const deltas = new Float64Array(WINDOW);
  const times = delta.kind === "values" ? coefficient(delta.times, dtype) : 1;
  const source =
    delta.kind === "noise"
      ? noiseSource(delta.seed, name, delta.std, isFloat(dtype) ? dtype : "float32")
      : undefined;
  eachWindow(data, dtype, (window, first) => {
    if (source !== undefined) fillNoise(deltas.subarray(0, window.length), source, first);
    else if (delta.kind === "values") readOperand(delta.of, dtype, first, first + window.length, deltas);
    for (let i = 0; i < window.length; i++) window[i] = window[i]! + times * deltas[i]!;
  });
}

function put(data: NumericArray, dtype: DType, of: NumericArray): void {
  if (of.constructor === data.constructor) data.set(of);
  else eachWindow(data, dtype, (window, first) => window.set(of.subarray(first, first + window.length)));
}

/** Name of the typed array that user code gets. */
function userArray(dtype: DType): string {
  return dtype === "float16" || dtype === "bfloat16" ? "Float32Array" : carrierOf(dtype);
}

/** What user code gets: a private copy; 16-bit floats as Float32Array. */
function copyForUser(data: NumericArray, dtype: DType): NumericArray {
  if (!(dtype === "float16" || dtype === "bfloat16")) return data.slice();
  const copy = new Float32Array(data.length);
  const scratch = new Float64Array(WINDOW);
  for (let first = 0; first < data.length; first += WINDOW) {
    const end = Math.min(first + WINDOW, data.length);
    decode(data, dtype, first, end, scratch);
    copy.set(scratch.subarray(0, end - first), first);
  }
  return copy;
}

function compute(
  data: NumericArray,
  dtype: DType,
  parameter: Parameter,
  by: Extract<Replacement<NumericArray>, { kind: "computed" }>,
): NumericArray {
  const { name, shape, index } = parameter;
  const role = `custom, for ${JSON.stringify(name)}`;
  let result: unknown;
  try {
    result = by.compute(copyForUser(data, dtype), { name, shape, dtype, index });
  } catch (cause) {
    throw new ModificationError(
      "modification_threw",
      name,
      `${role}, threw: ${messageOf(cause)}. Every parameter is as it was before the call.`,
      { cause },
    );
  }
  if (isThenable(result)) void Promise.resolve(result).catch(() => {});
  const float = result instanceof Float32Array || result instanceof Float64Array;
  const own =
    ArrayBuffer.isView(result) && result.constructor === data.constructor && !(result instanceof Uint16Array);
  if (!float && !own) {
    throw new ModificationError(
      "dtype_mismatch",
      name,
      `what custom returned for ${JSON.stringify(name)} must be a ${userArray(dtype)}, like its argument, got ` +
        `${describeValue(result)}. ` +
        "Every parameter is as it was before the call.",
    );
  }
  const array = result as NumericArray;
  if (array.length !== data.length) {
    throw new ModificationError(
      "shape_mismatch",
      name,
      `what custom returned for ${JSON.stringify(name)} has ${array.length} elements instead of the ${data.length} of shape [${shape.join(", ")}]. ` +
        "Every parameter is as it was before the call.",
    );
  }
  return array;
}

/**
 * Applies one step to `data` in place.
 *
 * @throws ModificationError; `data` may then be half modified, and its owner puts it back
 */
export function applyStep(
  data: NumericArray,
  dtype: DType,
  parameter: Parameter,
  step: Step<NumericArray>,
): void {
  try {
    if (step.op === "scale") scale(data, dtype, step.by);
    else if (step.op === "zero") data.fill(0);
    else if (step.op === "add") add(data, dtype, parameter.name, step.delta);
    else if (step.by.kind === "values") put(data, dtype, step.by.of);
    else {
      const of = compute(data, dtype, parameter, step.by);
      if (step.by.returns === "value") put(data, dtype, of);
      else {
        eachWindow(data, dtype, (window, first) => {
          for (let i = 0; i < window.length; i++) window[i] = window[i]! + of[first + i]!;
        });
      }
    }
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new ModificationError(
      "out_of_range",
      parameter.name,
      `${JSON.stringify(parameter.name)}: ${cause.message}. Every parameter is as it was before the call. ` +
        "Leave it out, or clamp with custom.",
      { cause },
    );
  }
}
