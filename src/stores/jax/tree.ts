/** Trees of parameters: arrays in plain objects and lists, as jax-js takes them. */
import { describeValue, UnsupportedError } from "../../errors.ts";
import { isArray, type JaxArray } from "./arrays.ts";

/** An array of a tree and its path; a leaf that is not an array has no part in a theater. */
export type Leaf = readonly [path: string, array: JaxArray];

function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && value.constructor === Object;
}

/** The children of a list or plain object, in the order of `tree.flatten`. Undefined for a leaf. */
function childrenOf(value: unknown): readonly (readonly [key: string, child: unknown])[] | undefined {
  if (Array.isArray(value)) return value.map((child: unknown, i) => [String(i), child] as const);
  return isPlain(value) ? Object.entries(value) : undefined;
}

/** Whether `value` may hold arrays, as jax-js sees it. */
export function isTree(value: unknown): boolean {
  return childrenOf(value) !== undefined;
}

/** Objects that are looked into for hidden arrays: what a model refers to may be large. */
const MOST = 1000;

/** The path of an array somewhere within a leaf, a class instance or Map say, whose fields jax-js does not see. */
function hiddenArray(leaf: unknown, path: string): string | undefined {
  const queue: (readonly [value: unknown, path: string])[] = [[leaf, path]];
  const seen = new Set<unknown>();
  for (const [value, at] of queue) {
    if (typeof value !== "object" || value === null || ArrayBuffer.isView(value) || seen.has(value)) continue;
    seen.add(value);
    if (value !== leaf && isArray(value)) return at;
    if (isArray(value) || seen.size > MOST) continue;
    const fields = value instanceof Map ? value : Object.entries(value);
    for (const [key, field] of fields) queue.push([field, `${at}.${String(key)}`]);
  }
  return undefined;
}

/**
 * The arrays of a tree with their paths, `layers.0.weight`, in the order of `tree.flatten`.
 *
 * @throws UnsupportedError `entry_point` for arrays in the fields of a class instance
 * @throws TypeError for two arrays with one path
 */
export function arraysOf(tree: unknown): readonly Leaf[] {
  const found: Leaf[] = [];
  const paths = new Set<string>();
  const visit = (value: unknown, path: string): void => {
    const children = childrenOf(value);
    for (const [key, child] of children ?? []) visit(child, path === "" ? key : `${path}.${key}`);
    if (children !== undefined) return;
    const hidden = hiddenArray(value, path);
    if (hidden !== undefined) {
      throw new UnsupportedError(
        "entry_point",
        `${JSON.stringify(hidden)} is an array in ${describeValue(value)}, whose fields jax-js takes for one opaque leaf. ` +
          "Nothing was changed. Give a plain object of its arrays, and use what the theater gives you in its place.",
      );
    }
    if (!isArray(value)) return;
    const name = path === "" ? "params" : path;
    if (paths.has(name)) {
      throw new TypeError(
        `${JSON.stringify(name)} is the path of two arrays: one of them has a dot in its key. Nothing was changed. ` +
          "Rename it.",
      );
    }
    paths.add(name);
    found.push([name, value]);
  };
  visit(tree, "");
  return found;
}

/** The tree with every array exchanged, in the order of {@link arraysOf}; everything else is the same object. */
export function exchangeArrays(tree: unknown, next: (array: JaxArray) => unknown): unknown {
  if (Array.isArray(tree)) return tree.map((child) => exchangeArrays(child, next));
  if (isPlain(tree)) {
    return Object.fromEntries(Object.entries(tree).map(([key, child]) => [key, exchangeArrays(child, next)]));
  }
  return isArray(tree) ? next(tree) : tree;
}

/**
 * The same tree, which calls `onUse` when one of its children is looked at: whatever evaluates a tree has to look. A tree
 * that is one array can only be handed over.
 */
export function observed<P>(tree: P, onUse: () => void): P {
  const children = childrenOf(tree);
  if (children === undefined) {
    onUse();
    return tree;
  }
  const watched = Array.isArray(tree) ? [] : {};
  for (const [key, child] of children) {
    const get = (): unknown => {
      onUse();
      return child;
    };
    Object.defineProperty(watched, key, { enumerable: true, configurable: true, get });
  }
  return watched as P;
}
