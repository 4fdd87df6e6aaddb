/** Elements of left · right in plain TypeScript. */
/* oxlint-disable typescript/no-non-null-assertion -- indices are in range by construction; a check would cost the loop */
import { BLOCK, FACTORS, OPERANDS } from "../layout.ts";

export function lowRank(
  buffer: ArrayBuffer,
  count: number,
  first: number,
  rows: number,
  columns: number,
  rank: number,
): void {
  const operands = new Float32Array(buffer, OPERANDS, Math.ceil(count / BLOCK) * BLOCK);
  const left = new Float32Array(buffer, FACTORS, rows * rank);
  const right = new Float32Array(buffer, FACTORS + left.byteLength, rank * columns);
  let row = Math.floor(first / columns);
  let column = first % columns;
  for (let i = 0; i < count; i++) {
    // float64 holds a product of float32 exactly: it is rounded once
    let sum = Math.fround(left[row * rank]! * right[column]!);
    for (let k = 1; k < rank; k++) {
      sum = Math.fround(sum + Math.fround(left[row * rank + k]! * right[k * columns + column]!));
    }
    operands[i] = sum;
    if (++column === columns) {
      column = 0;
      row++;
    }
  }
  operands.fill(0, count);
}
