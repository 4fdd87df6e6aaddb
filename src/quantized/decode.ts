/** Values of quantized parameters as float32, with the roundings of the reference implementations. */
import { checkKQuant, checkQuantized, isKQuant } from "./check.ts";
import { decodeKQuant, type KQuantBlocks, SUPER_BLOCK } from "./k-quants.ts";
import { codecOf, type QuantizedParameter } from "./parameter.ts";

interface Decoder {
  readonly length: number;
  readonly blockLength: number;
  decode(first: number, out: Float32Array): void;
}

function decoderOf(at: string, parameter: QuantizedParameter | KQuantBlocks): Decoder {
  if (!isKQuant(parameter.format)) return codecOf(checkQuantized(at, parameter));
  const { format, shape, blocks } = checkKQuant(at, parameter as KQuantBlocks);
  return {
    length: shape.reduce((product, size) => product * size, 1),
    blockLength: SUPER_BLOCK,
    decode: (first, out) => decodeKQuant(format, blocks, first, out),
  };
}

/**
 * All values of a quantized parameter, row-major. Exact to the bit of what bitsandbytes and ggml compute in float32;
 * bitsandbytes then casts to the dtype of the model.
 *
 * @throws UnsupportedError `dtype` for another format; TypeError, RangeError for arrays that do not fit
 * @example
 * import { decodeQuantized } from "surgical-theater/quantized";
 *
 * const codes = Int8Array.of(127, -127, 64, 0);
 * console.log(decodeQuantized({ format: "bnb-int8", shape: [2, 2], codes, scb: Float32Array.of(1, 2) }));
 * // Float32Array [1, -1, 1.007…, 0]
 */
export function decodeQuantized(parameter: QuantizedParameter | KQuantBlocks): Float32Array {
  const { length, decode } = decoderOf("decodeQuantized", parameter);
  const values = new Float32Array(length);
  decode(0, values);
  return values;
}

/**
 * Some values, so that memory for all of them is never needed.
 *
 * @param first - element to begin with, where a block does: 256 values of Q4_K and Q6_K, 32 of Q8_0 and Q4_0, `blockSize`
 *   of NF4 and FP4, a row of int8
 * @param out - whole blocks, or up to the last element
 * @throws RangeError for parts of blocks; else as {@link decodeQuantized}
 */
export function decodeBlocks(
  parameter: QuantizedParameter | KQuantBlocks,
  first: number,
  out: Float32Array,
): void {
  const { length, blockLength, decode } = decoderOf("decodeBlocks", parameter);
  const end = first + out.length;
  const isWhole = first % blockLength === 0 && (out.length % blockLength === 0 || end === length);
  if (!(first >= 0 && end <= length && isWhole)) {
    throw new RangeError(
      `decodeBlocks: elements ${first} to ${end} are not whole blocks of ${blockLength}, of ${length} elements.`,
    );
  }
  decode(first, out);
}
