/**
 * What steps compute, as functions of jax-js: they take arrays, or what stands for arrays while a function is traced, and
 * consume their arguments. One compiled program per shape serves every factor, because factors are arguments.
 */
import { jit, numpy as np } from "@jax-js/jax";
import { isSynchronous, type JaxArray } from "./arrays.ts";

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

/** Columns of a block: two vectors of wasm, so that a sum is made from its beginning to its end. */
const BLOCK = 8;

/** Up to here waiting for memory outweighs arithmetic, which blocks make slower. */
const BLOCKED_RANK = 16;

/**
 * How a product of low rank is shaped: [rows, columns], or [rows, columns / 8, 8] where blocks are faster, on wasm. Then its
 * right factor is [columns / 8, rank, 8]. The sums are the same, but made in the order in which they lie in memory: of a
 * plain product jax-js makes 128 columns of 128 rows at a time, and waits for memory at every row.
 */
export function productShape(rows: number, columns: number, rank: number, device: string): readonly number[] {
  const isBlocked = isSynchronous(device) && rank <= BLOCKED_RANK && columns > 0 && columns % BLOCK === 0;
  return isBlocked ? [rows, columns / BLOCK, BLOCK] : [rows, columns];
}

/** [rank, columns] in blocks. */
function blocks(right: JaxArray): JaxArray {
  const [rank, columns] = right.shape as [number, number];
  return right.reshape([rank, columns / BLOCK, BLOCK]).transpose([1, 0, 2]);
}

/** [columns, rank] in blocks. */
function blocksOfRows(right: JaxArray): JaxArray {
  const [columns, rank] = right.shape as [number, number];
  return right.reshape([columns / BLOCK, BLOCK, rank]).transpose([0, 2, 1]);
}

/** left · right, [rows, rank] and [rank, columns] or its blocks. */
function product(left: JaxArray, right: JaxArray): JaxArray {
  if (right.ndim === 2) return np.matmul(left, right);
  const [rows, rank] = left.shape as [number, number];
  const vectors = right.transpose([0, 2, 1]);
  // What `matmul` makes of three dimensions it reshapes, and jax-js makes the sum in another kernel then.
  return np.vecdot(left.reshape([rows, 1, 1, rank]), vectors.reshape([1, ...vectors.shape]));
}

/** w + scaling · b · a, with w as [outputs, inputs], or `w` and `a` in blocks. */
function addOutIn(w: JaxArray, a: JaxArray, b: JaxArray, scaling: Scalar): JaxArray {
  return w.add(product(b, a).mul(scaling));
}

/** w + scaling · aᵀ · b, with w as [inputs, outputs] and b transposed already, or `w` and `b` in blocks. */
function addInOut(w: JaxArray, a: JaxArray, b: JaxArray, scaling: Scalar): JaxArray {
  return w.add(product(a.transpose(), b).mul(scaling));
}

/** As they are, for functions that are being traced. */
export const traced = { scale, scaleAxis, add, addTimes, blocks, blocksOfRows, addOutIn, addInOut };

export type Arithmetic = typeof traced;

/** One kernel each, without temporaries. They run where their arrays are. */
export const compiled: Arithmetic = {
  scale: jit(scale),
  scaleAxis: jit(scaleAxis, { staticArgnums: [2] }),
  add: jit(add),
  addTimes: jit(addTimes),
  blocks: jit(blocks),
  blocksOfRows: jit(blocksOfRows),
  addOutIn: jit(addOutIn),
  addInOut: jit(addInOut),
};
