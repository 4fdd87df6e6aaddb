/** Whether what a step brings along fits a parameter. */
import { carrierOf, type DType, type NumericArray } from "../../dtypes/dtype.ts";
import { describeValue, ModificationError } from "../../errors.ts";
import { operandOf, type Step } from "../../step.ts";
import type { Parameter } from "../../store.ts";
import { isHalf, numbersOf } from "./operands.ts";

/** A parameter, and the dtype that operands for it have: that of its own values, as far as they are numbers. */
interface For {
  readonly parameter: Parameter;
  readonly dtype: DType;
  /** Of values for each element, where that is not the parameter's: of a shard. */
  readonly valueShape?: readonly number[] | undefined;
}

function checkArray(
  value: NumericArray,
  shape: readonly number[],
  { parameter, dtype }: For,
  role: string,
): void {
  const size = shape.reduce((product, length) => product * length, 1);
  const name = JSON.stringify(parameter.name);
  const tag = ArrayBuffer.isView(value) ? value[Symbol.toStringTag] : undefined;
  if (tag !== carrierOf(dtype) && !(isHalf(dtype) && tag === "Float32Array")) {
    throw new ModificationError(
      "dtype_mismatch",
      parameter.name,
      `${role} ${name}, of dtype ${parameter.dtype}, must be a ${carrierOf(dtype)}` +
        `${isHalf(dtype) ? " or a Float32Array" : ""}, got ${describeValue(value)}. The model is unchanged.`,
    );
  }
  if (value.length !== size) {
    throw new ModificationError(
      "shape_mismatch",
      parameter.name,
      `${role} ${name}, of shape [${parameter.shape.join(", ")}], must have ${size} elements ([${shape.join(", ")}]), got ` +
        `${value.length}. The model is unchanged.`,
    );
  }
}

/** @throws ModificationError unless `value` is an array of this shape for the parameter, of finite numbers */
export function checkOperand(value: NumericArray, shape: readonly number[], of: For, role: string): void {
  checkArray(value, shape, of, role);
  const at = numbersOf(value, of.dtype).findIndex((x) => !Number.isFinite(x));
  if (at < 0) return;
  const { name } = of.parameter;
  throw new ModificationError(
    "non_finite",
    name,
    `${role} ${JSON.stringify(name)} is not finite at element ${at}. The model is unchanged.`,
  );
}

/** @throws ModificationError unless the value that `step` is given fits the parameter */
export function checkStep(step: Step<NumericArray>, of: For, role: string): void {
  const value = operandOf(step);
  if (value !== undefined)
    checkArray(value, of.valueShape ?? of.parameter.shape, of, `${role}: the value for`);
}
