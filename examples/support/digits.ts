/** Handwritten digits, without an engine. */
import { permutation, randomNumbers } from "./random.ts";

/** Images of 64 pixels from 0 to 1, one behind the other, and the digit that each shows. */
export interface Digits {
  readonly images: Float32Array;
  readonly labels: Uint8Array;
}

/** Pixels of an image. */
export const pixels = 64;
/** Digits that there are. */
export const classes = 10;

const brightest = 16;
/** Every run splits alike. */
const seed = 1;

/** The digits as numbers, in an order that is the same each time: 64 pixels from 0 to 16 and a label each. */
export function parseDigits(csv: string): readonly (readonly number[])[] {
  const rows = csv
    .trimEnd()
    .split("\n")
    .map((line) => line.split(",").map(Number));
  return Array.from(permutation(rows.length, randomNumbers(seed)), (i) => rows[i]!);
}

/** Puts digits into typed arrays. */
export function toArrays(rows: readonly (readonly number[])[]): Digits {
  return {
    images: Float32Array.from(rows.flatMap((row) => row.slice(0, pixels).map((each) => each / brightest))),
    labels: Uint8Array.from(rows, (row) => row[pixels]!),
  };
}
