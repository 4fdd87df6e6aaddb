/** Quantizes values, a few blocks at a time. */
/* oxlint-disable typescript/no-non-null-assertion -- indices are in range by construction; a check would cost the loop */
import { describeValue } from "../errors.ts";
import type { Codec } from "./codec.ts";
import { codecOf, type QuantizedFormat, type QuantizedParameter } from "./parameter.ts";
import { checkOptions, emptyParameter, type ParameterOf, type QuantizedOptions } from "./sizes.ts";

/** Writes elements `first` and following to `out`, as many as it is long. Called for one part after the other. */
export type Fill = (first: number, out: Float32Array) => void;

/** Elements to encode at once, about. */
const WINDOW = 16_384;

/**
 * Quantizes values as the reference implementation of the format does: bitsandbytes (its CUDA kernels), ggml.
 *
 * The offset of nested scales is their mean, rounded once; the reference sums in float32, in an order of its own.
 *
 * @param values - row-major, only read; or a function that fills parts of them, where they are not in memory
 * @param shape - slowest dimension first: [outputs, inputs] for `bnb-int8`; the last one is a multiple of 32 for the GGUF
 *   formats
 * @param options - `format`, and for the 4-bit formats of bitsandbytes `blockSize` and `nested`
 * @returns a parameter in arrays of its own
 * @throws UnsupportedError `dtype` for a format that cannot be encoded; TypeError, RangeError for values and shapes that
 *   do not fit, for a value that is not finite, and for one that scales of the format cannot reach
 * @example
 * import { decodeQuantized, encodeQuantized } from "surgical-theater/quantized";
 *
 * const kernel = encodeQuantized(Float32Array.of(2, -2, 1, 0.5), [4], { format: "bnb-nf4" });
 * console.log(kernel.codes, decodeQuantized(kernel)); // Uint8Array [240, 202], Float32Array [2, -2, 0.88…, 0.49…]
 */
export function encodeQuantized<F extends QuantizedFormat>(
  values: Float32Array | Fill,
  shape: readonly number[],
  options: QuantizedOptions<F>,
): ParameterOf<F> {
  const at = "encodeQuantized";
  const checked = checkOptions(at, shape, options);
  const fill = fillOf(at, values, checked.elements);
  const parameter = emptyParameter(shape, checked);
  encodeAll(at, parameter, fill);
  return parameter as ParameterOf<F>;
}

function fillOf(at: string, values: Float32Array | Fill, elements: number): Fill {
  if (typeof values === "function") return values;
  const tag = (values as Partial<Float32Array> | undefined)?.[Symbol.toStringTag];
  if (tag !== "Float32Array") {
    throw new TypeError(
      `${at}: values must be a Float32Array or a function that fills one, got ${describeValue(values)}.`,
    );
  }
  if (values.length !== elements) {
    throw new RangeError(`${at}: the shape needs ${elements} values, got ${values.length}.`);
  }
  return (first, out) => out.set(values.subarray(first, first + out.length));
}

function encodeAll(at: string, parameter: QuantizedParameter, fill: Fill): void {
  const codec = codecOf(parameter);
  const { length, blockLength } = codec;
  const scales = new Float32Array(Math.ceil(length / blockLength));
  const window = blockLength * Math.max(1, Math.floor(WINDOW / blockLength));
  for (let first = 0; first < length; first += window) {
    const part = new Float32Array(Math.min(window, length - first));
    fill(first, part);
    for (let i = 0; i < part.length; i++) {
      if (!Number.isFinite(part[i]!)) {
        throw new RangeError(
          `${at}: element ${first + i} is ${part[i]!}, and only finite values can be encoded.`,
        );
      }
    }
    codec.encode(first, part, scales, first / blockLength);
  }
  if ("absmax" in parameter && !(parameter.absmax instanceof Float32Array)) {
    parameter.absmax.offset[0] = scales.reduce((sum, scale) => sum + scale, 0) / scales.length;
  }
  setScales(at, parameter, codec, scales);
}

function setScales(at: string, { format }: QuantizedParameter, codec: Codec, scales: Float32Array): void {
  const block = scales.findIndex((scale) => !Number.isFinite(scale));
  if (block >= 0) {
    throw new RangeError(
      `${at}: block ${block} has values that are too large for ${format}, which rounds to float16.`,
    );
  }
  codec.setScales(0, scales);
}
