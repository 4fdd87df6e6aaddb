/** The digits from their file: some to train on, and some held out. */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { type Digits, parseDigits, toTensors } from "./digits.ts";

const heldOutCount = 360;

/** Reads all 1,797 digits, and splits them into 1,437 to train on and 360 held out. */
export function loadDigits(): { readonly training: Digits; readonly heldOut: Digits } {
  const file = new URL("../../data/digits.csv.gz", import.meta.url);
  const rows = parseDigits(gunzipSync(readFileSync(file)).toString("ascii"));
  return {
    heldOut: toTensors(rows.slice(0, heldOutCount)),
    training: toTensors(rows.slice(heldOutCount)),
  };
}
