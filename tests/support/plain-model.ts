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

/** How a store computes with float32. */
export interface Arithmetic {
  /** Whether `w + a · t` rounds the product before it adds it. */
  readonly roundsProducts: boolean;
  /** Whether `w + d` is the sum that gives `w` back but for its lowest bits, rather than the rounded one. */
  readonly addsReversibly: boolean;
  /** Whether operands and results that are subnormal are taken for zeros of their sign: WebGPU may do so. */
  readonly flushesSubnormals: boolean;
}

type Operation = (a: number, b: number) => number;

const SMALLEST_NORMAL = 2 ** -126;

function flushed(x: number): number {
  if (x === 0 || !(Math.abs(x) < SMALLEST_NORMAL)) return x;
  return x < 0 ? -0 : 0;
}

/** An operation as `arithmetic` does it, but for the rounding, which storing the result does. */
function as({ flushesSubnormals }: Arithmetic, operation: Operation): Operation {
  if (!flushesSubnormals) return operation;
  return (a, b) => flushed(Math.fround(operation(flushed(a), flushed(b))));
}

const product = (arithmetic: Arithmetic): Operation => as(arithmetic, (a, b) => a * b);
const sum = (arithmetic: Arithmetic): Operation =>
  arithmetic.addsReversibly ? reversibleSum : as(arithmetic, (a, b) => a + b);

const floats = new Float32Array(1);
const words = new Uint32Array(floats.buffer);
const EXPONENT = 0x7f800000;
/** Exponents of the largest and of the smallest numbers. */
const LARGEST = 0x7f000000;
const SMALLEST = 0x00800000;

function bitsOf(x: number): number {
  floats[0] = x;
  return words[0]!;
}

function floatOf(bits: number): number {
  words[0] = bits;
  return floats[0]!;
}

/** w without the bits below the last place of the sum, plus d rounded to that place: docs/reversible.md. */
export function reversibleSum(w: number, d: number): number {
  const rounded = Math.fround(w + d);
  const exponent = Math.min(bitsOf(rounded) & EXPONENT, LARGEST);
  const own = Math.max(bitsOf(w) & EXPONENT, SMALLEST);
  const below = Math.min(23, Math.max(0, (exponent - own) >> 23));
  const cut = below === 0 ? w : floatOf((bitsOf(w) >>> below) << below);
  const isFiner = (bitsOf(d) & EXPONENT) < exponent;
  const anchor = isFiner ? floatOf(exponent | (bitsOf(d) & 0x80000000)) : 0;
  const exact = Math.fround(cut + Math.fround(Math.fround(d + anchor) - anchor));
  return (bitsOf(exact) & EXPONENT) === (bitsOf(rounded) & EXPONENT) ? exact : rounded;
}

/** `value · factor`, the factor a float32 and the product rounded once. */
export function scaled(factor: number, arithmetic: Arithmetic): Change {
  const times = product(arithmetic);
  return { once: false, of: (value) => value.map((x) => times(x, Math.fround(factor))) };
}

/** `value + noise`. */
export function noisy(std: number, seed: number, arithmetic: Arithmetic): Change {
  const plus = sum(arithmetic);
  return {
    once: false,
    of: (value, name) => {
      const delta = new Float32Array(value.length);
      fillNoise(delta, noiseSource(seed, name, std, "float32"), 0);
      return value.map((x, i) => plus(x, delta[i]!));
    },
  };
}

/** +0 everywhere. */
export const zeroed: Change = { once: false, of: (value) => new Float32Array(value.length) };

/** `value + amount · towards`. */
export function moved(towards: Values, amount: number, arithmetic: Arithmetic): Change {
  const [times, plus] = [product(arithmetic), sum(arithmetic)];
  const round = arithmetic.roundsProducts ? Math.fround : (x: number): number => x;
  return {
    once: false,
    of: (value, name) => value.map((x, i) => plus(x, round(times(Math.fround(amount), towards[name]![i]!)))),
  };
}

/** `value + scaling · a · b` for each matrix, [inputs, outputs], that has factors of rank 1. */
export function lowRankAdded(
  factors: Readonly<Record<string, { readonly a: Float32Array; readonly b: Float32Array }>>,
  scaling: number,
  arithmetic: Arithmetic,
): Change {
  const [times, plus] = [product(arithmetic), sum(arithmetic)];
  return {
    once: false,
    of(value, name) {
      const found = factors[name];
      if (found === undefined) return value;
      const { a, b } = found;
      return value.map((x, i) => {
        const [input, output] = [Math.floor(i / b.length), i % b.length];
        return plus(x, Math.fround(times(a[input]!, scaling * b[output]!)));
      });
    },
  };
}

/** `value + value / 2`, the half a float32: what a custom function gives once. */
export function halfAdded(arithmetic: Arithmetic): Change {
  const [times, plus] = [product(arithmetic), as(arithmetic, (a, b) => a + b)];
  return { once: true, of: (value) => value.map((x) => plus(x, Math.fround(times(x, 0.5)))) };
}

/** `|value|`, which is not arithmetic: no bit but the sign is touched. What a custom function gives once. */
export const magnitude: Change = { once: true, of: (value) => value.map(Math.abs) };
