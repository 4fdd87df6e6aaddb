import { describeValue } from "../errors.ts";
import { checkFinite, checkFloat32, checkOptionsObject, checkProperties, type Kind } from "./kind.ts";

/** A modification that adds Gaussian noise, the same for the same seed on every store. */
export interface Noise {
  readonly type: "noise";
  /** Standard deviation, in the parameter's units or in multiples of its own standard deviation. */
  readonly std: number;
  /** Default: the theater's `seed`. */
  readonly seed?: number;
  /** `"parameterStd"`: `std` is in multiples of the original parameter's standard deviation. */
  readonly relativeTo?: "parameterStd";
}

/**
 * Adds Gaussian noise: `w ← round(w + std · n)` (on typed float32 arrays within 1 ulp of it, see docs/reversible.md), where `n` depends on (seed, parameter name, element) only.
 *
 * The same seed gives the same noise each time, on every store and backend: engines receive these values,
 * their own generators are not used. See `src/random/` for the definition.
 *
 * @param options - `std` ≥ 0; `seed`, an integer from 0 to 2^53 − 1 (required here or in the theater);
 *   `relativeTo: "parameterStd"` to scale with each parameter
 * @throws TypeError, RangeError for a `std` that is negative or not finite, or another kind of seed
 * @example
 * const weights = { kernel: new Float32Array(4) };
 * withTheater(weights, { modification: noise({ std: 0.01, seed: 1 }), layers: "all" }, () => weights.kernel[0]);
 */
export function noise(options: Omit<Noise, "type">): Noise {
  checkOptionsObject("noise({ std, seed })", options);
  const modification = { ...options, type: "noise" } as const;
  checkProperties("noise", modification, noiseKind.properties);
  // A seed may still come from the theater: anything but a missing seed is checked here.
  noiseKind.check(modification, 0);
  return Object.freeze(modification);
}

/** Throws unless `seed` is an integer from 0 to 2^53 − 1. */
export function checkSeed(what: string, seed: unknown): asserts seed is number {
  if (typeof seed !== "number") {
    throw new TypeError(`${what} must be a number, got ${describeValue(seed)}. The model is unchanged.`);
  }
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new RangeError(
      `${what} must be an integer from 0 to 2^53 − 1, got ${seed}. The model is unchanged.`,
    );
  }
}

/** More standard deviations than any sample has (`random/normal.ts`). */
const LARGEST_NORMAL = 6.3;

export const noiseKind: Kind<Noise> = {
  properties: ["std", "seed", "relativeTo"],
  check({ std, seed, relativeTo }, theaterSeed) {
    checkFinite("noise: std", std);
    if (std < 0) throw new RangeError(`noise: std must not be negative, got ${std}. The model is unchanged.`);
    if (relativeTo !== undefined && relativeTo !== "parameterStd") {
      throw new TypeError(
        `noise: relativeTo must be "parameterStd" or absent, got ${describeValue(relativeTo)}. ` +
          "The model is unchanged.",
      );
    }
    if (seed !== undefined) checkSeed("noise: seed", seed);
    else if (theaterSeed === undefined) {
      throw new TypeError(
        "noise: a seed is required, so that the same noise can be had again: noise({ std, seed: 1 }) or the " +
          "theater's seed option. The model is unchanged.",
      );
    }
  },
  describe: ({ std, seed, relativeTo }, theaterSeed) =>
    `noise(std=${std}${relativeTo === undefined ? "" : " × parameter std"}, seed=${seed ?? theaterSeed})`,
  targets: () => "attention",
  needs: ({ std, relativeTo }) => ({ std: relativeTo === "parameterStd" && std > 0 }),
  steps({ std, seed, relativeTo }, parameter, { seed: theaterSeed, facts }) {
    const absolute = relativeTo === undefined ? std : std * (facts?.std ?? 1);
    // Nothing to add, and the noise lattice has no step for a standard deviation of zero.
    if (absolute === 0) return [];
    checkFloat32("noise: std", absolute, parameter, LARGEST_NORMAL);
    return [{ op: "add", delta: { kind: "noise", seed: (seed ?? theaterSeed)!, std: absolute } }];
  },
};
