/** The digits from their file: 1,437 to train on, and 360 held out. */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { type Digits, parseDigits, toArrays } from "./digits.ts";

interface Split<T> {
  readonly training: T;
  readonly heldOut: T;
}

const heldOutCount = 360;

/** As numbers: what `parseDigits` returns. */
export function loadRows(): Split<readonly (readonly number[])[]> {
  const file = new URL("../../data/digits.csv.gz", import.meta.url);
  const rows = parseDigits(gunzipSync(readFileSync(file)).toString("ascii"));
  return { training: rows.slice(heldOutCount), heldOut: rows.slice(0, heldOutCount) };
}

/** In typed arrays. */
export function loadDigits(): Split<Digits> {
  const { training, heldOut } = loadRows();
  return { training: toArrays(training), heldOut: toArrays(heldOut) };
}
