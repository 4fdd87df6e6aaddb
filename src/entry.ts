/** The five entry points, written once and bound to a store by each subpath. */
import { drive, driveAsync, isThenable, type Operation } from "./drive.ts";
import { fingerprintsOf, identityOf } from "./identity.ts";
import { messageOf, RestoreError, TheaterStateError } from "./errors.ts";
import { checkOptions, type Options, type Request } from "./options.ts";
import { type Plan, prepare } from "./plan.ts";
import type { Agreement } from "./shard.ts";
import type { Model } from "./store.ts";
import { AsyncSurgicalTheater, SurgicalTheater } from "./surgical-theater.ts";
import { close } from "./closing.ts";
import type { Open } from "./theater-state.ts";
import { open } from "./theater.ts";

/** `R`, or an error type where the function returns a promise: a synchronous theater would close too early. */
export type Synchronous<R> =
  R extends PromiseLike<unknown> ? ["use withTheaterAsync: fn returns a promise"] : R;

/** The entry points of a store whose models are `M` and whose arrays are `T`. */
export interface EntryPoints<M, T> {
  surgicalTheater(model: M, options: Options<T>): SurgicalTheater;
  surgicalTheaterAsync(model: M, options: Options<T>): Promise<AsyncSurgicalTheater>;
  withTheater<R>(model: M, options: Options<T>, fn: () => Synchronous<R>): R;
  withTheaterAsync<R>(model: M, options: Options<T>, fn: () => R | PromiseLike<R>): Promise<R>;
  planTheater(model: M, options: Options<T>): Plan;
}

/**
 * A kind of models, for code that works with all of them: each entry point exports its own as `store`. `S` are the models,
 * `T` their arrays.
 */
export interface Store<S, T> {
  /** As the function of the same name. */
  planTheater(model: S, options: Options<T>): Plan;
  /** As the function of the same name, with a function that is given what to evaluate: on jax-js the modified tree. */
  withTheaterAsync<M extends S, R>(
    model: M,
    options: Options<T>,
    fn: (visible: M) => R | PromiseLike<R>,
  ): Promise<R>;
  /** Digests of the bytes of each parameter as they are now, by name, in the model's order. Reads all values. */
  fingerprints(model: S): Promise<ReadonlyMap<string, string>>;
  /**
   * Digest of what a theater would show: the same for the same modifications, layers and seed, whatever the technique.
   * Arrays count by their bytes, code by its text; what code refers to is not seen.
   *
   * @throws as `planTheater` for options that make no sense
   */
  identityOf(model: S, options: Options<T>): Promise<string>;
}

/** All that an entry point exports of its store. */
export interface Entry<M, T> extends EntryPoints<M, T> {
  readonly store: Store<M, T>;
}

/** What to throw when the body failed with `error` and then closing failed too: neither is lost. */
function both(error: unknown, failure: unknown): Error {
  if (failure instanceof RestoreError) {
    return new RestoreError(failure.code, failure.failures, failure.message, { cause: error });
  }
  const message = `${messageOf(error)}; then, after everything was put back: ${messageOf(failure)}`;
  return new AggregateError([error, failure], message, { cause: error });
}

/** @throws TypeError unless `fn` is a function */
export function checkBody(name: string, fn: unknown, which = "third"): void {
  if (typeof fn !== "function") {
    throw new TypeError(`${name}: the ${which} argument must be a function. The model is unchanged.`);
  }
}

/** What processes that have parts of a model `M` need, to fail together even where one cannot read its part. */
type AgreementOf<M> = (model: M) => Agreement | undefined;

/** Opens a theater. Where other processes have parts of the model, they hear of what makes no sense here. */
function* opening<M, T>(
  modelOf: (model: M) => Model<T>,
  agreementOf: AgreementOf<M>,
  given: M,
  options: Options<T>,
): Operation<Open<T>> {
  let request: Request;
  let model: Model<T>;
  try {
    request = checkOptions(options);
    model = modelOf(given);
  } catch (error) {
    yield* agreementOf(given)?.settle(error) ?? [];
    throw error;
  }
  return yield* open(model, request);
}

/** Binds the entry points to a store. `modelOf` throws for what is not one of its models. */
export function entryPoints<M, T>(
  modelOf: (model: M) => Model<T>,
  agreementOf: AgreementOf<M> = () => undefined,
): Entry<M, T> {
  const opened = (model: M, options: Options<T>): Operation<Open<T>> =>
    opening(modelOf, agreementOf, model, options);
  const entry: EntryPoints<M, T> = {
    surgicalTheater(model, options) {
      return new SurgicalTheater(drive(opened(model, options)));
    },
    async surgicalTheaterAsync(model, options) {
      return new AsyncSurgicalTheater(await driveAsync(opened(model, options)));
    },
    withTheater<R>(model: M, options: Options<T>, fn: () => Synchronous<R>): R {
      checkBody("withTheater", fn);
      const theater = drive(opened(model, options));
      let result: unknown;
      let promised: boolean;
      try {
        result = fn();
        promised = isThenable(result);
      } catch (error) {
        try {
          drive(close(theater, true));
        } catch (failure) {
          throw both(error, failure);
        }
        throw error;
      }
      // It may still reject, with nobody left to hear it.
      if (promised) void Promise.resolve(result).catch(() => {});
      drive(close(theater, promised));
      if (promised) {
        throw new TheaterStateError(
          "promise_returned",
          "withTheater: fn returned a promise, and what it awaits runs after the theater has closed, on the originals. " +
            "Every parameter is back. Use withTheaterAsync, and await it.",
        );
      }
      return result as R;
    },
    async withTheaterAsync(model, options, fn) {
      checkBody("withTheaterAsync", fn);
      const theater = await driveAsync(opened(model, options));
      let result;
      try {
        result = await fn();
      } catch (error) {
        try {
          await driveAsync(close(theater, true));
        } catch (failure) {
          throw both(error, failure);
        }
        throw error;
      }
      await driveAsync(close(theater, false));
      return result;
    },
    planTheater: (model, options) => drive(prepare(modelOf(model), checkOptions(options), false)).plan,
  };
  const store: Store<M, T> = {
    planTheater: entry.planTheater,
    withTheaterAsync: (model, options, fn) => entry.withTheaterAsync(model, options, () => fn(model)),
    fingerprints: async (model) => driveAsync(fingerprintsOf(modelOf(model))),
    identityOf: async (model, options) => driveAsync(identityOf(modelOf(model), checkOptions(options))),
  };
  return { ...entry, store };
}
