/** The four steps on arrays of jax-js: each makes a new array, and leaves what it is made from as it was. */
import { describeValue, ModificationError, UnsupportedError } from "../../errors.ts";
import { noiseSource } from "../../random/noise.ts";
import type { Delta, Replacement, Step } from "../../step.ts";
import type { Parameter } from "../../store.ts";
import { callCustom } from "../user-code.ts";
import { type Arithmetic, productShape, type Scalar } from "./arithmetic.ts";
import { alias, free, isArray, isFreed, type JaxArray, upload } from "./arrays.ts";
import { noiseValues } from "./noise.ts";

const unchanged = "Every parameter is as it was before the call.";

/** Throws unless `value` is a live array of this shape and dtype. `role` begins the message. */
export function checkArray(
  value: unknown,
  { name, dtype }: Parameter,
  shape: readonly number[],
  role: string,
): asserts value is JaxArray {
  if (!isArray(value) || isFreed(value)) {
    throw new ModificationError(
      "dtype_mismatch",
      name,
      `${role} must be a live jax.Array, got ${isArray(value) ? "one that is freed" : describeValue(value)}. ${unchanged}`,
    );
  }
  if (value.shape.join() !== shape.join()) {
    throw new ModificationError(
      "shape_mismatch",
      name,
      `${role} has shape [${value.shape.join(", ")}] instead of [${shape.join(", ")}]. ${unchanged}`,
    );
  }
  const given: string = value.dtype;
  if (given !== dtype) {
    throw new ModificationError(
      "dtype_mismatch",
      name,
      `${role} has dtype ${given} instead of ${dtype}. ${unchanged} Cast it with astype.`,
    );
  }
}

export type Computed = Extract<Replacement<JaxArray>, { kind: "computed" }>;

/**
 * Runs user code on an array of its own. What it returns is given to us; to what it goes on to hold it has references of
 * its own, which are not ours to give up: so the result is an alias. Consumes `value`.
 */
export function compute(value: JaxArray, by: Computed, parameter: Parameter): JaxArray {
  const { shape } = parameter;
  const name = JSON.stringify(parameter.name);
  const lent = alias(value);
  const { device } = value;
  value.dispose();
  let result: unknown;
  try {
    result = callCustom(by, lent, parameter, "an array");
    checkArray(result, parameter, shape, `what custom returned for ${name}`);
    if (result.device !== device) {
      const message = `what custom returned for ${name} is on ${result.device}, and the parameter on ${device}. ${unchanged}`;
      throw new ModificationError("dtype_mismatch", parameter.name, message);
    }
    return alias(result);
  } finally {
    if (isArray(result) && result !== lent && !isFreed(result)) result.dispose();
    free(lent);
  }
}

/** The noise of a parameter, on the device of `like`. */
function noiseOf(
  { seed, std }: Extract<Delta<JaxArray>, { kind: "noise" }>,
  { name, shape, bytes }: Parameter,
  like: JaxArray,
): JaxArray {
  return upload(noiseValues(noiseSource(seed, name, std, "float32"), bytes / 4), shape, like);
}

/** `array` as a matrix with so many rows; a reference of the caller's. */
function asMatrix(array: JaxArray, rows: number): JaxArray {
  return array.ref.reshape([rows, array.size / rows]);
}

/** What steps are carried out with: compiled for arrays, or as it is while a function is traced. All consume. */
export interface Means {
  readonly arithmetic: Arithmetic;
  /** Zeros of the shape of `like`. */
  zeros(like: JaxArray): JaxArray;
  compute(value: JaxArray, by: Computed, parameter: Parameter): JaxArray;
}

/** A step, apart from the arrays and numbers that go into it. */
export interface Operation {
  /** Two operations on one parameter with the same key differ in their inputs only, or in the function of a `custom`. */
  readonly key: string;
  /** The caller's own: nobody else has references to these arrays. */
  readonly inputs: readonly Scalar[];
  /** Consumes `value` and the inputs, or what stands for them while a function is traced. */
  apply(value: JaxArray, inputs: readonly Scalar[]): JaxArray;
}

/** What `use` makes of an array that it consumes, also when it throws: a program that fails frees nothing. */
function consumed(array: JaxArray, use: (array: JaxArray) => JaxArray): JaxArray {
  try {
    return use(array);
  } catch (error) {
    free(array);
    throw error;
  }
}

function lowRank(
  { a, b, loraRank, scaling, layout }: Extract<Delta<JaxArray>, { kind: "lowRank" }>,
  { shape }: Parameter,
  { arithmetic }: Means,
): Operation {
  const [inputs, outputs] = [a.size / loraRank, b.size / loraRank];
  const isOutIn = layout === "outIn";
  const [rows, columns] = isOutIn ? [outputs, inputs] : [inputs, outputs];
  const sum = productShape(rows, columns, loraRank, a.device);
  const isBlocked = sum.length > 2;
  const add = isOutIn ? arithmetic.addOutIn : arithmetic.addInOut;
  // The right one first: if there is no memory for it, nothing else is left behind.
  const arranged = isOutIn
    ? consumed(asMatrix(a, loraRank), (matrix) => (isBlocked ? arithmetic.blocks(matrix) : matrix))
    : // As an input it is transposed in memory: a kernel that reads across its rows takes seven times as long on wasm.
      consumed(asMatrix(b, outputs), (matrix) =>
        isBlocked ? arithmetic.blocksOfRows(matrix) : matrix.transpose(),
      );
  const factors = isOutIn ? [arranged, asMatrix(b, outputs)] : [asMatrix(a, loraRank), arranged];
  return {
    key: layout,
    inputs: [...factors, scaling],
    apply: (value, [a, b, by]) =>
      consumed(value.reshape([...sum]), (w) => add(w, a as JaxArray, b as JaxArray, by!)).reshape([...shape]),
  };
}

function addition(delta: Delta<JaxArray>, parameter: Parameter, like: JaxArray, means: Means): Operation {
  const { arithmetic } = means;
  if (delta.kind === "noise") {
    return {
      key: "add",
      inputs: [noiseOf(delta, parameter, like)],
      apply: (value, [noise]) => arithmetic.add(value, noise as JaxArray),
    };
  }
  if (delta.kind === "values") {
    return {
      key: "addTimes",
      inputs: [alias(delta.of), delta.times],
      apply: (value, [of, times]) => arithmetic.addTimes(value, of as JaxArray, times!),
    };
  }
  return lowRank(delta, parameter, means);
}

function replacement(by: Replacement<JaxArray>, parameter: Parameter, means: Means): Operation {
  if (by.kind === "values") {
    const apply: Operation["apply"] = (value, [of]) => {
      value.dispose();
      return of as JaxArray;
    };
    return { key: "replace", inputs: [alias(by.of)], apply };
  }
  if (by.kind === "derived") {
    throw new UnsupportedError(
      "technique",
      `prune and quantize read the values of ${JSON.stringify(parameter.name)}, and there are none while a function is ` +
        "traced. Nothing was changed. Use a theater.",
    );
  }
  const apply: Operation["apply"] = (value) => {
    if (by.returns === "value") return means.compute(value, by, parameter);
    const computed = means.compute(value.ref, by, parameter);
    try {
      return means.arithmetic.add(value, computed);
    } catch (error) {
      free(computed);
      throw error;
    }
  };
  return { key: by.returns, inputs: [], apply };
}

/**
 * What a step does to one parameter.
 *
 * @param like - the parameter: inputs are made on its device
 */
export function operationOf(
  step: Step<JaxArray>,
  parameter: Parameter,
  like: JaxArray,
  means: Means,
): Operation {
  const { arithmetic } = means;
  if (step.op === "zero") return { key: "zero", inputs: [], apply: (value) => means.zeros(value) };
  if (step.op === "add") return addition(step.delta, parameter, like, means);
  if (step.op === "replace") return replacement(step.by, parameter, means);
  if (typeof step.by === "number") {
    return {
      key: "scale",
      inputs: [step.by],
      apply: (value, [factor]) => arithmetic.scale(value, factor!),
    };
  }
  const { axis, factors } = step.by;
  return {
    key: `scale${axis}`,
    inputs: [upload(Float32Array.from(factors), [factors.length], like)],
    apply: (value, [each]) => arithmetic.scaleAxis(value, each as JaxArray, axis),
  };
}
