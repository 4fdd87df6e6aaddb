/** Replacing a method of an object that is not ours, for as long as it is needed. */

type Method = (this: unknown, ...args: never[]) => unknown;

/** What runs instead of a method: it gets the method, the object and the arguments. */
export type Around = (
  method: (...args: unknown[]) => unknown,
  self: object,
  args: readonly unknown[],
) => unknown;

/**
 * Lets `around` run instead of the method `name` of `target`, and returns what puts the method back.
 *
 * Somebody else may replace the method again meanwhile. Then ours stays under theirs and only passes calls on.
 */
export function hook(target: object, name: string, around: Around): () => void {
  const own = Object.getOwnPropertyDescriptor(target, name);
  const method = Reflect.get(target, name) as Method;
  let active = true;
  function hooked(this: object, ...args: unknown[]): unknown {
    if (!active) return Reflect.apply(method, this, args);
    return around((...given) => Reflect.apply(method, this, given) as unknown, this, args);
  }
  Object.defineProperty(target, name, { value: hooked, configurable: true, writable: true });
  return () => {
    active = false;
    if (Reflect.get(target, name) !== hooked) return;
    if (own === undefined) Reflect.deleteProperty(target, name);
    else Object.defineProperty(target, name, own);
  };
}

/** Several hooks that are in place while there is somebody who needs them. */
export class Hooks<User> {
  readonly #place: () => readonly (() => void)[];
  readonly #users = new Set<User>();
  #remove: readonly (() => void)[] = [];

  /** @param place - puts the hooks in place, and returns what removes each */
  constructor(place: () => readonly (() => void)[]) {
    this.#place = place;
  }

  add(user: User): void {
    if (this.#users.size === 0) this.#remove = this.#place();
    this.#users.add(user);
  }

  delete(user: User): void {
    if (!this.#users.delete(user) || this.#users.size > 0) return;
    for (const remove of [...this.#remove].reverse()) remove();
    this.#remove = [];
  }
}
