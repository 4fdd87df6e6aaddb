import { ModificationError } from "../errors.ts";
import { inWords, isAmbiguous, matrixOf } from "../matrix.ts";
import type { Layout, LowRank, Step } from "../step.ts";
import { isQuantizedFormat, type Parameter } from "../store.ts";
import {
  type Adapter,
  checkAdapter,
  type LoraFactors,
  type LoraOptions,
  resolve,
  type Resolved,
} from "./adapter.ts";
import { doraFactors } from "./dora.ts";
import { checkFloat32, checkProperties, type Kind, type NeededOperand, needsNothing } from "./kind.ts";

/** A modification that adds a low-rank adapter (LoRA, rsLoRA, DoRA). */
export interface Lora<T> extends Adapter<T> {
  readonly type: "lora";
}

/**
 * Adds low-rank adapters: `w ← w + scaling · b · a`, without a merged copy of the model. `scaling` is
 * `alpha / loraRank`, or with `rsLora` `alpha / √loraRank`. It applies to every name in `adapter`; a tied parameter
 * may go by any of its names.
 *
 * `a` has shape [loraRank, inputs] and `b` [outputs, loraRank]. A parameter has the shape [outputs, ...inputs], or with
 * `layout: "inOut"` [...inputs, outputs], and gets the transpose; where a convolution has several dimensions of inputs,
 * `a` has them flattened, in the parameter's order. Arrays are row-major.
 *
 * With a `magnitude`, of shape [outputs], it is DoRA: `w ← magnitude / ‖w₀ + scaling · b · a‖ · (w + scaling · b · a)`,
 * the norm that of each output over its inputs, in float64. w₀ is the original, also where other theaters are open.
 *
 * The arrays are lent while the call opens a theater, and never consumed; changing them inside changes nothing: typed
 * arrays are copied, tensors kept by handle.
 *
 * Source: Hu et al., LoRA, 2021, arXiv 2106.09685; Kalajdzievski, rsLoRA, 2023, arXiv 2312.03732; Liu et al., DoRA,
 * 2024, arXiv 2402.09353. Names and patterns are those of PEFT. See docs/adapters.md.
 *
 * @param adapter - by parameter name `{ a, b }`, and where they differ `magnitude`, `alpha`, `loraRank`, `layout`
 * @param options - `alpha`, `loraRank`, `layout`, `rsLora`, `rankPattern`, `alphaPattern`. What an entry says comes
 *   before what patterns say, and that before the options
 * @throws TypeError, RangeError for arguments of another kind, an adapter without entries, or a pattern that is no
 *   regular expression
 * @throws ModificationError when a theater opens: `shape_mismatch` for a parameter of less than two dimensions, one
 *   whose first and last dimension are equal where nothing says its layout, or arrays of other sizes; `dtype_mismatch`
 *   for an integer parameter, or arrays of another kind; `non_finite` for a factor in a typed array that holds NaN or
 *   infinity, and for an output that no finite factor scales to its magnitude
 * @example
 * const weights = { kernel: { data: Float32Array.of(1, 2, 3, 4, 5, 6), shape: [2, 3], dtype: "float32" } } as const;
 * const adapter = { kernel: { a: Float32Array.of(1, 0, -1), b: Float32Array.of(1, 2) } };
 * const modification = lora(adapter, { alpha: 0.5, loraRank: 1, layout: "outIn" });
 * withTheater(weights, { modification }, () => [...weights.kernel.data]); // [1.5, 2, 2.5, 5, 5, 5]
 */
export function lora<A, B = A, M = A>(
  // Three types, so that tensors of different ranks need not be told that they are tensors.
  adapter: Readonly<Record<string, LoraFactors<A, B, M>>>,
  options: LoraOptions,
): Lora<A | B | M> {
  const modification: Lora<A | B | M> = { ...options, type: "lora", adapter };
  checkProperties("lora", modification, loraKind.properties);
  loraKind.check(modification, undefined);
  return Object.freeze(modification);
}

/**
 * Where a parameter has its outputs.
 *
 * @param given - what the adapter says
 * @throws ModificationError for a parameter that no product of two matrices can be added to, or to which one and its
 *   transpose can
 */
function layoutFor({ name, shape, dtype }: Parameter, given: Layout | undefined): Layout {
  const needed = given === "inOut" ? "[...inputs, outputs]" : "[outputs, ...inputs]";
  if (shape.length < 2) {
    throw new ModificationError(
      "shape_mismatch",
      name,
      `lora: ${JSON.stringify(name)} has shape [${shape.join(", ")}], and must have two dimensions or more, ${needed}. ` +
        "The model is unchanged. Give it as { data, shape, dtype }, or leave it out.",
    );
  }
  if (!/^(float|bfloat)/.test(dtype) && !isQuantizedFormat(dtype)) {
    throw new ModificationError(
      "dtype_mismatch",
      name,
      `lora: ${JSON.stringify(name)} has dtype ${dtype}, and must be float32, float64, float16 or bfloat16. ` +
        "The model is unchanged. Leave it out.",
    );
  }
  // The wrong one would be shown as a model that is merely bad.
  if (given === undefined && isAmbiguous(shape)) {
    throw new ModificationError(
      "shape_mismatch",
      name,
      `lora: ${JSON.stringify(name)} has shape [${shape.join(", ")}], which does not tell its outputs from its inputs, ` +
        `and no layout is given. The model is unchanged. Write ${inWords.outIn}, or ${inWords.inOut}.`,
    );
  }
  return given ?? "outIn";
}

interface Found {
  readonly delta: LowRank<unknown>;
  readonly magnitude: unknown;
}

/** What an adapter does to a parameter. @throws TypeError, ModificationError if it cannot */
function findFor(lora: Lora<unknown>, parameter: Parameter): Found {
  const { name, aliases } = parameter;
  const given = [name, ...aliases].filter((known) => Object.hasOwn(lora.adapter, known));
  const all = given.map((known) => {
    const resolved = resolve(lora, known);
    return { ...resolved, layout: layoutFor(parameter, resolved.layout) };
  });
  const first = all[0]!;
  if (
    all.some((each) =>
      (Object.keys(first) as (keyof Resolved<unknown>)[]).some((key) => each[key] !== first[key]),
    )
  ) {
    throw new TypeError(
      `lora: ${given.join(" and ")} are one parameter, and adapter has different factors for it. ` +
        "The model is unchanged. Give one.",
    );
  }
  const { a, b, magnitude, alpha, loraRank, layout } = first;
  const [scaling, what] =
    lora.rsLora === true
      ? [alpha / Math.sqrt(loraRank), "lora: alpha / √loraRank"]
      : [alpha / loraRank, "lora: alpha / loraRank"];
  checkFloat32(what, scaling, parameter);
  return { delta: { kind: "lowRank", a, b, loraRank, scaling, layout }, magnitude };
}

/** The values that a norm depends on, in this order. */
function operandsOf({ delta, magnitude }: Found, { shape }: Parameter): readonly NeededOperand[] {
  const { outputs, inputShape } = matrixOf(shape, delta.layout);
  return [
    { value: delta.a, shape: [delta.loraRank, ...inputShape], role: "lora: factor a for" },
    { value: delta.b, shape: [outputs, delta.loraRank], role: "lora: factor b for" },
    { value: magnitude, shape: [outputs], role: "lora: the magnitude for" },
  ];
}

/** `8`, or `4 to 16`. */
function range(values: readonly number[]): string {
  const [smallest, largest] = [Math.min(...values), Math.max(...values)];
  return smallest === largest ? `${smallest}` : `${smallest} to ${largest}`;
}

export const loraKind: Kind<Lora<unknown>> = {
  properties: ["adapter", "alpha", "loraRank", "layout", "rsLora", "rankPattern", "alphaPattern"],
  check: checkAdapter,
  describe(lora) {
    const all = Object.keys(lora.adapter).map((name) => resolve(lora, name));
    const dora = all.filter(({ magnitude }) => magnitude !== undefined).length;
    const parts = [
      `${all.length} parameter${all.length === 1 ? "" : "s"}`,
      `rank=${range(all.map(({ loraRank }) => loraRank))}`,
      `alpha=${range(all.map(({ alpha }) => alpha))}`,
      ...(lora.rsLora === true ? ["rsLora"] : []),
      ...(dora > 0 ? [`${dora} with magnitude`] : []),
    ];
    return `lora(${parts.join(", ")})`;
  },
  targets: ({ adapter }) => Object.keys(adapter),
  needs(lora, parameter) {
    const found = findFor(lora, parameter);
    if (found.magnitude === undefined) return needsNothing;
    return { norms: { delta: found.delta, a: 0, b: 1 }, operands: operandsOf(found, parameter) };
  },
  steps(lora, parameter, { facts }) {
    const { delta, magnitude } = findFor(lora, parameter);
    const steps: Step<unknown>[] = delta.scaling === 0 ? [] : [{ op: "add", delta }];
    if (magnitude === undefined) return steps;
    const { outputs, axis } = matrixOf(parameter.shape, delta.layout);
    const factors =
      facts === undefined
        ? new Float32Array(outputs).fill(1)
        : doraFactors(parameter, facts.norms, facts.operands[2]!);
    return [...steps, { op: "scale", by: { axis, factors } }];
  },
};
