/** Calls of user code: `custom` functions, which may do anything. */
import { isThenable } from "../drive.ts";
import { messageOf, ModificationError } from "../errors.ts";
import type { Replacement } from "../step.ts";
import type { Parameter } from "../store.ts";

/**
 * What a custom function returns for a parameter, not checked yet.
 *
 * @param lent - its argument
 * @param wanted - what it must return: `a tensor`
 * @throws ModificationError `modification_threw` with what it threw, `dtype_mismatch` for a promise
 */
export function callCustom<T>(
  by: Extract<Replacement<T>, { kind: "computed" }>,
  lent: T,
  { name, shape, dtype, index }: Parameter,
  wanted: string,
): unknown {
  const role = `custom, for ${JSON.stringify(name)},`;
  const unchanged = "Every parameter is as it was before the call.";
  let result: unknown;
  try {
    result = by.compute(lent, { name, shape, dtype, index });
  } catch (cause) {
    const message = `${role} threw: ${messageOf(cause)}. ${unchanged}`;
    throw new ModificationError("modification_threw", name, message, { cause });
  }
  if (!isThenable(result)) return result;
  // It may still reject, with nobody left to hear it.
  void Promise.resolve(result).catch(() => {});
  const message = `${role} returned a promise; it must return ${wanted}. ${unchanged}`;
  throw new ModificationError("dtype_mismatch", name, message);
}
