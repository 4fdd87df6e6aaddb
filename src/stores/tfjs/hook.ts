/** Replacing a method of an object that is not ours, for as long as it is needed. */

type Method = (this: unknown, ...args: never[]) => unknown;

/** What runs instead of a method: it gets the method, the object and the arguments. */
export type Around = (
  method: (...args: unknown[]) => unknown,
  self: object,
  args: readonly unknown[],
) => unknown;

/** What is known of a method of ours that stands in place of another. */
interface Hooked {
  active: boolean;
  /** How the one before was there: as a property of the object itself, or inherited. */
  readonly before: PropertyDescriptor | undefined;
}

const symbol = Symbol.for("surgical-theater/hooks@1");
const holder = globalThis as { [symbol]?: WeakMap<object, Hooked> };
/** Those of all loaded copies of this package. */
const hooks: WeakMap<object, Hooked> = (holder[symbol] ??= new WeakMap());

/** Takes away hooks of ours that are not needed any more, from the top down to the first that is not such a one. */
function clear(target: object, name: string): void {
  for (;;) {
    const top = hooks.get(Reflect.get(target, name) as object);
    if (top === undefined || top.active) return;
    if (top.before === undefined) Reflect.deleteProperty(target, name);
    else Object.defineProperty(target, name, top.before);
  }
}

/**
 * Lets `around` run instead of the method `name` of `target`, and returns what puts the method back.
 *
 * Somebody else may replace the method again meanwhile. Then ours stays under theirs and only passes calls on.
 */
export function hook(target: object, name: string, around: Around): () => void {
  clear(target, name);
  const method = Reflect.get(target, name) as Method;
  const state: Hooked = { active: true, before: Object.getOwnPropertyDescriptor(target, name) };
  function hooked(this: object, ...args: unknown[]): unknown {
    if (!state.active) return Reflect.apply(method, this, args);
    return around((...given) => Reflect.apply(method, this, given) as unknown, this, args);
  }
  hooks.set(hooked, state);
  Object.defineProperty(target, name, { value: hooked, configurable: true, writable: true });
  return () => {
    state.active = false;
    clear(target, name);
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
