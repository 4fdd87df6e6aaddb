import { describeValue } from "../errors.ts";
import { isRecord } from "../plain.ts";
import { checkFinite, checkFloat32, type Kind, needsNothing } from "./kind.ts";

/** A modification that moves parameters towards other values: averaged, best, or another model's. */
export interface Interpolate<T> {
  readonly type: "interpolate";
  /** Values by parameter name. Lent: not copied where arrays are immutable, never consumed. */
  readonly towards: Readonly<Record<string, T>>;
  /** 0 leaves a parameter as it is, 1 (default) replaces it. */
  readonly amount?: number;
}

/**
 * Moves parameters towards other values: `w ← (1 − amount) · w + amount · towards`.
 *
 * With amount 1, the default, parameters are replaced: on engines with immutable tensors the given tensors
 * themselves are shown and nothing is copied. Otherwise it is a scale and an addition, each rounded once.
 * It applies to every name in `towards`, BatchNorm statistics included.
 *
 * @param towards - values by parameter name, each of the parameter's shape and dtype (or, on typed arrays,
 *   a Float32Array for a 16-bit parameter)
 * @param amount - any finite number; beyond 0 and 1 it extrapolates
 * @throws TypeError, RangeError for arguments of another kind
 * @example
 * const weights = { kernel: Float32Array.of(1, 2) };
 * const average = { kernel: Float32Array.of(3, 4) };
 * withTheater(weights, { modification: interpolate(average) }, () => weights.kernel[0]); // 3
 */
export function interpolate<T>(towards: Readonly<Record<string, T>>, amount = 1): Interpolate<T> {
  const modification = { type: "interpolate", towards, amount } as const;
  interpolateKind.check(modification, undefined);
  return Object.freeze(modification);
}

export const interpolateKind: Kind<Interpolate<unknown>> = {
  properties: ["towards", "amount"],
  check({ towards, amount }) {
    if (!isRecord(towards)) {
      throw new TypeError(
        `interpolate: towards must be a record of values by parameter name, got ${describeValue(towards)}. ` +
          "The model is unchanged. Of an Ema give its weights: interpolate(ema.weights).",
      );
    }
    if (Object.keys(towards).length === 0) {
      throw new RangeError(
        "interpolate: towards is empty. The model is unchanged. Has the average been updated?",
      );
    }
    if (amount !== undefined) checkFinite("interpolate: amount", amount);
  },
  describe: ({ towards, amount }) =>
    `interpolate(towards ${Object.keys(towards).length} parameters, amount=${amount ?? 1})`,
  targets: ({ towards }) => Object.keys(towards),
  needs: () => needsNothing,
  steps({ towards, amount = 1 }, parameter) {
    const { name, aliases } = parameter;
    const given = [name, ...aliases].filter((known) => Object.hasOwn(towards, known));
    if (new Set(given.map((known) => towards[known])).size > 1) {
      throw new TypeError(
        `interpolate: ${given.join(" and ")} are one parameter, and towards has different values for it. ` +
          "The model is unchanged. Give one.",
      );
    }
    const of = towards[given[0]!];
    if (amount === 1) return [{ op: "replace", by: { kind: "values", of } }];
    checkFloat32("interpolate: amount", amount, parameter);
    return [
      { op: "scale", by: 1 - amount },
      { op: "add", delta: { kind: "values", times: amount, of } },
    ];
  },
};
