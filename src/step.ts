/** All that a store has to understand of modifications: four steps, and what they bring along. */

/** What a custom modification is told about the parameter it gets. */
export interface ParameterInfo {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: string;
  /** Position in the model's stable order of parameters. */
  readonly index: number;
}

/**
 * The order of a parameter's dimensions: outputs first, [outputs, ...inputs] (PyTorch's linear layers and
 * convolutions), or last, [...inputs, outputs] (TensorFlow.js' dense layers and convolutions, embeddings).
 */
export type Layout = "outIn" | "inOut";

/** The factors of a low-rank delta: `scaling · b · a`, or its transpose. */
export interface LowRank<T> {
  readonly kind: "lowRank";
  /** [loraRank, inputs], row-major; several dimensions of inputs are flattened, in the parameter's order. */
  readonly a: T;
  /** [outputs, loraRank], row-major. */
  readonly b: T;
  readonly loraRank: number;
  /** A finite number. */
  readonly scaling: number;
  /** Of a parameter with at least two dimensions. */
  readonly layout: Layout;
}

/** A change that can be computed again, bit for bit, whenever it is needed. `T` is the store's array type. */
export type Delta<T> =
  | { readonly kind: "noise"; readonly seed: number; readonly std: number }
  | { readonly kind: "values"; readonly times: number; readonly of: T }
  | LowRank<T>;

/** A factor for each index along one axis: element i of the parameter has the factor of its index there. */
export interface AxisFactors {
  readonly axis: number;
  /** As many as the parameter is long along `axis`; on the host for every store. */
  readonly factors: Float32Array;
}

/** What replaces a parameter: given values, or what is made of those below, once, at opening. */
export type Replacement<T> =
  | { readonly kind: "values"; readonly of: T }
  | {
      readonly kind: "computed";
      // A method, so that what is written for one array type can be handled where the type is not known.
      compute(value: T, info: ParameterInfo): T;
      /** Whether `compute` returns modified − original, or the modified value. */
      readonly returns: "delta" | "value";
    }
  | {
      /** What this library makes of all the values below, on the host. */
      readonly kind: "derived";
      /** Whether each value depends on the one below it alone: then a part of a parameter is enough. */
      readonly elementwise: boolean;
      /** In place; float64 for float64 parameters. */
      derive(values: Float32Array | Float64Array): void;
    };

/** All that a store has to understand. The result is rounded to the parameter's dtype after each step. */
export type Step<T> =
  | { readonly op: "scale"; readonly by: number | AxisFactors }
  | { readonly op: "add"; readonly delta: Delta<T> }
  | { readonly op: "zero" }
  | { readonly op: "replace"; readonly by: Replacement<T> };

/** Whether a step runs user code. */
export function isComputed(step: Step<unknown>): boolean {
  return step.op === "replace" && step.by.kind === "computed";
}

/** Whether a step needs all of a parameter, where only a part of it is here. */
export function needsWhole(step: Step<unknown>): boolean {
  return isResult(step) && !(step.op === "replace" && step.by.kind === "derived" && step.by.elementwise);
}

/** Whether a step makes something of all the values below it, which then stays. */
export function isResult(step: Step<unknown>): boolean {
  return step.op === "replace" && step.by.kind !== "values";
}

/** The values, of the parameter's size, that a step is given. */
export function operandOf<T>(step: Step<T>): T | undefined {
  if (step.op === "replace" && step.by.kind === "values") return step.by.of;
  return step.op === "add" && step.delta.kind === "values" ? step.delta.of : undefined;
}

/** All arrays of the store that a step is given. */
export function operandsOf<T>(step: Step<T>): readonly T[] {
  if (step.op === "add" && step.delta.kind === "lowRank") return [step.delta.a, step.delta.b];
  const operand = operandOf(step);
  return operand === undefined ? [] : [operand];
}
