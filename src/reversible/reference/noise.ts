/** Noise for the window in plain TypeScript: that of `random/noise.ts`. */
import { fillNoise } from "../../random/noise.ts";
import { BLOCK, OPERANDS } from "../layout.ts";

export function noise(
  buffer: ArrayBuffer,
  count: number,
  key0: number,
  key1: number,
  key2: number,
  key3: number,
  counterLow: number,
  counterHigh: number,
  latticeHigh: number,
  latticeLow: number,
  shift: number,
  quantum: number,
): void {
  const blocks = new Float32Array(buffer, OPERANDS, Math.ceil(count / BLOCK) * BLOCK);
  const lattice = { high: latticeHigh, low: latticeLow, shift: shift === 16 ? 16 : 13, quantum } as const;
  const first = 4 * (counterHigh * 2 ** 32 + counterLow);
  fillNoise(blocks, { key: [key0, key1, key2, key3], lattice }, first);
}
