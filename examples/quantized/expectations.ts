/** What must hold of every validation, whatever the format. */
import type { Checks } from "../support/checks.ts";
import type { Memory } from "./memory.ts";
import type { Score } from "./model.ts";
import type { Validation } from "./validate.ts";
import type { View } from "./views.ts";

/** Whether two scores are the same numbers. */
export function areEqual(one: Score, other: Score): boolean {
  return one.accuracy === other.accuracy && one.loss === other.loss;
}

/** Whether all bytes are as they were after each theater, and were others inside if it modified anything. */
export function cameBack({ view, digests, receipts }: Validation): boolean {
  const isModified = view.options.modification !== undefined;
  return (
    digests.after.every((each) => each === digests.before) &&
    receipts.every(({ identical }) => identical) &&
    (digests.inside !== digests.before) === isModified
  );
}

export function checkValidation(checks: Checks, name: string, validation: Validation): void {
  const { view, shown, asked, realised, errors } = validation;
  const at = `${name}, ${view.name} (${view.digits})`;
  checks.that(cameBack(validation), `${at}: other bytes than before`);
  for (const [parameter, { relativeError }] of realised) {
    const difference = Math.abs(relativeError - errors.get(parameter)!);
    checks.that(difference <= 0.001, `${at}: the error of ${parameter} is not what the report says`);
  }
  if (view.isExact) checks.that(areEqual(shown, asked), `${at}: other than on a dequantized copy`);
}

/** What must hold of all validations of one model together. */
export function checkValidations(checks: Checks, name: string, validations: readonly Validation[]): void {
  for (const each of validations) checkValidation(checks, name, each);
  const find = (name: string, digits: View["digits"]): Validation =>
    validations.find(({ view }) => view.name === name && view.digits === digits)!;
  const errorsOf = (name: string): readonly number[] => [...find(name, "upright").errors.values()];
  const [below, above] = [errorsOf("noise, 5 % of std"), errorsOf("noise, 40 % of std")];
  checks.each(below, (each) => each > 0.9, `${name}: noise below the grid shows`);
  checks.each(above, (each) => each < 0.3, `${name}: noise above the grid does not show`);
  const [without, merged] = [find("as it is", "shifted"), find("LoRA merged", "shifted")];
  checks.that(merged.shown.loss < without.shown.loss, `${name}: the merged adapter does not help`);
}

export function checkMemory(checks: Checks, name: string, memory: readonly Memory[]): void {
  for (const { view, held, measured, packed, floats } of memory) {
    const at = `${name}, ${view.name}`;
    const isMeasured = Math.abs(measured - held) <= 0.1 * held + 4096;
    checks.that(isMeasured, `${at}: says that it holds ${held} bytes, and holds ${measured}`);
    checks.that(held <= 1.01 * packed, `${at}: holds more than a copy of codes and scales`);
    checks.that(held < floats / 3, `${at}: holds more than a third of a dequantized copy`);
  }
}
