/**
 * Low-rank deltas and factors along an axis, on tensors.
 *
 * On wasm the right operand of a matrix product is packed and the packed copy is known by its data alone: a factor of
 * the user's, which may have another shape elsewhere, must not be one. So it is always the scaled one, which is ours.
 */
import {
  keep,
  matMul,
  mul,
  reshape,
  Tensor,
  tensor as tensorOf,
  tidy,
  transpose,
  util,
} from "@tensorflow/tfjs-core";
import { describeValue, ModificationError } from "../../errors.ts";
import { matrixOf } from "../../matrix.ts";
import type { AxisFactors, LowRank } from "../../step.ts";
import type { Parameter } from "../../store.ts";
import { untaped } from "./engine.ts";

const product = (shape: readonly number[]): number => shape.reduce((all, length) => all * length, 1);

/** Equal for shapes in which the elements lie in the same order. */
const orderOf = (shape: readonly number[]): string => shape.filter((length) => length !== 1).join();

/**
 * Throws unless `value` is a live float32 tensor of `shape`, or of one in which its elements lie in the same order:
 * [loraRank, height, width, channels], flattened, or with dimensions of one element.
 */
export function checkFactor(
  value: unknown,
  shape: readonly number[],
  { name }: Parameter,
  role: string,
): asserts value is Tensor {
  const what = `${role} ${JSON.stringify(name)}`;
  if (!(value instanceof Tensor) || value.isDisposed || value.dtype !== "float32") {
    const found = !(value instanceof Tensor)
      ? describeValue(value)
      : value.isDisposed
        ? "one that is disposed"
        : `one of ${value.dtype}`;
    const message = `${what} must be a live float32 tensor, got ${found}. The model is unchanged.`;
    throw new ModificationError("dtype_mismatch", name, message);
  }
  const [first, ...rest] = shape;
  const flat = rest.length > 1 ? [first!, product(rest)] : shape;
  const given = orderOf(value.shape);
  if (given === orderOf(shape) || given === orderOf(flat)) return;
  throw new ModificationError(
    "shape_mismatch",
    name,
    `${what} has shape [${value.shape.join(", ")}] instead of [${shape.join(", ")}]` +
      `${flat === shape ? "" : ` or [${flat.join(", ")}]`}, in the order of the parameter's own dimensions. ` +
      "The model is unchanged. Check layout and loraRank, or transpose it.",
  );
}

/** The factors of a delta as matrices of the layout's own: `a` [loraRank, inputs], `b` [outputs, loraRank]. */
export function matricesOf(
  { shape }: Parameter,
  { loraRank, layout }: LowRank<Tensor>,
  [a, b]: readonly Tensor[],
): { readonly a: Tensor; readonly b: Tensor } {
  const { outputs, inputs } = matrixOf(shape, layout);
  return { a: reshape(a!, [loraRank, inputs]), b: reshape(b!, [outputs, loraRank]) };
}

/** `scaling · b · a` in the shape of the parameter, kept; off the tape, so that nothing of it stays. */
export function lowRankDelta(
  parameter: Parameter,
  delta: LowRank<Tensor>,
  factors: readonly Tensor[],
): Tensor {
  return untaped(() =>
    tidy(() => {
      const { a, b } = matricesOf(parameter, delta, factors);
      const isOutIn = delta.layout === "outIn";
      const right = tidy(() => mul(isOutIn ? a : transpose(b), delta.scaling));
      const left = isOutIn ? b : transpose(a);
      return keep(reshape(matMul(left, right), [...parameter.shape]));
    }),
  );
}

/** Bytes beyond the delta itself at the worst moment of computing it. */
export function lowRankTemporaries(
  { shape, bytes }: Parameter,
  { loraRank, layout }: LowRank<Tensor>,
): number {
  const { outputs, inputs } = matrixOf(shape, layout);
  const [ofA, ofB] = [4 * loraRank * inputs, 4 * loraRank * outputs];
  // Transposed factors are copies, and that of the scaled one is gone when the product is made.
  return layout === "outIn" ? ofA : Math.max(ofA + ofB, 2 * ofB - bytes);
}

/** `value` with each index along the axis scaled by its factor, kept. */
export function scaleAlong(value: Tensor, { axis, factors }: AxisFactors): Tensor {
  return tidy(() => {
    const shape = value.shape.map((length, i) => (i === axis ? length : 1));
    return keep(mul(value, tensorOf(factors, shape, "float32")));
  });
}

/** Size of a tensor's data. */
export function bytesOf({ size, dtype }: Tensor): number {
  return size * util.bytesPerElement(dtype);
}
