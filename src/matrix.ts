/** A parameter of any number of dimensions as a matrix of outputs and inputs. */
import type { Layout } from "./step.ts";

/** A parameter as the matrix that a low-rank delta is added to. */
export interface Matrix {
  readonly outputs: number;
  /** For each output. */
  readonly inputs: number;
  /** The dimensions that make up the inputs. */
  readonly inputShape: readonly number[];
  /** Along which outputs lie. */
  readonly axis: number;
}

/** What a parameter of this shape is as a matrix. */
export function matrixOf(shape: readonly number[], layout: Layout): Matrix {
  const axis = layout === "outIn" ? 0 : shape.length - 1;
  const inputShape = shape.filter((_, i) => i !== axis);
  const inputs = inputShape.reduce((product, length) => product * length, 1);
  return { outputs: shape[axis]!, inputs, inputShape, axis };
}
