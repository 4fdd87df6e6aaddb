/** Normally distributed weights, the same each time. */
import { fillNoise, noiseSource } from "../../src/random/noise.ts";

/** `length` values of N(0, std²): noise, and what makes its lattice invisible. */
export function normals(length: number, std: number, seed: number): Float32Array<ArrayBuffer> {
  const values = new Float32Array(length);
  const fine = new Float32Array(length);
  fillNoise(values, noiseSource(seed, "weights", std, "float32"), 0);
  fillNoise(fine, noiseSource(seed, "fine", std / 4096, "float32"), 0);
  for (let i = 0; i < length; i++) values[i] = values[i]! * 0.999_999 + fine[i]!;
  return values;
}
