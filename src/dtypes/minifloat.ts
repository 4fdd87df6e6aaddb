/**
 * Sixteen-bit binary floating point of any split between exponent and fraction: the one place that rounds.
 * Guarantees that encoding rounds the float64 once, to nearest, ties to even (going through float32 first
 * would round twice and differ), and that decoding is exact.
 */

/** A format: sign bit, exponent with IEEE 754 bias, fraction; 16 bits together. */
export interface Minifloat {
  readonly exponentBits: number;
  readonly fractionBits: number;
}

const view = new DataView(new ArrayBuffer(8));

/** Exponent field of float64 minus that of the format, for the same power of two. */
function rebias(format: Minifloat): number {
  return 1023 - (2 ** (format.exponentBits - 1) - 1);
}

/**
 * Value of a bit pattern, exact: subnormals, ± 0 and ± infinity included. A NaN gives a NaN; its payload is
 * kept where the engine keeps payloads.
 *
 * @param bits - the low 16 bits count
 */
export function decodeMinifloat(bits: number, format: Minifloat): number {
  const { fractionBits } = format;
  const top = 2 ** format.exponentBits - 1;
  const exponent = (bits >>> fractionBits) & top;
  const fraction = bits & ((1 << fractionBits) - 1);
  const sign = (bits & 0x8000) << 16;
  // the smallest normal number with the sign, or the number itself
  const field = exponent === top ? 2047 : Math.max(exponent, 1) + rebias(format);
  const known = exponent === 0 ? 0 : fraction;
  view.setUint32(0, sign | (field << 20) | (known << (20 - fractionBits)));
  view.setUint32(4, 0);
  const value = view.getFloat64(0);
  // exact: a power of two times an integer over a power of two
  return exponent === 0 ? value * (fraction / (1 << fractionBits)) : value;
}

/**
 * Bit pattern nearest to a value, ties to even; beyond the largest finite value plus half its last place ±
 * infinity; -0 stays -0, a NaN gives a quiet NaN.
 *
 * @returns an integer in [0, 65535]
 */
export function encodeMinifloat(value: number, format: Minifloat): number {
  const { fractionBits } = format;
  view.setFloat64(0, value);
  const head = view.getUint32(0);
  const tail = view.getUint32(4);
  const sign = (head >>> 16) & 0x8000;
  const magnitude = head & 0x7fffffff;
  const infinity = 0x7fff & (-1 << fractionBits);
  if (magnitude >= 0x7ff00000) {
    if (magnitude === 0x7ff00000 && tail === 0) return sign | infinity;
    const payload = (magnitude >>> (20 - fractionBits)) & ((1 << fractionBits) - 1);
    return sign | infinity | (1 << (fractionBits - 1)) | payload;
  }
  const exponent = (magnitude >>> 20) - rebias(format);
  let kept = magnitude;
  let drop = 20 - fractionBits;
  if (exponent > 0) {
    kept -= rebias(format) << 20;
  } else {
    // subnormal result: the leading one becomes explicit and shifts right with the rest
    drop += 1 - exponent;
    if (drop > 21) return sign;
    kept = (magnitude & 0xfffff) | 0x100000;
  }
  const rest = kept & ((1 << drop) - 1);
  const half = 1 << (drop - 1);
  const truncated = kept >>> drop;
  const up = rest > half || (rest === half && (tail !== 0 || (truncated & 1) === 1));
  // a carry out of the fraction enters the exponent, which is the right successor, infinity included
  return sign | Math.min(truncated + (up ? 1 : 0), infinity);
}
