/**
 * What steps compute, as functions of jax-js: they take arrays, or what stands for arrays while a function is traced, and
 * consume their arguments. One compiled program per shape serves every factor, because factors are arguments.
 */
import { jit, numpy as np } from "@jax-js/jax";
import type { JaxArray } from "./arrays.ts";

/** A number, or what stands for one while a function is traced. */
export type Scalar = JaxArray | number;

function scale(w: JaxArray, factor: Scalar): JaxArray {
  return w.mul(factor);
}

/** A factor for each index along `axis`. */
function scaleAxis(w: JaxArray, factors: JaxArray, axis: number): JaxArray {
  const shape = w.shape.map((length, i) => (i === axis ? length : 1));
  return w.mul(factors.reshape(shape));
}

function add(w: JaxArray, values: JaxArray): JaxArray {
  return w.add(values);
}

function addTimes(w: JaxArray, values: JaxArray, times: Scalar): JaxArray {
  return w.add(values.mul(times));
}

/** w + scaling · b · a, with w as [outputs, …inputs]. */
function addOutIn(w: JaxArray, a: JaxArray, b: JaxArray, scaling: Scalar): JaxArray {
  const { shape } = w;
  return w.add(np.matmul(b, a).mul(scaling).reshape(shape));
}

/** w + scaling · aᵀ · b, with w as […inputs, outputs] and b transposed already. */
function addInOut(w: JaxArray, a: JaxArray, b: JaxArray, scaling: Scalar): JaxArray {
  const { shape } = w;
  return w.add(np.matmul(a.transpose(), b).mul(scaling).reshape(shape));
}

/** As they are, for functions that are being traced. */
export const traced = { scale, scaleAxis, add, addTimes, addOutIn, addInOut };

export type Arithmetic = typeof traced;

/** One kernel each, without temporaries. They run where their arrays are. */
export const compiled: Arithmetic = {
  scale: jit(scale),
  scaleAxis: jit(scaleAxis, { staticArgnums: [2] }),
  add: jit(add),
  addTimes: jit(addTimes),
  addOutIn: jit(addOutIn),
  addInOut: jit(addInOut),
};
