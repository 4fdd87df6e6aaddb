/** Noise on the host, by the kernels of `reversible/`: the values of `random/noise.ts` in less time. */
import type { NoiseSource } from "../../random/noise.ts";
import { noiseDeltas } from "../../reversible/add.ts";
import { OPERANDS, OPERANDS_BYTES } from "../../reversible/layout.ts";
import { kernels } from "../../reversible/wasm.ts";

/** Elements that the kernels make at a time. */
const WINDOW = OPERANDS_BYTES / Float32Array.BYTES_PER_ELEMENT;

/** The noise of the first `length` elements. */
export function noiseValues(source: NoiseSource, length: number): Float32Array<ArrayBuffer> {
  const values = new Float32Array(length);
  const deltas = noiseDeltas(source);
  const machine = kernels();
  for (let first = 0; first < length; first += WINDOW) {
    const count = Math.min(WINDOW, length - first);
    deltas.fill(machine, first, count);
    values.set(new Float32Array(machine.buffer, OPERANDS, count), first);
  }
  return values;
}
