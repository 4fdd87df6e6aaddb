/** The bits of a float32, as an integer, and back. */

const float = new Float32Array(1);
const word = new Int32Array(float.buffer);

/** Bit pattern of `x` rounded to float32, as a signed 32-bit integer. */
export function float32Bits(x: number): number {
  float[0] = x;
  return word[0]!;
}

/** The float32 with a bit pattern; the low 32 bits count. The payload of a NaN may change on the way. */
export function float32OfBits(bits: number): number {
  word[0] = bits;
  return float[0]!;
}
