/**
 * The four steps on typed arrays, in place. Arithmetic is in float64 over windows and rounds once, to the
 * parameter's dtype, after each step; what a float32 or float64 array holds needs no window of its own.
 */
import { decode, encode, ValueRangeError } from "../../dtypes/convert.ts";
import { carrierOf, type DType, isFloat, type NumericArray } from "../../dtypes/dtype.ts";
import { describeValue, messageOf, ModificationError } from "../../errors.ts";
import { isThenable } from "../../drive.ts";
import { fillNoise, noiseSource } from "../../random/noise.ts";
import { applyCodec } from "../../reversible/park.ts";
import type { AxisFactors, Delta, Parameter, Replacement, Step } from "../../store.ts";
import { codecOf } from "./codecs.ts";
import { axisOf, factorsOf } from "./operands.ts";
import type { Entry } from "./record.ts";

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

/** Some elements of a parameter: all of them, or those from `first` on. */
interface Part {
  readonly data: NumericArray;
  readonly dtype: DType;
  /** Position of `data[0]` in the parameter. */
  readonly first: number;
}

/** Runs `change` over all elements, a window at a time; what it writes is rounded to the dtype once. */
function eachWindow(
  { data, dtype, first: offset }: Part,
  change: (window: Window, first: number) => void,
): void {
  const scratch = new Float64Array(WINDOW);
  for (let first = 0; first < data.length; first += WINDOW) {
    const end = Math.min(first + WINDOW, data.length);
    if (data instanceof Float32Array || data instanceof Float64Array) {
      change(data.subarray(first, end), offset + first);
    } else {
      decode(data, dtype, first, end, scratch);
      change(scratch.subarray(0, end - first), offset + first);
      encode(scratch, end - first, dtype, data, first);
    }
  }
}

/** float64 parameters and integers use the number itself, narrower floats what float32 makes of it. */
function coefficient(value: number, dtype: DType): number {
  return isFloat(dtype) && dtype !== "float64" ? Math.fround(value) : value;
}

function scale(part: Part, shape: readonly number[], by: number | AxisFactors<NumericArray>): void {
  if (typeof by === "number") {
    const factor = coefficient(by, part.dtype);
    eachWindow(part, (window) => {
      for (let i = 0; i < window.length; i++) window[i] = window[i]! * factor;
    });
    return;
  }
  const { inner, length } = axisOf(shape, by.axis);
  eachWindow(part, (window, first) => {
    for (let i = 0; i < window.length; i++) {
      window[i] = window[i]! * by.factors[Math.floor((first + i) / inner) % length]!;
    }
  });
}

/** What writes the deltas of the elements from `first` on, for formats that no kernel adds to. */
function deltasOf(
  dtype: DType,
  name: string,
  delta: Delta<NumericArray>,
): (first: number, out: Float64Array) => void {
  if (delta.kind === "noise") {
    const source = noiseSource(delta.seed, name, delta.std, isFloat(dtype) ? dtype : "float32");
    return (first, out) => fillNoise(out, source, first);
  }
  if (delta.kind === "values") {
    const { of } = delta;
    const times = coefficient(delta.times, dtype);
    return (first, out) => {
      for (let i = 0; i < out.length; i++) out[i] = times * of[first + i]!;
    };
  }
  const { left, right } = factorsOf(dtype, delta, Float64Array);
  const rank = delta.loraRank;
  const columns = right.length / rank;
  return (first, out) => {
    for (let i = 0; i < out.length; i++) {
      const column = (first + i) % columns;
      const row = (first + i - column) / columns;
      let sum = 0;
      for (let k = 0; k < rank; k++) sum += left[row * rank + k]! * right[k * columns + column]!;
      out[i] = sum;
    }
  };
}

function add(part: Part, name: string, delta: Delta<NumericArray>): void {
  const deltas = new Float64Array(WINDOW);
  const fill = deltasOf(part.dtype, name, delta);
  eachWindow(part, (window, first) => {
    fill(first, deltas.subarray(0, window.length));
    for (let i = 0; i < window.length; i++) window[i] = window[i]! + deltas[i]!;
  });
}

function put(part: Part, of: NumericArray): void {
  const { data, first } = part;
  if (of.constructor === data.constructor) data.set(of.subarray(first, first + data.length));
  else eachWindow(part, (window, at) => window.set(of.subarray(at, at + window.length)));
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

/** Applies a step without kernels and without user code to some elements of a parameter. */
export function applyPlain(part: Part, { name, shape }: Parameter, step: Step<NumericArray>): void {
  if (step.op === "scale") scale(part, shape, step.by);
  else if (step.op === "zero") part.data.fill(0);
  else if (step.op === "add") add(part, name, step.delta);
  else if (step.by.kind === "values") put(part, step.by.of);
}

/**
 * Applies one step to the entry's array in place: by kernels where there are some, so that what is shown does not
 * depend on the technique.
 *
 * @throws ModificationError; the array may then be half modified, and its owner puts it back
 */
export function applyStep(entry: Entry, step: Step<NumericArray>): void {
  const { data, dtype, parameter } = entry;
  const part = { data, dtype, first: 0 };
  const kept = codecOf(entry, step, { own: false, plane: false });
  withinRange(parameter, () => {
    if (kept !== undefined) applyCodec(data, kept.codec);
    else if (step.op !== "replace" || step.by.kind !== "computed") applyPlain(part, parameter, step);
    else {
      const of = compute(data, dtype, parameter, step.by);
      if (step.by.returns === "value") put(part, of);
      else {
        eachWindow(part, (window, first) => {
          for (let i = 0; i < window.length; i++) window[i] = window[i]! + of[first + i]!;
        });
      }
    }
  });
}

/** Runs `modify`. @throws ModificationError `out_of_range` for a result that an integer format cannot hold */
export function withinRange({ name }: Parameter, modify: () => void): void {
  try {
    modify();
  } catch (cause) {
    if (!(cause instanceof ValueRangeError)) throw cause;
    throw new ModificationError(
      "out_of_range",
      name,
      `${JSON.stringify(name)}: ${cause.message}. Every parameter is as it was before the call. ` +
        "Leave it out, or clamp with custom.",
      { cause },
    );
  }
}
