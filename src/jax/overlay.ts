/** Functions of parameters that take the modification as one more argument. */
import { jit, numpy as np, type OwnedFunction } from "@jax-js/jax";
import { drive } from "../drive.ts";
import { type Modification } from "../modification.ts";
import { checkBody } from "../entry.ts";
import type { Layers } from "../layers.ts";
import { checkOptions } from "../options.ts";
import { type Scalar, traced } from "../stores/jax/arithmetic.ts";
import type { JaxArray } from "../stores/jax/arrays.ts";
import { jaxModel } from "../stores/jax/model.ts";
import { checkArray, type Means, type Operation, operationOf } from "../stores/jax/steps.ts";
import { arraysOf, exchangeArrays } from "../stores/jax/tree.ts";
import { chooseTargets } from "../targets.ts";

/** How to lay a modification over a function's parameters. */
export interface OverlayOptions {
  /** As for a theater. */
  readonly layers?: Layers;
  /** As for a theater. */
  readonly seed?: number;
}

/** One modification, or several in order. */
type Modifications = Modification<JaxArray> | readonly Modification<JaxArray>[];

/** `fn` with a modification between its parameters and its other arguments. Free what it compiled with `dispose`. */
export type Overlaid<P, A extends readonly unknown[], R> = OwnedFunction<
  (params: P, modification: Modifications, ...args: A) => R
>;

const means: Means = {
  arithmetic: traced,
  zeros: (like) => np.zerosLike(like),
  compute(value, by, parameter) {
    const { name, dtype, index } = parameter;
    // Of this tracing: another one, of the same operations, may be of another shape.
    const { shape } = value;
    const result = by.compute(value, { name, shape, dtype, index });
    checkArray(result, parameter, shape, `what custom returned for ${JSON.stringify(name)}`);
    return result;
  },
};

const idsOfFunctions = new WeakMap<object, number>();
let functions = 0;

/** The same for the same function only. */
function idOf(fn: object): number {
  let id = idsOfFunctions.get(fn);
  if (id === undefined) idsOfFunctions.set(fn, (id = functions++));
  return id;
}

/** What is done to one array, and what tells it from everything else that may be done to it. */
interface Change {
  readonly operations: readonly Operation[];
  readonly key: readonly (string | number)[];
}

/** What a modification does to the arrays of a tree, in the tree's order: a list of operations for each target. */
function changesOf(
  params: unknown,
  modification: Modifications,
  options: OverlayOptions,
): ReadonlyMap<string, Change> {
  const model = jaxModel(params);
  const { targets } = drive(chooseTargets(model, checkOptions({ modification, ...options }), true));
  const byName = new Map<string, Change>();
  for (const { site, layer, modifications } of targets) {
    const { array, parameter } = model.sites[site.parameter.index]!;
    const operations = layer.steps.map((step) => operationOf(step, parameter, array, means));
    const functions = modifications.flatMap((each) => (each.type === "custom" ? [idOf(each.fn)] : []));
    const key = [...operations.map((each) => each.key), ...functions];
    for (const name of [parameter.name, ...parameter.aliases]) byName.set(name, { operations, key });
  }
  return byName;
}

/** A reference of its own to each input, for each time that an operation is done: for a tied array that is several times. */
function inputsOf(operations: readonly Operation[]): readonly (readonly Scalar[])[] {
  const seen = new Set<Scalar>();
  return operations.map(({ inputs }) =>
    inputs.map((input) => {
      if (typeof input === "number" || !seen.has(input)) {
        seen.add(input);
        return input;
      }
      return input.ref;
    }),
  );
}

/** The tree with `changes` done to its arrays. Consumes the tree and the inputs. */
function modified(
  params: unknown,
  changes: ReadonlyMap<string, Change>,
  inputs: readonly (readonly Scalar[])[],
): unknown {
  const names = arraysOf(params).map(([name]) => name);
  let [leaf, at] = [0, 0];
  return exchangeArrays(params, (array) => {
    let value = array;
    for (const { apply } of changes.get(names[leaf]!)?.operations ?? []) value = apply(value, inputs[at++]!);
    leaf++;
    return value;
  });
}

/**
 * Makes a function that evaluates `fn` on modified parameters, compiled once for all modifications of one kind: factors,
 * noise and adapters are arguments of the program, so that a sweep over them compiles nothing again, and `grad` of it goes
 * through the modification to the original parameters.
 *
 * For sweeps of cheap factors and for gradients. It holds the same bytes as a theater while it runs, so a theater is
 * the better choice for everything else.
 *
 * @param fn - a function that `jax.jit` takes: a tree of arrays first; it must not read values on the host. A `custom`
 *   runs while it is traced, once per shape
 * @param options - `layers` and `seed`, as for a theater
 * @returns a function of (params, modification, ...args) that consumes params and args like a compiled one
 * @throws when it is called: TypeError, RangeError, LayersError, ModificationError, UnsupportedError; then nothing was
 *   consumed
 * @example
 * import { numpy as np } from "@jax-js/jax";
 * import { overlay, scale } from "surgical-theater/jax";
 *
 * const loss = overlay((params: { w: np.Array }, x: np.Array) => np.sum(params.w.mul(x)), { layers: "all" });
 * const params = { w: np.array([1, 2, 3]) };
 * const losses = [1, 0.5].map((factor) => loss({ w: params.w.ref }, scale(factor), np.array([1, 1, 1])).item());
 * console.log(losses); // [6, 3]
 */
export function overlay<P, A extends readonly unknown[], R>(
  fn: (params: P, ...args: A) => R,
  options: OverlayOptions = {},
): Overlaid<P, A, R> {
  checkBody("overlay", fn, "first");
  const programs = new Map<string, OwnedFunction<(...args: unknown[]) => R>>();
  const overlaid = (params: P, modification: Modifications, ...args: A): R => {
    const changes = changesOf(params, modification, options);
    const names = arraysOf(params).map(([name]) => name);
    const inOrder = names.flatMap((name) => changes.get(name)?.operations ?? []);
    const key = JSON.stringify(names.map((name) => [name, changes.get(name)?.key]));
    let program = programs.get(key);
    if (program === undefined) {
      const run = (tree: P, inputs: readonly (readonly Scalar[])[], ...rest: A): R =>
        fn(modified(tree, changes, inputs) as P, ...rest);
      program = jit(run as never) as unknown as OwnedFunction<(...args: unknown[]) => R>;
      programs.set(key, program);
    }
    return program(params, inputsOf(inOrder), ...args);
  };
  const dispose = (): void => {
    for (const program of programs.values()) program.dispose();
    programs.clear();
  };
  return Object.assign(overlaid, { dispose });
}
