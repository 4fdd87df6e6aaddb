/** Whether the factors of a low-rank delta fit a parameter, and which layout they would fit if they do not. */
import { ModificationError } from "./errors.ts";
import { inWords, matrixOf } from "./matrix.ts";
import type { Layout, LowRank } from "./step.ts";
import type { Site } from "./store.ts";

const isMismatch = (error: unknown): error is ModificationError =>
  error instanceof ModificationError && error.code === "shape_mismatch";

/** @throws ModificationError unless both factors fit the parameter. `role` begins the message. */
export function checkFactors<T>(
  site: Site<T>,
  { a, b, loraRank, layout: given }: LowRank<T>,
  role: string,
): void {
  const { name, shape } = site.parameter;
  const check = (layout: Layout): void => {
    const { outputs, inputShape } = matrixOf(shape, layout);
    site.checkOperand(a, [loraRank, ...inputShape], `${role}: factor a for`);
    site.checkOperand(b, [outputs, loraRank], `${role}: factor b for`);
  };
  const fits = (layout: Layout): boolean => {
    try {
      check(layout);
      return true;
    } catch {
      return false;
    }
  };
  try {
    check(given);
  } catch (error) {
    const other = given === "outIn" ? "inOut" : "outIn";
    if (!isMismatch(error) || !fits(other)) throw error;
    throw new ModificationError(error.code, name, `${error.message} Both factors fit ${inWords[other]}.`);
  }
}
