/**
 * What to compare parked bits with. For a sample: what the plain inverse misses the weights by, and the least that any
 * method must hold. And a way to restore without a theater: the delta is kept as it is and subtracted again.
 */

/** Weights, by their format: bfloat16 as bits. */
export type Weights = Float32Array<ArrayBuffer> | Uint16Array<ArrayBuffer>;

/** A modification, as whoever writes it by hand has it. */
export type Change =
  | { readonly factor: number }
  /** Writes the deltas of elements `first` and following. */
  | { readonly write: (deltas: Float32Array, first: number) => void };

const word = new Int32Array(1);
const number = new Float32Array(word.buffer);

/** Bits of the bfloat16 nearest to a float32 given by its bits. */
function roundedBits(bits: number): number {
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

// Loops over four elements at a time, `count` a multiple of 4: in the obvious ones the compiler spends twice the time.

function roundAll(words: Int32Array, out: Uint16Array, count: number): void {
  for (let i = 0; i < count; i += 4) {
    out[i] = roundedBits(words[i]!);
    out[i + 1] = roundedBits(words[i + 1]!);
    out[i + 2] = roundedBits(words[i + 2]!);
    out[i + 3] = roundedBits(words[i + 3]!);
  }
}

function shiftAll(bits: Uint16Array, words: Int32Array, count: number): void {
  for (let i = 0; i < count; i += 4) {
    words[i] = bits[i]! << 16;
    words[i + 1] = bits[i + 1]! << 16;
    words[i + 2] = bits[i + 2]! << 16;
    words[i + 3] = bits[i + 3]! << 16;
  }
}

function addAll(values: Float32Array, deltas: Float32Array, count: number): void {
  for (let i = 0; i < count; i += 4) {
    values[i]! += deltas[i]!;
    values[i + 1]! += deltas[i + 1]!;
    values[i + 2]! += deltas[i + 2]!;
    values[i + 3]! += deltas[i + 3]!;
  }
}

function subtractAll(values: Float32Array, deltas: Float32Array, count: number): void {
  for (let i = 0; i < count; i += 4) {
    values[i]! -= deltas[i]!;
    values[i + 1]! -= deltas[i + 1]!;
    values[i + 2]! -= deltas[i + 2]!;
    values[i + 3]! -= deltas[i + 3]!;
  }
}

function multiplyAll(values: Float32Array, by: number, deltas: Float32Array, count: number): void {
  for (let i = 0; i < count; i += 4) {
    deltas[i] = values[i]! * by;
    deltas[i + 1] = values[i + 1]! * by;
    deltas[i + 2] = values[i + 2]! * by;
    deltas[i + 3] = values[i + 3]! * by;
  }
}

export function toBfloat16(
  values: Float32Array,
  out = new Uint16Array(values.length),
): Uint16Array<ArrayBuffer> {
  const bits = new Int32Array(values.buffer, values.byteOffset, values.length);
  roundAll(bits, out, bits.length);
  return out;
}

function fromBfloat16(bits: Uint16Array, out = new Float32Array(bits.length)): Float32Array {
  const words = new Int32Array(out.buffer, out.byteOffset, bits.length);
  shiftAll(bits, words, bits.length);
  return out;
}

/** A format as integers: neighbours are 1 apart, and negative numbers negative. */
interface Ordered {
  /** That of the float32 nearest to `value`, or of the bfloat16 nearest to that. */
  of(value: number): number;
  valueOf(ordered: number): number;
}

const orderedFloat32: Ordered = {
  of(value) {
    number[0] = value;
    return word[0]! < 0 ? -(word[0]! & 0x7fffffff) : word[0]!;
  },
  valueOf(ordered) {
    word[0] = ordered < 0 ? -ordered | 0x80000000 : ordered;
    return number[0]!;
  },
};

const orderedBfloat16: Ordered = {
  of(value) {
    number[0] = value;
    const bits = roundedBits(word[0]! & 0x7fffffff);
    return word[0]! < 0 ? -bits : bits;
  },
  valueOf: (ordered) => orderedFloat32.valueOf(ordered * 65536),
};

/** Steps that can be taken from `from` in one direction while a monotone function still says yes. */
function reach(from: number, direction: 1 | -1, stays: (ordered: number) => boolean): number {
  let beyond = 1;
  while (stays(from + direction * beyond)) beyond *= 2;
  let within = Math.floor(beyond / 2);
  while (beyond - within > 1) {
    const middle = Math.floor((within + beyond) / 2);
    if (stays(from + direction * middle)) within = middle;
    else beyond = middle;
  }
  return within;
}

/**
 * Of the rounded result p' of every weight p: what p' with the change taken back and rounded misses p by, in neighbours;
 * and the mean of log2 N, where N weights have the result p'. That is what it takes to tell which of them it was.
 */
export function informationOf(
  weights: Weights,
  change: Change,
): { readonly residues: Int32Array; readonly floor: number } {
  const isWide = weights instanceof Float32Array;
  const { of, valueOf } = isWide ? orderedFloat32 : orderedBfloat16;
  const values = isWide ? weights : fromBfloat16(weights);
  const deltas = new Float32Array(values.length);
  const factor = "factor" in change ? Math.fround(change.factor) : 1;
  if ("write" in change) change.write(deltas, 0);
  const residues = new Int32Array(values.length);
  let bits = 0;
  for (let i = 0; i < values.length; i++) {
    const p = of(values[i]!);
    const delta = deltas[i]!;
    const result = of(values[i]! * factor + delta);
    residues[i] = p - of((valueOf(result) - delta) / factor);
    const stays = (other: number): boolean => of(valueOf(other) * factor + delta) === result;
    bits += Math.log2(1 + reach(p, 1, stays) + reach(p, -1, stays));
  }
  return { residues, floor: bits / values.length };
}

/** Lengths are multiples of this. */
const WINDOW = 4096;

/**
 * How the Python package does it, by hand on ready memory: the whole delta is kept, in the format of the weights, and
 * closing subtracts it, which rounds.
 */
export function keptDelta(
  weights: Weights,
  change: Change,
): { readonly bytes: number; readonly open: () => void; readonly close: () => void } {
  const kept = weights.slice();
  const isWide = weights instanceof Float32Array;
  const round = isWide
    ? Math.fround
    : (value: number): number => fromBfloat16(toBfloat16(new Float32Array(4).fill(value)))[0]!;
  const by = "factor" in change ? round(round(change.factor) - 1) : 0;
  const [values, deltas] = [new Float32Array(WINDOW), new Float32Array(WINDOW)];
  const eachWindow = (isOpening: boolean): void => {
    for (let first = 0; first < weights.length; first += WINDOW) {
      const [shown, store] = [weights.subarray(first, first + WINDOW), kept.subarray(first, first + WINDOW)];
      const v = shown instanceof Float32Array ? shown : fromBfloat16(shown, values);
      const d = store instanceof Float32Array ? store : deltas;
      if (isOpening) {
        if ("write" in change) change.write(d, first);
        else multiplyAll(v, by, d, WINDOW);
        if (store instanceof Uint16Array) toBfloat16(d, store);
      }
      if (store instanceof Uint16Array) fromBfloat16(store, d);
      if (isOpening) addAll(v, d, WINDOW);
      else subtractAll(v, d, WINDOW);
      if (shown instanceof Uint16Array) toBfloat16(v, shown);
    }
  };
  return { bytes: kept.byteLength, open: () => eachWindow(true), close: () => eachWindow(false) };
}

/** How many of `weights` have other bits than in `others`. */
export function countDifferences(weights: Weights, others: Weights): number {
  const [a, b] = [weights, others].map(({ buffer, byteOffset, length, BYTES_PER_ELEMENT }) =>
    BYTES_PER_ELEMENT === 4
      ? new Uint32Array(buffer, byteOffset, length)
      : new Uint16Array(buffer, byteOffset, length),
  );
  let count = 0;
  for (let i = 0; i < weights.length; i++) if (a![i] !== b![i]) count++;
  return count;
}
