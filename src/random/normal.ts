/**
 * From a uniform 32-bit word to the magnitude of a standard normal, in integers: inverse CDF by table and linear
 * interpolation. Guarantees the same table bytes and the same integer on every engine: the table needs
 * + - * / and the square root only, which IEEE 754 rounds exactly, and `Math.log` is never called.
 */
/* oxlint-disable typescript/no-non-null-assertion -- indices are in range by construction; a check would cost the loop */

/** Fraction bits of a normal as an integer: 1 σ is 2^17. */
export const NORMAL_FRACTION_BITS = 17;

const OCTAVES = 31;
const SEGMENTS = 64;

/* oxlint-disable no-loss-of-precision, oxc/approx-constant -- the digits as published, so that they can be compared */
// Wichura, AS 241 (PPND16), Applied Statistics 37 (1988), highest power first: numerator and denominator of
// the centre, of the tail to sqrt(-log u) = 5, and of the far tail
const CENTRE_P = [
  2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457,
  13731.693765509461125, 1971.5909503065514427, 133.14166789178437745, 3.387132872796366608,
];
const CENTRE_Q = [
  5226.495278852545925, 28729.085735721942674, 39307.89580009271061, 21213.794301586595867,
  5394.1960214247511077, 687.1870074920579083, 42.313330701600911252, 1,
];
const TAIL_P = [
  7.7454501427834140764e-4, 0.0227238449892691845833, 0.24178072517745061177, 1.27045825245236838258,
  3.64784832476320460504, 5.7694972214606914055, 4.6303378461565452959, 1.42343711074968357734,
];
const TAIL_Q = [
  1.05075007164441684324e-9, 5.475938084995344946e-4, 0.0151986665636164571966, 0.14810397642748007459,
  0.68976733498510000455, 1.6763848301838038494, 2.05319162663775882187, 1,
];
const FAR_P = [
  2.01033439929228813265e-7, 2.71155556874348757815e-5, 0.0012426609473880784386, 0.026532189526576123093,
  0.29656057182850489123, 1.7848265399172913358, 5.4637849111641143699, 6.6579046435011037772,
];
const FAR_Q = [
  2.04426310338993978564e-15, 1.4215117583164458887e-7, 1.8463183175100546818e-5, 7.868691311456132591e-4,
  0.0148753612908506148525, 0.13692988092273580531, 0.59983220655588793769, 1,
];

function horner(coefficients: readonly number[], x: number): number {
  return coefficients.reduce((sum, coefficient) => sum * x + coefficient);
}

/** Natural logarithm of x > 0 by its area-hyperbolic-tangent series; engines differ in `Math.log`'s last bit. */
function logarithm(x: number): number {
  let exponent = 0;
  for (; x >= 1.4142135623730951; x /= 2) exponent++;
  for (; x < 0.7071067811865476; x *= 2) exponent--;
  const t = (x - 1) / (x + 1);
  const square = t * t;
  let sum = 0;
  for (let k = 41; k >= 1; k -= 2) sum = sum * square + 1 / k;
  return 2 * t * sum + exponent * 0.6931471805599453;
}

/** The z with P(Z > z) = u for a standard normal Z and u in (0, 0.5]; relative error about 1e-16 (AS 241). */
export function upperTailQuantile(u: number): number {
  const q = 0.5 - u;
  if (q <= 0.425) {
    const r = 0.180625 - q * q;
    return (q * horner(CENTRE_P, r)) / horner(CENTRE_Q, r);
  }
  const r = Math.sqrt(-logarithm(u));
  if (r <= 5) return horner(TAIL_P, r - 1.6) / horner(TAIL_Q, r - 1.6);
  return horner(FAR_P, r - 5) / horner(FAR_Q, r - 5);
}

let table: Uint32Array<ArrayBuffer> | undefined;

/**
 * The inverse-CDF table, made on first use: 31 octaves of 64 segments, CRC-32 19143913 as little-endian bytes.
 *
 * Entry 64 * o + s belongs to v = 2^o * (1 + s / 64) and holds T << 11 | slope: T is the Q17 quantile of the
 * upper-tail probability v / 2^32, slope is T minus the next entry's T.
 *
 * @returns the one shared table; read it, never write it
 */
export function normalTable(): Uint32Array<ArrayBuffer> {
  table ??= makeTable();
  return table;
}

function makeTable(): Uint32Array<ArrayBuffer> {
  const size = OCTAVES * SEGMENTS;
  const entries = new Uint32Array(size);
  let probability = 2 ** -32;
  const quantiles: number[] = [];
  for (let octave = 0; octave < OCTAVES; octave++, probability *= 2) {
    for (let segment = 0; segment < SEGMENTS; segment++) {
      const z = upperTailQuantile(probability * (1 + segment / SEGMENTS));
      quantiles.push(Math.round(z * (1 << NORMAL_FRACTION_BITS)));
    }
  }
  // v = 2^31 is probability one half
  quantiles.push(0);
  for (let i = 0; i < size; i++) {
    const start = quantiles[i]!;
    entries[i] = start * 2048 + (start - quantiles[i + 1]!);
  }
  return entries;
}

/**
 * |z| of a word, in Q17: an integer from 1 to 816,613 (6.23 σ), within 3.2 of the exact quantile. The sign is
 * bit 31 of the word (set = negative); the caller applies it, after the step to the lattice.
 *
 * The upper-tail probability is v / 2^32 with v = the low 31 bits, cut to 24 significant ones where v ≥ 2^24
 * (WASM takes the octave from an exact integer → float32 conversion) and at least 1.
 *
 * @param word - any integer; its low 32 bits count
 * @param entries - {@link normalTable}
 */
export function normalMagnitude(word: number, entries: Uint32Array): number {
  let v = word & 0x7fffffff;
  if (v > 0xffffff) v &= ~0x7f;
  else if (v === 0) v = 1;
  const zeros = Math.clz32(v);
  const aligned = v << zeros;
  const entry = entries[((31 - zeros) << 6) | ((aligned >>> 25) & 63)]!;
  return (entry >>> 11) - (Math.imul(entry & 0x7ff, (aligned >>> 9) & 0xffff) >>> 16);
}
