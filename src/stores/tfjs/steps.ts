/** The four steps on tensors. A result is a new tensor; what it is made from is never written. */
import { add, keep, mul, scalar, Tensor, tensor as tensorOf, tidy } from "@tensorflow/tfjs-core";
import { isThenable } from "../../drive.ts";
import { describeValue, messageOf, ModificationError } from "../../errors.ts";
import { fillNoise, noiseSource } from "../../random/noise.ts";
import type { Parameter, Replacement, Step } from "../../store.ts";
import { alias } from "./engine.ts";

const unchanged = "Every parameter is as it was before the call.";

/** Throws unless `value` is a live tensor of the parameter's shape and dtype. `role` begins the message. */
export function checkTensor(
  value: unknown,
  { name, shape, dtype }: Parameter,
  role: string,
): asserts value is Tensor {
  if (!(value instanceof Tensor) || value.isDisposed) {
    const got = value instanceof Tensor ? "a tensor that is disposed" : describeValue(value);
    throw new ModificationError("dtype_mismatch", name, `${role} must be a tensor, got ${got}. ${unchanged}`);
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

function addNoise(value: Tensor, name: string, seed: number, std: number): Tensor {
  const deltas = new Float32Array(value.size);
  fillNoise(deltas, noiseSource(seed, name, std, "float32"), 0);
  return add(value, tensorOf(deltas, value.shape, "float32"));
}

/**
 * What user code gets: something that it cannot reach the model through. Values read on cpu are the live
 * storage, and devices cache what they read; wasm gives copies.
 */
function lend(value: Tensor, backend: string): Tensor {
  if (backend === "wasm") return alias(value);
  if (backend === "cpu") return keep(tensorOf(value.dataSync().slice(), value.shape, value.dtype));
  return value.dtype === "float32" ? keep(mul(value, 1)) : alias(value);
}

/** The tensor a replacement puts in, as a handle of its own that the caller disposes of. */
export function replacementOf(
  value: Tensor,
  by: Replacement<Tensor>,
  parameter: Parameter,
  backend: string,
): Tensor {
  if (by.kind === "values") return alias(by.of);
  const { name, shape, dtype, index } = parameter;
  const role = `custom, for ${JSON.stringify(name)},`;
  const lent = lend(value, backend);
  try {
    return keep(
      tidy(() => {
        let result: unknown;
        try {
          result = by.compute(lent, { name, shape, dtype, index });
        } catch (cause) {
          const message = `${role} threw: ${messageOf(cause)}. ${unchanged}`;
          throw new ModificationError("modification_threw", name, message, { cause });
        }
        if (isThenable(result)) {
          void Promise.resolve(result).catch(() => {});
          const message = `${role} returned a promise; it must return a tensor. ${unchanged}`;
          throw new ModificationError("dtype_mismatch", name, message);
        }
        checkTensor(result, parameter, `${role} returned what`);
        // The result may be a tensor that its owner keeps, or the argument itself: a handle makes it ours.
        return by.returns === "value" ? alias(result) : add(value, result);
      }),
    );
  } finally {
    lent.dispose();
  }
}

/** The result of an arithmetic step, as a kept tensor that the caller disposes of. `of` stands for the operand. */
export function arithmetic(
  value: Tensor,
  step: Step<Tensor>,
  parameter: Parameter,
  of: Tensor | undefined,
): Tensor {
  return keep(
    tidy(() => {
      if (step.op === "scale") return mul(value, scalar(step.by, "float32"));
      if (step.op === "add" && step.delta.kind === "noise") {
        return addNoise(value, parameter.name, step.delta.seed, step.delta.std);
      }
      if (step.op === "add" && step.delta.kind === "values") {
        return add(value, mul(of!, scalar(step.delta.times, "float32")));
      }
      throw new Error(`not an arithmetic step: ${step.op}`);
    }),
  );
}
