/** The handwritten digits that come with the package; see data/README.md for where they are from. */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { csvParseRows } from "d3-dsv";

/** Images of 64 pixels from 0 to 1, one after the other, and a label from 0 to 9 for each. */
export interface Digits {
  readonly images: Float32Array;
  readonly labels: Uint8Array;
}

const pixels = 64;
const brightest = 16;
const heldOutCount = 360;

function toDigits(rows: readonly (readonly string[])[]): Digits {
  const images = Float32Array.from(
    rows.flatMap((row) => row.slice(0, pixels).map((cell) => +cell / brightest)),
  );
  return { images, labels: Uint8Array.from(rows, (row) => +row[pixels]!) };
}

/** Every fifth digit is held out: writers follow each other in the file. */
export function readDigits(): { readonly training: Digits; readonly heldOut: Digits } {
  const file = new URL("../../../data/digits.csv.gz", import.meta.url);
  const rows = csvParseRows(gunzipSync(readFileSync(file)).toString("ascii"));
  const isHeldOut = (_: unknown, at: number): boolean => at % 5 === 0 && at < 5 * heldOutCount;
  return {
    training: toDigits(rows.filter((row, at) => !isHeldOut(row, at))),
    heldOut: toDigits(rows.filter(isHeldOut)),
  };
}

/** The same digits one pixel further to the right: something that the network has not seen. */
export function moved({ images, labels }: Digits): Digits {
  return { images: images.map((_, at) => (at % 8 === 0 ? 0 : images[at - 1]!)), labels };
}
