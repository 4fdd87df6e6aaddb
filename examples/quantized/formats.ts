/** From float32 to quantized: what each format would cost, and then the quantized model itself. */
// In a project of your own: from "surgical-theater" and "surgical-theater/quantized".
import { quantize, withTheater } from "../../src/index.ts";
import {
  encodeQuantized,
  quantizedBytes,
  type QuantizedFormat,
  quantizedFormats,
} from "../../src/quantized.ts";
import type { Digits } from "../support/digits.ts";
import { evaluate, type FloatTensor, layersOf, type Model, type Score } from "./model.ts";

/** What a format costs. */
export interface Cost {
  readonly format: QuantizedFormat;
  /** Of all weights. */
  readonly bytes: number;
  /** What the modification says, on the float32 model. */
  readonly said: Score;
  /** What the model is then worth that has been quantized. */
  readonly found: Score;
}

/** The model with all weights quantized; biases stay float32, and are the same arrays. */
export function quantized(
  model: Readonly<Record<string, FloatTensor>>,
  format: QuantizedFormat,
  options: { readonly nested?: boolean } = {},
): Model {
  const parameters = Object.entries(model).map(([name, tensor]): [string, Model[string]] => {
    if (!name.endsWith(".weight")) return [name, tensor];
    return [name, encodeQuantized(tensor.data, tensor.shape, { format, ...options })];
  });
  return Object.fromEntries(parameters);
}

/** What the five formats cost, before a single code exists and after. */
export function costs(model: Readonly<Record<string, FloatTensor>>, digits: Digits): readonly Cost[] {
  const weights = Object.entries(model).filter(([name]) => name.endsWith(".weight"));
  return quantizedFormats.map((format) => {
    const options = { modification: quantize({ format }), layers: "*.weight" };
    return {
      format,
      bytes: weights.reduce((sum, [, { shape }]) => sum + quantizedBytes(shape, { format }), 0),
      said: withTheater(model, options, () => evaluate(layersOf(model), digits)),
      found: evaluate(layersOf(quantized(model, format)), digits),
    };
  });
}
