/** What makes two openings the same, and two models. */
import { type Operation, wait } from "./drive.ts";
import { fingerprint } from "./fingerprint.ts";
import type { Request } from "./options.ts";
import { isRecord } from "./plain.ts";
import { prepare } from "./plan.ts";
import type { Model } from "./store.ts";

/** The bytes of values that may be lent as any kind of list. */
function bytesOf(values: ArrayLike<number>): ArrayBufferView {
  return ArrayBuffer.isView(values) ? values : Float64Array.from(values);
}

/** `value` in words: code by its text, arrays by their bytes, properties in an order of their own. */
function* describe<T>(model: Model<T>, value: unknown): Operation<unknown> {
  if (typeof value === "function" || value instanceof RegExp) return String(value);
  // JSON has no −0, and scaling by it shows other bits.
  if (Object.is(value, -0)) return { number: "-0" };
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) {
    const all: unknown[] = [];
    for (const each of value) all.push(yield* describe(model, each));
    return all;
  }
  if (!isRecord(value)) {
    return ArrayBuffer.isView(value)
      ? fingerprint(value)
      : fingerprint(bytesOf(yield* wait(model.sites[0]!.readOperand(value as T))));
  }
  const all: [string, unknown][] = [];
  for (const key of Object.keys(value).sort()) all.push([key, yield* describe(model, value[key])]);
  return all;
}

/**
 * Digest of what a request shows on a model of this kind: technique, budget and policies do not change it.
 *
 * @throws as planning for what makes no sense
 */
export function* identityOf<T>(model: Model<T>, request: Request): Operation<string> {
  yield* prepare(model, request, false);
  const { modifications, layers, seed } = request;
  const described = yield* describe(model, [modifications, layers ?? null, seed ?? null]);
  return fingerprint(new TextEncoder().encode(JSON.stringify(described)));
}

/** Digests of the bytes of each parameter as they are now, by name, in the model's order. */
export function* fingerprintsOf<T>(model: Model<T>): Operation<ReadonlyMap<string, string>> {
  const all = new Map<string, string>();
  for (const site of model.sites) {
    site.assertAlive();
    all.set(site.parameter.name, yield* wait(site.fingerprint()));
  }
  return all;
}
