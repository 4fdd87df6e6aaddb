/** Checks of what a collective is given, the same for every transport. */
import { describeValue } from "../errors.ts";
import { didYouMean } from "../hints.ts";
import { isRecord } from "../plain.ts";
import type { Sendable } from "./communicator.ts";
import { checkInteger } from "./layouts.ts";

const TYPES: ReadonlySet<string> = new Set([
  "Float32Array",
  "Float64Array",
  "Int8Array",
  "Uint8Array",
  "Uint8ClampedArray",
  "Int16Array",
  "Uint16Array",
  "Int32Array",
  "Uint32Array",
  "BigInt64Array",
  "BigUint64Array",
]);

/** Largest deadline, in milliseconds: 24 days, what a timer can count. */
export const LONGEST = 2 ** 31 - 1;

/** Milliseconds that a collective waits where nothing else is said. */
export const DEADLINE = 60_000;

/** Names of typed arrays, also those of another window and subclasses (a Buffer is a Uint8Array). */
export function typeOf(values: Sendable): string {
  return values[Symbol.toStringTag];
}

/** @throws TypeError unless `value` is an array that can be sent, and of the type of `like` */
export function checkArray(role: string, value: unknown, like?: Sendable): void {
  const type = ArrayBuffer.isView(value) ? typeOf(value as Sendable) : "";
  if (!TYPES.has(type)) {
    const hint =
      type === "Float16Array"
        ? " Send its bits, as a Uint16Array over its buffer; they cannot be added."
        : "";
    throw new TypeError(
      `${role} must be a typed array of a type that MPI has, got ${describeValue(value)}.${hint}`,
    );
  }
  if (like !== undefined && typeOf(like) !== type) {
    throw new TypeError(`${role} must be a ${typeOf(like)}, as what is sent, got ${describeValue(value)}.`);
  }
}

/** @throws RangeError unless `value` has `length` elements */
export function checkLength(role: string, value: Sendable, length: number): void {
  if (value.length !== length) {
    throw new RangeError(`${role} must have ${length} elements, got ${value.length}.`);
  }
}

/** @throws RangeError if what is written and what is read are in the same memory */
export function checkApart(role: string, into: Sendable, values: Sendable): void {
  if (into.buffer !== values.buffer || into.length === 0 || values.length === 0) return;
  const isBehind = into.byteOffset >= values.byteOffset + values.byteLength;
  const isBefore = into.byteOffset + into.byteLength <= values.byteOffset;
  if (!isBehind && !isBefore) {
    throw new RangeError(
      `${role} shares memory with what is sent. Give an array of its own, or leave it out.`,
    );
  }
}

/** @throws TypeError, RangeError unless `value` is a deadline in milliseconds */
export function checkDeadline(role: string, value: unknown): void {
  if (typeof value !== "number") {
    throw new TypeError(`${role} must be a number of milliseconds, got ${describeValue(value)}.`);
  }
  if (!(value > 0 && value <= LONGEST)) {
    throw new RangeError(`${role} must be above 0 and at most ${LONGEST} milliseconds, got ${value}.`);
  }
}

/** @throws TypeError for anything but a record of these options */
export function checkKeys(name: string, options: object, known: readonly string[]): void {
  if (!isRecord(options)) {
    throw new TypeError(`${name}: options must be an object, got ${describeValue(options)}.`);
  }
  for (const key of Object.keys(options)) {
    if (known.includes(key)) continue;
    throw new TypeError(
      `${name}: unknown option ${JSON.stringify(key)}.${didYouMean(key, known)} Options: ${known.join(", ")}.`,
    );
  }
}

/** @throws TypeError, RangeError unless `rank` is one of `size` */
export function checkRoot(name: string, rank: number, size: number): void {
  checkInteger(`${name}: root`, rank);
  if (rank >= size) throw new RangeError(`${name}: root must be a rank, less than ${size}, got ${rank}.`);
}

/** @throws TypeError for an unknown reduction */
export function checkReduction(name: string, value: unknown): void {
  const known = ["sum", "min", "max"];
  if (typeof value === "string" && known.includes(value)) return;
  throw new TypeError(`${name}: reduction must be "sum", "min" or "max", got ${describeValue(value)}.`);
}

/** Elements of each rank, as given or else `each` for all. @throws TypeError, RangeError */
export function countsOf(
  name: string,
  counts: readonly number[] | undefined,
  each: number,
  size: number,
): readonly number[] {
  if (counts === undefined) return Array.from({ length: size }, () => each);
  if (!Array.isArray(counts)) {
    throw new TypeError(`${name}: counts must be a list of numbers, got ${describeValue(counts)}.`);
  }
  if (counts.length !== size) {
    throw new RangeError(
      `${name}: counts must have one number for each of ${size} ranks, got ${counts.length}.`,
    );
  }
  for (const [rank, count] of counts.entries()) checkInteger(`${name}: counts[${rank}]`, count);
  return counts;
}
