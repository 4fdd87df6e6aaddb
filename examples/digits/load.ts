/** The digits as tensors: some to train on, and some held out. */
import { loadRows } from "../support/load-digits.ts";
import { type Digits, toTensors } from "./digits.ts";

/** Puts all 1,797 digits on the current backend: 1,437 to train on, and 360 held out. */
export function loadDigits(): { readonly training: Digits; readonly heldOut: Digits } {
  const { training, heldOut } = loadRows();
  return { heldOut: toTensors(heldOut), training: toTensors(training) };
}
