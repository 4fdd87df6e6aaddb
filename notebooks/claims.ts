/** What the notebook asserts with. A claim that does not hold stops it, so that running the notebook is a test. */
import { SurgicalTheaterError } from "../src/tfjs.ts";

/**
 * Prints a claim.
 *
 * @throws Error if it does not hold
 */
export function claim(sentence: string, holds: boolean): void {
  if (!holds) throw new Error(`This does not hold: ${sentence}.`);
  console.log(`holds: ${sentence}`);
}

/**
 * The error of the library that `fn` throws, whose message it prints.
 *
 * @throws Error if `fn` throws nothing; whatever else it throws
 */
export function refusal(fn: () => void): SurgicalTheaterError {
  try {
    fn();
  } catch (error) {
    if (!(error instanceof SurgicalTheaterError)) throw error;
    console.log(`${error.code}: ${error.message}`);
    return error;
  }
  throw new Error("This went through, and should have been refused.");
}
