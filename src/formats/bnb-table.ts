/** The tables that bitsandbytes stores beside 4-bit weights. */
import { type Bnb4Bit, bnb4BitCodec } from "../quantized/bnb-4bit.ts";

/** Values of the 16 codes: what they decode to at a scale of 1. FP4 has −0 for code 8, as the CUDA kernels. */
export function tableOf(format: Bnb4Bit["format"]): Float32Array {
  const codes = Uint8Array.from({ length: 8 }, (_, i) => ((2 * i) << 4) | (2 * i + 1));
  const values = new Float32Array(16);
  bnb4BitCodec({ format, shape: [16], codes, blockSize: 32, absmax: Float32Array.of(1) }).decode(0, values);
  return values;
}
