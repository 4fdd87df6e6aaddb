/** Quantized parameters as the tensors that bitsandbytes writes for them. */
import { describeValue, UnsupportedError } from "../errors.ts";
import type { Bnb4Bit } from "../quantized/bnb-4bit.ts";
import { checkQuantized } from "../quantized/check.ts";
import type { QuantizedParameter } from "../quantized/parameter.ts";
import type { BnbLayout } from "./bnb.ts";
import { stateText } from "./bnb-state.ts";
import { tableOf } from "./bnb-table.ts";
import { byteLengthOf, type FileTensor, tensorOn } from "./tensor.ts";
import type { TensorToWrite } from "./write.ts";

/**
 * A parameter as the tensors that bitsandbytes writes for it: names, dtypes, shapes and the JSON of its state are the
 * same. An ordinary tensor is one tensor.
 *
 * Source: bitsandbytes at 95f9af3.
 *
 * @param name - of the parameter: `….weight` for int8
 * @param parameter - its arrays are lent until they are written
 * @param layout - what `bnbParameters` says of a 4-bit parameter that was read; then the tensors are the same as there
 * @throws UnsupportedError `dtype` for GGUF formats; TypeError, RangeError for what does not fit
 * @example
 * import { bnbTensors, encodeQuantized } from "surgical-theater/quantized";
 *
 * const kernel = encodeQuantized(new Float32Array(8), [2, 4], { format: "bnb-nf4" });
 * console.log(bnbTensors("q.weight", kernel, { dtype: "bfloat16" }).map(({ name }) => name));
 * // q.weight, q.weight.absmax, q.weight.quant_map, q.weight.quant_state.bitsandbytes__nf4
 */
export function bnbTensors(
  name: string,
  parameter: QuantizedParameter | FileTensor,
  layout: BnbLayout = {},
): readonly TensorToWrite[] {
  if (!("format" in parameter)) return [{ name, ...parameter }];
  const checked = checkQuantized(`parameter ${JSON.stringify(name)}`, parameter);
  if ("blocks" in checked) {
    throw new UnsupportedError(
      "dtype",
      `${JSON.stringify(name)} is ${checked.format}, which safetensors files do not have. Write it with writeGguf.`,
    );
  }
  if (!("scb" in checked)) return fourBit(name, checked, layout);
  if (!name.endsWith(".weight")) {
    throw new TypeError(`${describeValue(name)}: the name of an int8 parameter must end with ".weight".`);
  }
  const module = name.slice(0, -".weight".length);
  return [
    { name, dtype: "int8", shape: checked.shape, data: checked.codes },
    { name: `${module}.SCB`, dtype: "float32", shape: [checked.scb.length], data: checked.scb },
    { name: `${module}.weight_format`, dtype: "uint8", shape: [], data: Uint8Array.of(0) },
  ];
}

function fourBit(name: string, parameter: Bnb4Bit, layout: BnbLayout): readonly TensorToWrite[] {
  const { format, shape, codes, blockSize, absmax } = parameter;
  const { dtype = "float32", hasNegativeZero = false } = layout;
  const table = tableOf(format);
  if (format === "bnb-fp4" && !hasNegativeZero) table[8] = 0;
  const isNested = !(absmax instanceof Float32Array);
  const nestedOffset = isNested ? absmax.offset[0]! : undefined;
  if (nestedOffset !== undefined && !Number.isFinite(nestedOffset)) {
    throw new RangeError(
      `${JSON.stringify(name)}: the offset of its scales is ${nestedOffset}, which JSON cannot hold.`,
    );
  }
  const state = new TextEncoder().encode(stateText({ format, blockSize, dtype, shape, nestedOffset }));
  const float32 = (part: string, data: Float32Array): TensorToWrite => {
    return { name: `${name}.${part}`, dtype: "float32", shape: [data.length], data };
  };
  const uint8 = (part: string, data: Uint8Array): TensorToWrite => {
    return { name: `${name}.${part}`, dtype: "uint8", shape: [data.length], data };
  };
  return [
    packed(name, codes, layout),
    ...(isNested
      ? [
          uint8("absmax", absmax.codes),
          float32("nested_absmax", absmax.absmax),
          float32("nested_quant_map", absmax.map),
        ]
      : [float32("absmax", absmax)]),
    float32("quant_map", table),
    uint8(`quant_state.bitsandbytes__${format.slice(4)}`, state),
  ];
}

/** Codes under the name of another dtype: the same bytes. */
function packed(
  name: string,
  codes: Uint8Array,
  { storage = "uint8", isTransposed = false }: BnbLayout,
): TensorToWrite {
  const count = codes.length / (byteLengthOf(storage, [1]) ?? NaN);
  if (!Number.isInteger(count)) {
    throw new RangeError(
      `${JSON.stringify(name)}: ${codes.length} bytes of codes cannot be stored as ${storage}.`,
    );
  }
  const shape = isTransposed ? [1, count] : [count, 1];
  const data = (): FileTensor["data"] => tensorOn(Uint8Array.from(codes), storage, shape).data;
  return { name, dtype: storage, shape, data: storage === "uint8" ? codes : data } as TensorToWrite;
}
