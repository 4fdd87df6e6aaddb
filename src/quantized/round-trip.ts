/** Values as a format can hold them. */
import { BLOCK } from "./gguf-blocks.ts";
import { codecOf, type QuantizedFormat } from "./parameter.ts";
import { emptyParameter } from "./sizes.ts";

/** Elements that {@link roundTrip} converts at once, about. */
const RUN = 16_384;

/**
 * Encodes values as float32 and decodes them again, in place, a few blocks at a time.
 *
 * @param blockLength - of a block of the 4-bit formats of bitsandbytes, or of a row of its int8; else ignored
 */
export function roundTrip(
  values: Float32Array | Float64Array,
  format: QuantizedFormat,
  blockLength: number,
): void {
  const block = format.startsWith("gguf-") ? BLOCK : blockLength;
  const length = block * Math.max(1, Math.floor(RUN / block));
  for (let first = 0; first < values.length; first += length) {
    const run = Float32Array.from(values.subarray(first, first + length));
    const shape = format === "bnb-int8" ? [run.length / block, block] : [run.length];
    const checked = { format, elements: run.length, blockSize: block, nested: false };
    const codec = codecOf(emptyParameter(shape, checked));
    const scales = new Float32Array(Math.ceil(run.length / block));
    codec.encode(0, run, scales, 0);
    codec.setScales(0, scales);
    codec.decode(0, run);
    values.set(run, first);
  }
}
