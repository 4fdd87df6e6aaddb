import { describeValue, ModificationError } from "../errors.ts";
import { didYouMean } from "../hints.ts";
import { type QuantizedFormat, quantizedFormats } from "../quantized/parameter.ts";
import { roundTrip } from "../quantized/round-trip.ts";
import type { Parameter } from "../store.ts";
import {
  checkFinite,
  checkFloatParameter,
  checkOptionsObject,
  checkProperties,
  type Kind,
  needsNothing,
} from "./kind.ts";

/** A modification that rounds weights to what a quantized format can hold. */
export interface Quantize {
  readonly type: "quantize";
  /** `"bnb-int8"`, `"bnb-nf4"`, `"bnb-fp4"`, `"gguf-q8_0"` or `"gguf-q4_0"`. */
  readonly format: QuantizedFormat;
  /** Weights of a block of `bnb-nf4` and `bnb-fp4`: a power of two from 32 to 4096, by default 64. */
  readonly blockSize?: number;
}

/**
 * Shows the weights as a quantized format would: encoded, and decoded again. What would it cost to quantize now?
 *
 * Blocks run over a parameter as it lies in memory, and rows of `bnb-int8` along its last dimension. The GGUF formats
 * need a last dimension that is a multiple of 32.
 *
 * @param options - `format`, and `blockSize` for the 4-bit formats of bitsandbytes
 * @throws TypeError, RangeError for another format or block size
 * @throws ModificationError when a theater opens: `shape_mismatch` for a parameter whose last dimension is not a multiple
 *   of the format's block; `dtype_mismatch` for an integer parameter
 * @example
 * const weights = { kernel: Float32Array.from({ length: 64 }, (_, i) => i / 64) };
 * const error = () => weights.kernel.reduce((sum, w, i) => sum + (w - i / 64) ** 2, 0);
 * withTheater(weights, { modification: quantize({ format: "bnb-nf4" }), layers: "all" }, error); // more than 0
 */
export function quantize(options: Omit<Quantize, "type">): Quantize {
  checkOptionsObject("quantize({ format })", options);
  const modification = { ...options, type: "quantize" } as const;
  checkProperties("quantize", modification, quantizeKind.properties);
  quantizeKind.check(modification, undefined);
  return Object.freeze(modification);
}

/** The formats with a block size to choose. */
function hasBlockSize(format: QuantizedFormat): boolean {
  return format === "bnb-nf4" || format === "bnb-fp4";
}

/** Throws ModificationError unless blocks of the format fit the parameter's rows. */
function checkRows({ name, shape }: Parameter, format: QuantizedFormat): void {
  if (!format.startsWith("gguf-") || (shape.at(-1) ?? 1) % 32 === 0) return;
  throw new ModificationError(
    "shape_mismatch",
    name,
    `quantize: ${JSON.stringify(name)} has shape [${shape.join(", ")}], and the last dimension of ${format} is a multiple ` +
      "of 32. The model is unchanged. Leave it out, or use a bnb format.",
  );
}

export const quantizeKind: Kind<Quantize> = {
  properties: ["format", "blockSize"],
  check({ format, blockSize }) {
    if (!quantizedFormats.includes(format)) {
      const hint = typeof format === "string" ? didYouMean(format, quantizedFormats) : "";
      throw new TypeError(
        `quantize: format must be one of ${quantizedFormats.join(", ")}, got ${describeValue(format)}.${hint} ` +
          "The model is unchanged.",
      );
    }
    if (blockSize === undefined) return;
    checkFinite("quantize: blockSize", blockSize);
    if (!hasBlockSize(format)) {
      throw new TypeError(
        `quantize: blockSize belongs to bnb-nf4 and bnb-fp4, not to ${format}. The model is unchanged.`,
      );
    }
    if (blockSize < 32 || blockSize > 4096 || Math.log2(blockSize) % 1 !== 0) {
      throw new RangeError(
        `quantize: blockSize must be a power of two from 32 to 4096, got ${blockSize}. The model is unchanged.`,
      );
    }
  },
  describe: ({ format, blockSize }) =>
    `quantize(${format}${hasBlockSize(format) ? `, blockSize=${blockSize ?? 64}` : ""})`,
  targets: () => "attention",
  needs(_, parameter) {
    checkFloatParameter("quantize", parameter);
    return needsNothing;
  },
  steps({ format, blockSize = 64 }, parameter) {
    checkRows(parameter, format);
    const rowLength = parameter.shape.at(-1) ?? 1;
    const derive = (values: Float32Array | Float64Array): void =>
      roundTrip(values, format, format === "bnb-int8" ? rowLength : blockSize);
    return [{ op: "replace", by: { kind: "derived", elementwise: false, derive } }];
  },
};
