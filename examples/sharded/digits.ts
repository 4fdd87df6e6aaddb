/** The digits of the other examples, as plain arrays: the same order, and the same ones held out. */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { permutation, randomNumbers } from "../digits/random.ts";

/** Images of 64 pixels from 0 to 1, one behind the other, and the digit that each shows. */
export interface Digits {
  readonly images: Float32Array;
  readonly labels: Uint8Array;
}

export const PIXELS = 64;
const BRIGHTEST = 16;
const HELD_OUT = 360;

export function loadDigits(): { readonly training: Digits; readonly heldOut: Digits } {
  const file = new URL("../../data/digits.csv.gz", import.meta.url);
  const lines = gunzipSync(readFileSync(file)).toString("ascii").trimEnd().split("\n");
  const rows = Array.from(permutation(lines.length, randomNumbers(1)), (i) =>
    lines[i]!.split(",").map(Number),
  );
  return { heldOut: toArrays(rows.slice(0, HELD_OUT)), training: toArrays(rows.slice(HELD_OUT)) };
}

function toArrays(rows: readonly (readonly number[])[]): Digits {
  return {
    images: Float32Array.from(rows.flatMap((row) => row.slice(0, PIXELS).map((each) => each / BRIGHTEST))),
    labels: Uint8Array.from(rows, (row) => row[PIXELS]!),
  };
}

/** Positions of the digits of one batch after the other: epoch after epoch, each in an order of its own. */
export function* batches({ labels }: Digits, size: number): Generator<Int32Array, never> {
  const random = randomNumbers(2);
  for (;;) {
    const order = permutation(labels.length, random);
    for (let begin = 0; begin + size <= order.length; begin += size)
      yield order.subarray(begin, begin + size);
  }
}
