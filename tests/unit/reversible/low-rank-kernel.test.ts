/** Low-rank products in both sets of kernels: each element by its definition, wherever the window begins. */
import { describe, expect, it } from "vitest";
import { BLOCK, FACTORS, OPERANDS } from "../../../src/reversible/layout.ts";
import { referenceKernels } from "../../../src/reversible/reference.ts";
import { wasmKernels } from "../../../src/reversible/wasm.ts";
import { anyFloats, bits, numbers, smallFloats } from "../../support/bits.ts";

/** One element: products from the first on, everything rounded to float32. */
function element(left: Float32Array, right: Float32Array, row: number, column: number, rank: number): number {
  const columns = right.length / rank;
  const products = Array.from({ length: rank }, (_, k) =>
    Math.fround(left[row * rank + k]! * right[k * columns + column]!),
  );
  return products.reduce((sum, product) => Math.fround(sum + product));
}

describe.each([wasmKernels(), referenceKernels()])("low-rank products of the $name kernels", (kernels) => {
  /** Elements `first` to `first + count − 1`, and the padding up to the end of the block. */
  function product(
    left: Float32Array,
    right: Float32Array,
    rank: number,
    first: number,
    count: number,
  ): Float32Array {
    kernels.reserveFactors(left.byteLength + right.byteLength);
    new Float32Array(kernels.buffer, FACTORS).set(left);
    new Float32Array(kernels.buffer, FACTORS + left.byteLength).set(right);
    const operands = new Float32Array(kernels.buffer, OPERANDS, Math.ceil(count / BLOCK) * BLOCK);
    operands.fill(NaN);
    kernels.lowRank(count, first, left.length / rank, right.length / rank, rank);
    return operands.slice();
  }

  function expected(left: Float32Array, right: Float32Array, rank: number, first: number, count: number) {
    const columns = right.length / rank;
    const out = new Float32Array(Math.ceil(count / BLOCK) * BLOCK);
    for (let i = 0; i < count; i++) {
      const at = first + i;
      out[i] = element(left, right, Math.floor(at / columns), at % columns, rank);
    }
    return out;
  }

  it.each([1, 2, 3, 5, 16, 19, 37, 64, 333, 1024, 1500])(
    "agree with the definition for %d columns",
    (columns) => {
      for (const rank of [1, 2, 8]) {
        const rows = Math.ceil(6000 / columns);
        const left = smallFloats(rows * rank, columns);
        const right = smallFloats(rank * columns, columns + 1);
        for (const [first, count] of [
          [0, 1],
          [0, 3000],
          [1024, 1024],
          [2048, 3001],
        ] as const) {
          const found = product(left, right, rank, first, count);
          expect(bits(found)).toBe(bits(expected(left, right, rank, first, count)));
        }
      }
    },
  );

  it("round each product and each sum, in order, for floats of every kind", () => {
    const [rank, columns] = [5, 100];
    const left = anyFloats(60 * rank, 3);
    const right = anyFloats(rank * columns, 4);
    const found = product(left, right, rank, 1024, 4000);
    expect(numbers(found)).toBe(numbers(expected(left, right, rank, 1024, 4000)));
  });

  it("find rows behind element 2^32", () => {
    const [rows, columns] = [65540, 65536];
    const left = smallFloats(rows, 8);
    const right = smallFloats(columns, 9);
    for (const first of [2 ** 32 - 1024, 2 ** 32 + 65536]) {
      expect(bits(product(left, right, 1, first, 2048))).toBe(bits(expected(left, right, 1, first, 2048)));
    }
  });

  it("do not read behind the factors, where the memory ends", () => {
    const [rank, columns] = [2, 7];
    const available = (kernels.buffer.byteLength - FACTORS) / 4;
    const rows = Math.floor((available - rank * columns) / rank);
    const left = smallFloats(rows * rank, 1);
    const right = smallFloats(rank * columns, 2);
    const first = Math.floor((rows * columns - 100) / BLOCK) * BLOCK;
    const count = rows * columns - first;
    expect(bits(product(left, right, rank, first, count))).toBe(
      bits(expected(left, right, rank, first, count)),
    );
  });
});
