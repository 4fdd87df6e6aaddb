import { describeValue, ModificationError } from "../errors.ts";
import { didYouMean } from "../hints.ts";
import { isRecord } from "../plain.ts";
import type { Parameter } from "../store.ts";
import { checkFinite, checkFloat32, checkProperties, type Kind } from "./kind.ts";

/** A modification that adds a low-rank adapter (LoRA). */
export interface Lora<T> {
  readonly type: "lora";
  /**
   * Factors by parameter name: `a` is [loraRank, inputs], `b` is [outputs, loraRank], both row-major. Lent while a
   * call opens a theater.
   */
  readonly adapter: Readonly<Record<string, { readonly a: T; readonly b: T }>>;
  /** The delta is `alpha / loraRank · b · a`. */
  readonly alpha: number;
  /** Rows of `a` and columns of `b`. */
  readonly loraRank: number;
  /**
   * `"outIn"` (default): parameters are [outputs, inputs], as in PyTorch and PEFT. `"inOut"`: [inputs, outputs], as
   * the dense kernels of TensorFlow.js; they get the transpose.
   */
  readonly layout?: "outIn" | "inOut";
}

/**
 * Adds low-rank adapters: `w ← w + (alpha / loraRank) · b · a`, without a merged copy of the model.
 *
 * `a` has shape [loraRank, inputs] and `b` [outputs, loraRank], row-major. Parameters have shape [outputs, inputs],
 * or with `layout: "inOut"` [inputs, outputs], and get the transpose. It applies to every name in `adapter`; a tied
 * parameter may go by any of its names.
 *
 * The factors are lent while the call opens a theater; the theater keeps its own copy, so that changing them
 * inside changes nothing.
 *
 * Source: Hu et al., LoRA: Low-Rank Adaptation of Large Language Models, 2021, arXiv 2106.09685. Names are those of
 * PEFT: its `lora_A.weight` is `a`, its `lora_B.weight` is `b`.
 *
 * @param adapter - factors by parameter name
 * @param options - `alpha`, any finite number (0 adds nothing); `loraRank`, a positive integer; `layout`
 * @throws TypeError, RangeError for arguments of another kind, and for an adapter without entries
 * @throws ModificationError when a theater opens: `shape_mismatch` for a parameter that has not two dimensions, or
 *   factors of other sizes; `dtype_mismatch` for an integer parameter, or factors in arrays of another kind;
 *   `non_finite` for a factor that holds NaN or infinity
 * @example
 * const weights = { kernel: { data: Float32Array.of(1, 2, 3, 4, 5, 6), shape: [2, 3], dtype: "float32" } } as const;
 * const adapter = { kernel: { a: Float32Array.of(1, 0, -1), b: Float32Array.of(1, 2) } };
 * const modification = lora(adapter, { alpha: 0.5, loraRank: 1 });
 * withTheater(weights, { modification }, () => [...weights.kernel.data]); // [1.5, 2, 2.5, 5, 5, 5]
 */
export function lora<T>(
  adapter: Readonly<Record<string, { readonly a: T; readonly b: T }>>,
  options: { readonly alpha: number; readonly loraRank: number; readonly layout?: "outIn" | "inOut" },
): Lora<T> {
  const modification: Lora<T> = { layout: "outIn", ...options, type: "lora", adapter };
  checkProperties("lora", modification, loraKind.properties);
  loraKind.check(modification, undefined);
  return Object.freeze(modification);
}

function checkAdapter(adapter: unknown): void {
  if (!isRecord(adapter)) {
    throw new TypeError(
      `lora: adapter must be a record of { a, b } by parameter name, got ${describeValue(adapter)}. ` +
        "The model is unchanged.",
    );
  }
  const entries = Object.entries(adapter);
  if (entries.length === 0) throw new RangeError("lora: adapter is empty. The model is unchanged.");
  for (const [name, factors] of entries) {
    const what = `lora: adapter[${JSON.stringify(name)}]`;
    if (!isRecord(factors)) {
      throw new TypeError(`${what} must be { a, b }, got ${describeValue(factors)}. The model is unchanged.`);
    }
    checkProperties(what, factors, ["a", "b"]);
    for (const key of ["a", "b"]) {
      if (factors[key] !== undefined) continue;
      throw new TypeError(`${what} must be { a, b }, and has no ${key}. The model is unchanged.`);
    }
  }
}

/** Throws ModificationError for a parameter that no product of two matrices can be added to. */
function checkParameter({ name, shape, dtype }: Parameter, layout: "outIn" | "inOut"): void {
  const needed = layout === "outIn" ? "[outputs, inputs]" : "[inputs, outputs]";
  if (shape.length !== 2) {
    throw new ModificationError(
      "shape_mismatch",
      name,
      `lora: ${JSON.stringify(name)} has shape [${shape.join(", ")}], and must have two dimensions, ${needed}. ` +
        "The model is unchanged. Give it as { data, shape, dtype }, or leave it out.",
    );
  }
  if (!/^(float|bfloat)/.test(dtype)) {
    throw new ModificationError(
      "dtype_mismatch",
      name,
      `lora: ${JSON.stringify(name)} has dtype ${dtype}, and must be float32, float64, float16 or bfloat16. ` +
        "The model is unchanged. Leave it out.",
    );
  }
}

export const loraKind: Kind<Lora<unknown>> = {
  properties: ["adapter", "alpha", "loraRank", "layout"],
  check({ adapter, alpha, loraRank, layout }) {
    checkAdapter(adapter);
    checkFinite("lora: alpha", alpha);
    checkFinite("lora: loraRank", loraRank);
    if (!Number.isSafeInteger(loraRank) || loraRank < 1) {
      throw new RangeError(
        `lora: loraRank must be a positive integer, got ${loraRank}. The model is unchanged.`,
      );
    }
    if (layout !== undefined && layout !== "outIn" && layout !== "inOut") {
      const hint = typeof layout === "string" ? didYouMean(layout, ["outIn", "inOut"]) : "";
      throw new TypeError(
        `lora: layout must be "outIn" or "inOut", got ${describeValue(layout)}.${hint} The model is unchanged.`,
      );
    }
  },
  describe({ adapter, alpha, loraRank }) {
    const count = Object.keys(adapter).length;
    return `lora(${count} parameter${count === 1 ? "" : "s"}, rank=${loraRank}, alpha=${alpha})`;
  },
  targets: ({ adapter }) => Object.keys(adapter),
  needsStd: () => false,
  steps({ adapter, alpha, loraRank, layout = "outIn" }, parameter) {
    const { name, aliases } = parameter;
    checkParameter(parameter, layout);
    const given = [name, ...aliases].filter((known) => Object.hasOwn(adapter, known));
    const { a, b } = adapter[given[0]!]!;
    if (given.some((known) => adapter[known]!.a !== a || adapter[known]!.b !== b)) {
      throw new TypeError(
        `lora: ${given.join(" and ")} are one parameter, and adapter has different factors for it. ` +
          "The model is unchanged. Give one.",
      );
    }
    const scaling = alpha / loraRank;
    if (scaling === 0) return [];
    checkFloat32("lora: alpha / loraRank", scaling, parameter);
    return [{ op: "add", delta: { kind: "lowRank", a, b, loraRank, scaling, layout } }];
  },
};
