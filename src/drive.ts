/**
 * Opening and closing are written once, as generators that yield what may have to be awaited. The synchronous
 * driver refuses promises; the asynchronous one waits for them, and only for them: where nothing has to be
 * awaited no other code can run in between. A {@link Waitable} can be waited for by both.
 */
import type { Await } from "./store.ts";
import { TheaterStateError } from "./errors.ts";

/** A computation that yields values which may be promises. */
export type Operation<R> = Generator<Await<unknown>, R, unknown>;

/** `const x = yield* wait(maybePromise)`. */
export function* wait<T>(value: Await<T>): Operation<T> {
  return (yield value) as T;
}

/** Something under way that can be waited for in both forms: a request to other processes. */
export interface Waitable<T> {
  waitSync(): T;
  waitAsync(): Promise<T>;
}

/** `const x = yield* complete(request)`. */
export function* complete<T>(request: Waitable<T>): Operation<T> {
  return (yield request) as T;
}

/** By its shape, and not its class: it may come from another loaded copy of this package. */
function isWaitable(value: unknown): value is Waitable<unknown> {
  const { waitSync, waitAsync } = (value ?? {}) as Partial<Record<keyof Waitable<unknown>, unknown>>;
  return typeof waitSync === "function" && typeof waitAsync === "function";
}

/** Goes on after a request has been waited for, successfully or not. */
function waitFor<R>(operation: Operation<R>, request: Waitable<unknown>): IteratorResult<unknown, R> {
  let value: unknown;
  try {
    value = request.waitSync();
  } catch (error) {
    return operation.throw(error);
  }
  return operation.next(value);
}

/** Whether `value` has a `then` method. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    (typeof value === "object" || typeof value === "function") &&
    value !== null &&
    typeof (value as { then?: unknown }).then === "function"
  );
}

/** Runs to the end at once. @throws TheaterStateError `needs_async`, from inside the operation, at a promise */
export function drive<R>(operation: Operation<R>): R {
  let step = operation.next();
  while (step.done !== true) {
    if (isWaitable(step.value)) {
      step = waitFor(operation, step.value);
    } else if (isThenable(step.value)) {
      // The promise is dropped; its rejection must not surface as an unhandled one.
      void Promise.resolve(step.value).catch(() => {});
      step = operation.throw(
        new TheaterStateError(
          "needs_async",
          "Reading these parameters is asynchronous on this backend, and the synchronous form cannot wait. " +
            "Every parameter is as it was before the call. Use withTheaterAsync or surgicalTheaterAsync.",
        ),
      );
    } else {
      step = operation.next(step.value);
    }
  }
  return step.value;
}

/** Runs to the end, awaiting promises. */
export async function driveAsync<R>(operation: Operation<R>): Promise<R> {
  return goOn(operation, operation.next());
}

/** Runs to the end at once if there is nothing to wait for, else to the first promise, and on from there. */
export function driveEither<R>(operation: Operation<R>): Await<R> {
  let step = operation.next();
  while (step.done !== true) {
    if (isThenable(step.value) || isWaitable(step.value)) return goOn(operation, step);
    step = operation.next(step.value);
  }
  return step.value;
}

async function goOn<R>(operation: Operation<R>, begin: IteratorResult<Await<unknown>, R>): Promise<R> {
  let step = begin;
  while (step.done !== true) {
    const awaited = isWaitable(step.value) ? step.value.waitAsync() : step.value;
    if (!isThenable(awaited)) {
      step = operation.next(awaited);
      continue;
    }
    let value: unknown;
    try {
      value = await awaited;
    } catch (error) {
      step = operation.throw(error);
      continue;
    }
    step = operation.next(value);
  }
  return step.value;
}
