/**
 * What a theater must show, in the plainest way: a model that keeps its original and, whenever it is asked,
 * applies the open modifications to it in opening order, rounding to float32 after each.
 */
import { fillNoise, noiseSource } from "../../src/random/noise.ts";
import type { Values } from "./bits.ts";

/** One change of one parameter's values. */
export interface Change {
  readonly of: (value: Float32Array, name: string) => Float32Array;
  /** Computed once, at opening: what it made then stays, whatever closes below it. */
  readonly once: boolean;
}

type Fold = (value: Float32Array, name: string) => Float32Array;

/** A model that can only be right. */
export class PlainModel {
  original: Values;
  readonly #open = new Map<object, readonly Fold[]>();

  constructor(original: Values) {
    this.original = original;
  }

  /** What would be seen now. */
  visible(): Values {
    return Object.fromEntries(
      Object.entries(this.original).map(([name, value]) => [
        name,
        [...this.#open.values()].flat().reduce((current, fold) => fold(current, name), value),
      ]),
    );
  }

  /** Opens `changes`; the returned key closes them. */
  open(changes: readonly Change[]): object {
    let now = this.visible();
    const folds = changes.map(({ of, once }): Fold => {
      const made = Object.fromEntries(Object.entries(now).map(([name, value]) => [name, of(value, name)]));
      now = made;
      return once ? (_, name) => made[name]! : of;
    });
    const key = {};
    this.#open.set(key, folds);
    return key;
  }

  close(key: object): void {
    this.#open.delete(key);
  }
}

/** `value · factor`, the factor a float32 and the product rounded once. */
export function scaled(factor: number): Change {
  return { once: false, of: (value) => value.map((x) => x * Math.fround(factor)) };
}

/** `value + noise`, rounded once. */
export function noisy(std: number, seed: number): Change {
  return {
    once: false,
    of: (value, name) => {
      const delta = new Float32Array(value.length);
      fillNoise(delta, noiseSource(seed, name, std, "float32"), 0);
      return value.map((x, i) => x + delta[i]!);
    },
  };
}

/** +0 everywhere. */
export const zeroed: Change = { once: false, of: (value) => new Float32Array(value.length) };

/** `value + times · towards`; some stores round the product before they add it. */
export function moved(towards: Values, times: number, roundsProducts: boolean): Change {
  const round = roundsProducts ? Math.fround : (x: number): number => x;
  return {
    once: false,
    of: (value, name) => value.map((x, i) => x + round(Math.fround(times) * towards[name]![i]!)),
  };
}
