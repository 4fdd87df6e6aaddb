/**
 * The four steps on typed arrays, in place. Arithmetic is in float64 over windows and rounds once, to the
 * parameter's dtype, after each step; what a float32 or float64 array holds needs no window of its own.
 */
import { decode, encode, ValueRangeError } from "../../dtypes/convert.ts";
import { type DType, isFloat, type NumericArray } from "../../dtypes/dtype.ts";
import { ModificationError } from "../../errors.ts";
import { fillNoise, noiseSource } from "../../random/noise.ts";
import { shifted } from "../../reversible/codec.ts";
import { applyCodec } from "../../reversible/park.ts";
import { type AxisFactors, type Delta, needsWhole, type Replacement, type Step } from "../../step.ts";
import type { Parameter } from "../../store.ts";
import { codecOf } from "./codecs.ts";
import { resultOf, type Whole } from "./computed.ts";
import { axisOf, factorsOf } from "./operands.ts";
import { isLocal, type Part, partsOf } from "./parts.ts";
import type { Entry } from "./record.ts";

/** Elements per window: 8 kB of float64 stays in the first-level cache. */
const WINDOW = 1024;

type Window = Float32Array | Float64Array;

/** A step whose result for an element depends on that element only. */
export type PlainStep =
  | Exclude<Step<NumericArray>, { op: "replace" }>
  | { readonly op: "replace"; readonly by: Extract<Replacement<NumericArray>, { kind: "values" }> };

/** Whether a step can be taken a part of the parameter at a time. */
export function isPlain(step: Step<NumericArray>): step is PlainStep {
  return step.op !== "replace" || step.by.kind === "values";
}

/** Elements as numbers: the array itself where it holds numbers, else decoded. */
export function valuesOf(data: NumericArray, dtype: DType): ArrayLike<number> {
  if (!(data instanceof Uint16Array)) return data;
  const values = new Float64Array(data.length);
  decode(data, dtype, 0, data.length, values);
  return values;
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

/** Changes the elements of a window, the first of which is element `first` of the parameter. */
type Change = (window: Window, first: number) => void;

function scaling(dtype: DType, shape: readonly number[], by: number | AxisFactors): Change {
  if (typeof by === "number") {
    const factor = coefficient(by, dtype);
    return (window) => {
      for (let i = 0; i < window.length; i++) window[i] = window[i]! * factor;
    };
  }
  const { inner, length } = axisOf(shape, by.axis);
  return (window, first) => {
    for (let i = 0; i < window.length; i++) {
      window[i] = window[i]! * by.factors[Math.floor((first + i) / inner) % length]!;
    }
  };
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

function addition(dtype: DType, name: string, delta: Delta<NumericArray>): Change {
  const deltas = new Float64Array(WINDOW);
  const fill = deltasOf(dtype, name, delta);
  return (window, first) => {
    fill(first, deltas.subarray(0, window.length));
    for (let i = 0; i < window.length; i++) window[i] = window[i]! + deltas[i]!;
  };
}

/**
 * What a step without kernels and without user code does to windows of at most {@link WINDOW} elements. The arithmetic is
 * in float64, and rounds to what the window holds.
 */
export function changeOf(dtype: DType, { name, shape }: Parameter, step: PlainStep): Change {
  if (step.op === "scale") return scaling(dtype, shape, step.by);
  if (step.op === "add") return addition(dtype, name, step.delta);
  if (step.op === "zero") return (window) => window.fill(0);
  const { of } = step.by;
  return (window, first) => window.set(of.subarray(first, first + window.length));
}

/** Applies a step without kernels and without user code to some elements of a parameter. */
export function applyPlain(part: Part, parameter: Parameter, step: PlainStep): void {
  const { data, dtype, first } = part;
  if (step.op === "zero") data.fill(0);
  else if (step.op === "replace" && step.by.of.constructor === data.constructor) {
    data.set(step.by.of.subarray(first, first + data.length));
  } else eachWindow(part, changeOf(dtype, parameter, step));
}

/**
 * Applies one step to the entry's array in place: by kernels where there are some, so that what is shown does not
 * depend on the technique.
 *
 * @throws ModificationError; the array may then be half modified, and its owner puts it back
 */
export function applyStep(entry: Entry, step: Step<NumericArray>): void {
  const { data, dtype, parameter, shard } = entry;
  const kept = codecOf(entry, step, { own: false, plane: false });
  withinRange(parameter, () => {
    if (kept !== undefined) {
      for (const part of partsOf(entry, isLocal(step)))
        applyCodec(part.data, shifted(kept.codec, part.first));
    } else if (isPlain(step)) {
      for (const part of partsOf(entry, isLocal(step))) applyPlain(part, parameter, step);
    } else {
      // Of a shard all parts are needed, and the result has them all; unless each element is for itself.
      const whole = needsWhole(step) ? shard?.whole(data) : undefined;
      const result = resultOf(whole ?? data, dtype, parameter, step.by as Whole);
      for (const part of partsOf(entry, whole === undefined)) applyPlain(part, parameter, result);
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
