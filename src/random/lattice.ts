/**
 * The lattice noise lies on: deltas are odd integers times a power of two near std / 2^12. Guarantees that a
 * delta carries at most 19 bits (16 with the float32 lattice), so it is exact in float32; being odd, it is
 * unbiased after truncation and never ties when added to a coarser parameter.
 */

/** Deltas of one standard deviation: ± (((z·high + (z·low >>> 12)) >>> shift) | 1) · quantum, z in Q17. */
export interface Lattice {
  /** Upper part of R = round(std / 2^k · 2^12), k = floor(log2 std) − 11: R >>> 12, from 2048 to 4096. */
  readonly high: number;
  /** Lower 12 bits of R. */
  readonly low: number;
  /** 16 for the float32 lattice, 13 for that of the 16-bit formats. */
  readonly shift: 16 | 13;
  /** The power of two: 2^(k−1) for the float32 lattice, 2^(k−4) for the 16-bit formats. */
  readonly quantum: number;
}

const view = new DataView(new ArrayBuffer(8));

/** 2^exponent, subnormal or 0 where it must be; `**` is not promised to be exact by the language. */
function powerOfTwo(exponent: number): number {
  if (exponent < -1022) return powerOfTwo(exponent + 1000) * powerOfTwo(-1000);
  view.setUint32(0, (exponent + 1023) << 20);
  view.setUint32(4, 0);
  return view.getFloat64(0);
}

/**
 * Lattice parameters of a standard deviation.
 *
 * R has 24 bits, or is 2^24 where std is below a power of two by at most 1 part in 2^25; z·high stays under
 * 2^32 all the same. Ties of R round up. The value of std is used in float64; R keeps 24 bits of it.
 *
 * Range: deltas are exact in float32 for std ≥ 2^-137 (6e-42; 2^-134 with the 16-bit lattice) and finite
 * there for std < 5.4e37. Below, storing one in a Float32Array rounds it to a multiple of 2^-149, zero
 * included; in float64 the quantum itself is 0 from std < 2^-1062 (2^-1059) on, and then every delta is ± 0.
 *
 * @param std - finite and > 0
 * @param sixteenBit - the finer lattice, for parameters in float16 or bfloat16; default false
 * @throws RangeError if std is not finite or not > 0
 */
export function noiseLattice(std: number, sixteenBit: boolean = false): Lattice {
  if (!(Number.isFinite(std) && std > 0)) {
    throw new RangeError(`noise: std must be finite and greater than 0, got ${std}`);
  }
  // a subnormal has no exponent field to read: scale it up, exactly
  const scaledUp = std < 2.2250738585072014e-308;
  view.setFloat64(0, scaledUp ? std * 18014398509481984 : std);
  const head = view.getUint32(0);
  const exponent = (head >>> 20) - 1023 - (scaledUp ? 54 : 0);
  view.setUint32(0, (head & 0xfffff) | (1023 << 20));
  const ratio = Math.round(view.getFloat64(0) * 8388608);
  return {
    high: ratio >>> 12,
    low: ratio & 4095,
    shift: sixteenBit ? 13 : 16,
    quantum: powerOfTwo(exponent - (sixteenBit ? 15 : 12)),
  };
}

/** The odd integer of |z| in Q17, at most 19 bits; times the quantum, with the word's sign, it is the delta. */
export function latticeMagnitude(z: number, high: number, low: number, shift: number): number {
  return ((Math.imul(z, high) + (Math.imul(z, low) >>> 12)) >>> shift) | 1;
}
