/**
 * Iterator helpers, which jax-js uses and Node 20 does not have yet: `map.entries().map(…)`. Import this before
 * jax-js; on Node 22 and later it does nothing, and needs not be there.
 */

/** What jax-js calls on iterators. */
const helpers = {
  *map<T, R>(this: Iterable<T>, fn: (value: T, index: number) => R): Generator<R> {
    let index = 0;
    for (const value of this) yield fn(value, index++);
  },
  *filter<T>(this: Iterable<T>, fn: (value: T, index: number) => boolean): Generator<T> {
    let index = 0;
    for (const value of this) if (fn(value, index++)) yield value;
  },
  toArray<T>(this: Iterable<T>): T[] {
    return [...this];
  },
  some<T>(this: Iterable<T>, fn: (value: T, index: number) => boolean): boolean {
    return [...this].some((value, index) => fn(value, index));
  },
  every<T>(this: Iterable<T>, fn: (value: T, index: number) => boolean): boolean {
    return [...this].every((value, index) => fn(value, index));
  },
  reduce<T, R>(this: Iterable<T>, fn: (sum: R, value: T) => R, initial: R): R {
    let sum = initial;
    for (const value of this) sum = fn(sum, value);
    return sum;
  },
};

const iterator = Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]())) as object;
for (const [name, value] of Object.entries(helpers)) {
  if (!(name in iterator))
    Object.defineProperty(iterator, name, { value, configurable: true, writable: true });
}
