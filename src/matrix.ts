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

/** What a message writes for a layout: the option, and whose parameters are so. */
export const inWords: Readonly<Record<Layout, string>> = {
  outIn: 'layout: "outIn" for [outputs, ...inputs] (PyTorch)',
  inOut: 'layout: "inOut" for [...inputs, outputs] (TensorFlow.js, embeddings)',
};

/** Whether a parameter of this shape has as many outputs in one layout as in the other. */
export function isAmbiguous(shape: readonly number[]): boolean {
  return shape[0] === shape.at(-1);
}

/** What a parameter of this shape is as a matrix. */
export function matrixOf(shape: readonly number[], layout: Layout): Matrix {
  const axis = layout === "outIn" ? 0 : shape.length - 1;
  const inputShape = shape.filter((_, i) => i !== axis);
  const inputs = inputShape.reduce((product, length) => product * length, 1);
  return { outputs: shape[axis]!, inputs, inputShape, axis };
}
