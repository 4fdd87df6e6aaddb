/**
 * Gaussian noise as a function of (seed, parameter name, global element index), the folder's public face.
 * Guarantees that the value of an element is the same whatever part of the parameter is asked for, in any
 * order, on any runtime: no state is kept between calls.
 */
/* oxlint-disable typescript/no-non-null-assertion -- indices are in range by construction; a check would cost the loop */
import { noiseKey, type NoiseKey } from "./key.ts";
import { latticeMagnitude, noiseLattice, type Lattice } from "./lattice.ts";
import { normalMagnitude, normalTable } from "./normal.ts";
import { threefryWords } from "./threefry.ts";

/** Formats that noise can be added to. */
export type NoiseDType = "float32" | "float64" | "float16" | "bfloat16";

/** All that determines the noise of one parameter: a plain value, cheap to make and to send to a worker. */
export interface NoiseSource {
  readonly key: NoiseKey;
  readonly lattice: Lattice;
}

/**
 * The noise of parameter `name` under `seed`, with standard deviation `std`.
 *
 * float32 and float64 parameters get the same deltas; float16 and bfloat16 ones a lattice eight times finer.
 * Doubling std doubles every delta exactly.
 *
 * @param seed - an integer, 0 ≤ seed ≤ 2^53 − 1
 * @param std - finite and > 0; see {@link noiseLattice} for the range in which deltas are exact
 * @throws TypeError or RangeError, starting with "noise: ", for a bad seed, name, std or dtype
 */
export function noiseSource(seed: number, name: string, std: number, dtype: NoiseDType): NoiseSource {
  const sixteenBit = dtype === "float16" || dtype === "bfloat16";
  if (!sixteenBit && dtype !== "float32" && dtype !== "float64") {
    throw new TypeError(`noise: dtype must be a floating-point format, got ${String(dtype)}`);
  }
  return { key: noiseKey(seed, name), lattice: noiseLattice(std, sixteenBit) };
}

const BLOCK = 1024;

/** Words of the block in hand. Shared by all calls: none of them runs other code while it is in use. */
const words = new Uint32Array(BLOCK);

/** Turn `count` words, from `words[skip]` on, into `out[at]` and the following. */
function writeDeltas(
  out: Float32Array | Float64Array,
  at: number,
  skip: number,
  count: number,
  lattice: Lattice,
  table: Uint32Array,
): void {
  const { high, low, shift, quantum } = lattice;
  for (let i = 0; i < count; i++) {
    const word = words[skip + i]! | 0;
    const magnitude = latticeMagnitude(normalMagnitude(word, table), high, low, shift);
    const sign = word >> 31;
    out[at + i] = ((magnitude ^ sign) - sign) * quantum;
  }
}

/**
 * Write the deltas of elements `first` … `first + out.length − 1` to `out`.
 *
 * Each delta is an odd integer times `source.lattice.quantum`, exact in float32 (hence the same in either
 * array type) while std is in the range that {@link noiseLattice} states.
 *
 * @param out - any length and offset; only written
 * @param first - global index of `out[0]` in the whole, unsharded parameter, 0 ≤ first ≤ 2^53 − out.length
 * @throws RangeError, before anything is written, if `first` is not an integer of that range
 */
export function fillNoise(out: Float32Array | Float64Array, source: NoiseSource, first: number): void {
  const { key, lattice } = source;
  const length = out.length;
  if (!Number.isInteger(first) || first < 0 || first > 2 ** 53 - length) {
    throw new RangeError(`noise: first element must be an integer from 0 to 2^53 - ${length}, got ${first}`);
  }
  const table = normalTable();
  let skip = first % 16;
  let group = first - skip;
  for (let done = 0; done < length;) {
    const count = Math.min(length - done, BLOCK - skip);
    threefryWords(words, key, group, (skip + count + 15) & ~15);
    writeDeltas(out, done, skip, count, lattice, table);
    done += count;
    group += BLOCK;
    skip = 0;
  }
}
