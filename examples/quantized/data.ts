/** Handwritten digits in typed arrays: some to train on, some held out, and the same ones shifted. */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { parseDigits } from "../digits/digits.ts";
import { permutation, randomNumbers } from "../digits/random.ts";

const side = 8;
/** Pixels of an image. */
export const pixels = side * side;
/** Digits that there are. */
export const classes = 10;

const brightest = 16;
const heldOutCount = 360;

/** Images, 64 pixels from 0 to 1 each, and which digits they show. */
export interface Digits {
  readonly images: Float32Array;
  readonly labels: Uint8Array;
}

/** Reads all 1,797 digits, and splits them into 1,437 to train on and 360 held out. */
export function loadDigits(): { readonly training: Digits; readonly heldOut: Digits } {
  const file = new URL("../../data/digits.csv.gz", import.meta.url);
  const rows = parseDigits(gunzipSync(readFileSync(file)).toString("ascii"));
  const digitsOf = (rows: readonly (readonly number[])[]): Digits => ({
    images: Float32Array.from(rows.flatMap((row) => row.slice(0, pixels).map((each) => each / brightest))),
    labels: Uint8Array.from(rows, (row) => row[pixels]!),
  });
  return { heldOut: digitsOf(rows.slice(0, heldOutCount)), training: digitsOf(rows.slice(heldOutCount)) };
}

/** The digits one pixel further to the right, which a model that has not seen such ones reads badly. */
export function shifted({ images, labels }: Digits): Digits {
  const moved = images.map((_, i) => (i % side === 0 ? 0 : images[i - 1]!));
  return { images: moved, labels };
}

/** Batches without end, epoch after epoch; the same for the same seed. What does not fill a batch is left out. */
export function* batches({ images, labels }: Digits, size: number, seed: number): Generator<Digits, never> {
  const random = randomNumbers(seed);
  for (;;) {
    const order = permutation(labels.length, random);
    for (let begin = 0; begin + size <= order.length; begin += size) {
      const batch = { images: new Float32Array(size * pixels), labels: new Uint8Array(size) };
      order.subarray(begin, begin + size).forEach((from, i) => {
        batch.images.set(images.subarray(from * pixels, (from + 1) * pixels), i * pixels);
        batch.labels[i] = labels[from]!;
      });
      yield batch;
    }
  }
}
