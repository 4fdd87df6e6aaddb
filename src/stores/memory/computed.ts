/** What is made of a whole parameter: by user code, what it is given and what it may return; and by our own. */
import { decode } from "../../dtypes/convert.ts";
import { carrierOf, type DType, type NumericArray } from "../../dtypes/dtype.ts";
import { describeValue, ModificationError } from "../../errors.ts";
import type { Replacement, Step } from "../../step.ts";
import type { Parameter } from "../../store.ts";
import { callCustom } from "../user-code.ts";

/** Elements that are decoded at once. */
const WINDOW = 1024;

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

type Computed = Extract<Replacement<NumericArray>, { kind: "computed" }>;

/** A replacement that needs all values below it. */
export type Whole = Exclude<Replacement<NumericArray>, { kind: "values" }>;

/**
 * The result of user code on a copy of a parameter.
 *
 * @throws ModificationError for what it throws, and for what cannot be a parameter
 */
function compute(data: NumericArray, dtype: DType, parameter: Parameter, by: Computed): NumericArray {
  const { name, shape } = parameter;
  // Of quantized parameters it is given the values.
  const result = callCustom(by, copyForUser(data, dtype), { ...parameter, dtype }, `a ${userArray(dtype)}`);
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

/** A step that adds, or puts in, what a replacement makes of all values. They stay as they are. */
export function resultOf(
  data: NumericArray,
  dtype: DType,
  parameter: Parameter,
  by: Whole,
): Extract<Step<NumericArray>, { op: "add" }> | { op: "replace"; by: { kind: "values"; of: NumericArray } } {
  if (by.kind === "derived") {
    const of = copyForUser(data, dtype) as Float32Array | Float64Array;
    by.derive(of);
    return { op: "replace", by: { kind: "values", of } };
  }
  const of = compute(data, dtype, parameter, by);
  if (by.returns === "value") return { op: "replace", by: { kind: "values", of } };
  return { op: "add", delta: { kind: "values", times: 1, of } };
}
