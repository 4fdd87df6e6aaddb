/** The four steps on tensors. A result is a new tensor; what it is made from is never written. */
import { add, keep, mul, reshape, Tensor, tensor as tensorOf, tidy, tile, util } from "@tensorflow/tfjs-core";
import { describeValue, ModificationError } from "../../errors.ts";
import { fillNoise, noiseSource } from "../../random/noise.ts";
import type { Delta, Replacement, Step } from "../../step.ts";
import type { Parameter } from "../../store.ts";
import { callCustom } from "../user-code.ts";
import type { Bin } from "./bin.ts";
import { alias } from "./engine.ts";
import { lowRankDelta, scaleAlong } from "./low-rank.ts";

const unchanged = "Every parameter is as it was before the call.";

/** Throws unless `value` is a live tensor of the parameter's shape and dtype. `role` begins the message. */
export function checkTensor(
  value: unknown,
  { name, shape, dtype }: Parameter,
  role: string,
): asserts value is Tensor {
  if (!(value instanceof Tensor) || value.isDisposed) {
    const disposed = value instanceof Tensor;
    const got = disposed ? "one that is disposed" : describeValue(value);
    const remedy = disposed
      ? " Averages are disposed of by their next update: take ema.weights anew each time."
      : "";
    throw new ModificationError(
      "dtype_mismatch",
      name,
      `${role} must be a live tensor, got ${got}. ${unchanged}${remedy}`,
    );
  }
  if (value.shape.join() !== shape.join()) {
    throw new ModificationError(
      "shape_mismatch",
      name,
      `${role} has shape [${value.shape.join(", ")}] instead of [${shape.join(", ")}]. ${unchanged}`,
    );
  }
  if (value.dtype !== dtype) {
    throw new ModificationError(
      "dtype_mismatch",
      name,
      `${role} has dtype ${value.dtype} instead of ${dtype}. ${unchanged} Cast it to ${dtype}.`,
    );
  }
}

/**
 * What user code gets: something that it cannot reach the model through. Values read on cpu are the live
 * storage, and devices cache what they read; wasm gives copies.
 */
function lend(value: Tensor, backend: string): Tensor {
  if (backend === "wasm") return alias(value);
  if (backend === "cpu") return keep(tensorOf(value.dataSync().slice(), value.shape, value.dtype));
  // No arithmetic, not even by one: a device may take subnormal numbers for zeros.
  return tidy(() => keep(reshape(tile(reshape(value, [value.size]), [1]), value.shape)));
}

/** Runs user code on a tensor that is its own, and returns a kept handle on what it returned. */
function compute(
  value: Tensor,
  by: Extract<Replacement<Tensor>, { kind: "computed" }>,
  parameter: Parameter,
  backend: string,
  bin: Bin,
): Tensor {
  const lent = lend(value, backend);
  try {
    // A tidy of its own: what `fn` makes and does not return is nobody's.
    return tidy(() => {
      const result = callCustom(by, lent, parameter, "a tensor");
      checkTensor(result, parameter, `what custom returned for ${JSON.stringify(parameter.name)}`);
      // The result may be a tensor that its owner keeps, or the argument itself: a handle makes it ours.
      return alias(result);
    });
  } finally {
    bin.put(lent);
  }
}

/** The tensor that user code makes of `value`, as a kept handle of the caller's. */
export function computed(
  value: Tensor,
  by: Extract<Replacement<Tensor>, { kind: "computed" }>,
  parameter: Parameter,
  backend: string,
  bin: Bin,
): Tensor {
  const result = compute(value, by, parameter, backend, bin);
  if (by.returns === "value") return result;
  try {
    return keep(add(value, result));
  } finally {
    bin.put(result);
  }
}

/** What an addition adds, kept. `operands` stand for those of the delta. */
function addendOf(parameter: Parameter, delta: Delta<Tensor>, operands: readonly Tensor[]): Tensor {
  if (delta.kind === "values") return keep(mul(operands[0]!, delta.times));
  if (delta.kind === "lowRank") return lowRankDelta(parameter, delta, operands);
  const { shape, name } = parameter;
  const deltas = new Float32Array(util.sizeFromShape([...shape]));
  fillNoise(deltas, noiseSource(delta.seed, name, delta.std, "float32"), 0);
  return keep(tensorOf(deltas, [...shape], "float32"));
}

/** The result of a scale or an addition, as a kept tensor of the caller's. `operands` stand for those of the step. */
export function arithmetic(
  value: Tensor,
  step: Extract<Step<Tensor>, { op: "scale" | "add" }>,
  parameter: Parameter,
  operands: readonly Tensor[],
  bin: Bin,
): Tensor {
  if (step.op === "scale") {
    return typeof step.by === "number" ? keep(mul(value, step.by)) : scaleAlong(value, step.by);
  }
  const addend = addendOf(parameter, step.delta, operands);
  try {
    return keep(add(value, addend));
  } finally {
    bin.put(addend);
  }
}
