/** Whether `value` is a plain record: not an array of any kind, a map, a promise, or an object of another class. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  // The second holds for Object.prototype, that of another window too.
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
