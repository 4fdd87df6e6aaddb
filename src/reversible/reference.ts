/** The kernels in plain TypeScript. */
import type { Kernels } from "./kernels.ts";
import { FACTORS } from "./layout.ts";
import { add16, add16Close, add16Open } from "./reference/add-16.ts";
import { addFloat32, addFloat32Close, addFloat32Open } from "./reference/add-float32.ts";
import { digest } from "./reference/digest.ts";
import { lowRank } from "./reference/low-rank.ts";
import { noise } from "./reference/noise.ts";
import { scaleBfloat16, scaleBfloat16Close, scaleBfloat16Open } from "./reference/scale-bfloat16.ts";
import { scaleFloat32, scaleFloat32Close, scaleFloat32Open } from "./reference/scale-float32.ts";

/** New kernels in plain TypeScript, with 0.7 MB of memory of their own. */
export function referenceKernels(): Kernels {
  let buffer = new ArrayBuffer(FACTORS);
  let words = new Uint32Array(buffer);
  let exceptions = 0;
  const counted = (parked: { readonly bytes: number; readonly exceptions: number }): number => {
    exceptions = parked.exceptions;
    return parked.bytes;
  };
  return {
    name: "reference",
    get buffer() {
      return buffer;
    },
    get words() {
      return words;
    },
    reserveFactors(bytes) {
      if (buffer.byteLength >= FACTORS + bytes) return;
      const larger = new ArrayBuffer(FACTORS + ((bytes + 3) & ~3));
      new Uint8Array(larger).set(new Uint8Array(buffer));
      buffer = larger;
      words = new Uint32Array(buffer);
    },
    exceptionCount: () => exceptions,
    digest: (...given) => digest(buffer, ...given),
    noise: (...given) => noise(buffer, ...given),
    lowRank: (...given) => lowRank(buffer, ...given),
    scaleFloat32: (...given) => scaleFloat32(buffer, ...given),
    scaleFloat32Open: (...given) => scaleFloat32Open(buffer, ...given),
    scaleFloat32Close: (...given) => scaleFloat32Close(buffer, ...given),
    scaleBfloat16: (...given) => scaleBfloat16(buffer, ...given),
    scaleBfloat16Open: (...given) => scaleBfloat16Open(buffer, ...given),
    scaleBfloat16Close: (...given) => scaleBfloat16Close(buffer, ...given),
    addFloat32: (...given) => addFloat32(buffer, ...given),
    addFloat32Open: (...given) => counted(addFloat32Open(buffer, ...given)),
    addFloat32Close: (...given) => addFloat32Close(buffer, ...given),
    add16: (...given) => add16(buffer, ...given),
    add16Open: (...given) => counted(add16Open(buffer, ...given)),
    add16Close: (...given) => add16Close(buffer, ...given),
  };
}
