/** The values that double quantization rounds scales to. */

const { fround } = Math;

/** 0.1 as float32, where each decade begins. */
const TENTH = fround(0.1);

/**
 * The signed dynamic map of 8 bits, ascending: 256 values, for each decade of 10⁻⁶ to 1 twice as many as for the one
 * below. A new array.
 *
 * Source: `create_dynamic_map(True, 7, 8)` of bitsandbytes at 95f9af3; Dettmers et al., 8-bit Optimizers via Block-wise
 * Quantization, 2022, arXiv 2110.02861. Its float32 arithmetic, bit for bit.
 */
export function dynamicMap(): Float32Array {
  const values = [0, 1];
  for (let decade = 0; decade < 7; decade++) {
    const count = 2 ** decade;
    const step = fround(fround(1 - TENTH) / count);
    // as torch.linspace in float32: from both ends, with fused multiplications
    const boundary = (i: number): number =>
      i < (count + 1) / 2 ? fround(TENTH + step * i) : fround(1 - step * (count - i));
    for (let i = 0; i < count; i++) {
      const middle = fround(fround(boundary(i) + boundary(i + 1)) / 2);
      const value = fround(middle * fround(10 ** (decade - 6)));
      values.push(value, -value);
    }
  }
  return Float32Array.from(values).sort();
}
