/**
 * Elements of left · right, row-major. Every element is its products in order, the first one first, each product and each
 * sum rounded to float32: lanes are elements, never parts of a sum, so that the order is the same in a loop without SIMD.
 */
import { BLOCK, FACTORS, OPERANDS } from "../layout";

/** 16 elements of one row: `left` is its row of factors, `right` the first factor of its first column. */
// @ts-ignore: decorator
@inline
function put16(to: usize, left: usize, right: usize, rank: u32, stride: usize): void {
  let l = v128.load32_splat(left);
  let a = f32x4.mul(l, v128.load(right));
  let b = f32x4.mul(l, v128.load(right, 16));
  let c = f32x4.mul(l, v128.load(right, 32));
  let d = f32x4.mul(l, v128.load(right, 48));
  for (let k: u32 = 1; k < rank; k++) {
    left += 4;
    right += stride;
    l = v128.load32_splat(left);
    a = f32x4.add(a, f32x4.mul(l, v128.load(right)));
    b = f32x4.add(b, f32x4.mul(l, v128.load(right, 16)));
    c = f32x4.add(c, f32x4.mul(l, v128.load(right, 32)));
    d = f32x4.add(d, f32x4.mul(l, v128.load(right, 48)));
  }
  v128.store(to, a);
  v128.store(to, b, 16);
  v128.store(to, c, 32);
  v128.store(to, d, 48);
}

/** As {@link put16}, 4 elements. */
// @ts-ignore: decorator
@inline
function put4(to: usize, left: usize, right: usize, rank: u32, stride: usize): void {
  let sum = f32x4.mul(v128.load32_splat(left), v128.load(right));
  for (let k: u32 = 1; k < rank; k++) {
    left += 4;
    right += stride;
    sum = f32x4.add(sum, f32x4.mul(v128.load32_splat(left), v128.load(right)));
  }
  v128.store(to, sum);
}

/** As {@link put16}, one element. */
// @ts-ignore: decorator
@inline
function put1(to: usize, left: usize, right: usize, rank: u32, stride: usize): void {
  let sum = load<f32>(left) * load<f32>(right);
  for (let k: u32 = 1; k < rank; k++) {
    left += 4;
    right += stride;
    sum += load<f32>(left) * load<f32>(right);
  }
  store<f32>(to, sum);
}

/** Elements of one row from `to` to `end`; no loads beyond the row, which may be where the memory ends. */
function putRow(to: usize, end: usize, left: usize, right: usize, rank: u32, stride: usize): void {
  for (; to + 64 <= end; to += 64, right += 64) put16(to, left, right, rank, stride);
  for (; to + 16 <= end; to += 16, right += 16) put4(to, left, right, rank, stride);
  for (; to < end; to += 4, right += 4) put1(to, left, right, rank, stride);
}

/** @param first - not a u32: it may be 2^32 and more */
export function lowRank(count: u32, first: f64, rows: u32, columns: u32, rank: u32): void {
  const end: usize = OPERANDS + (count << 2);
  const stride: usize = columns << 2;
  const right: usize = FACTORS + ((rows * rank) << 2);
  const row = <u32>(<u64>first / columns);
  let column = <u32>(<u64>first % columns);
  let left: usize = FACTORS + ((row * rank) << 2);
  for (let to: usize = OPERANDS; to < end; left += rank << 2) {
    const rowEnd = min<usize>(end, to + ((columns - column) << 2));
    putRow(to, rowEnd, left, right + (column << 2), rank, stride);
    to = rowEnd;
    column = 0;
  }
  memory.fill(end, 0, (-count & (BLOCK - 1)) << 2);
}
