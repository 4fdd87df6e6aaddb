/** What a theater holds, as Node counts it, beside what copies would hold. */
// In a project of your own: from "surgical-theater" and "surgical-theater/quantized".
import { planTheater, surgicalTheater } from "../../src/index.ts";
import { decodeQuantized, type QuantizedParameter } from "../../src/quantized.ts";
import { bytesOf } from "../support/array-bytes.ts";
import type { Model } from "./model.ts";
import type { View } from "./views.ts";

/** Bytes, for the parameters that a view modifies. */
export interface Memory {
  readonly view: View;
  /** What the theater was planned to hold, an estimate where codes move; what it said that it holds; what Node found. */
  readonly planned: number;
  readonly held: number;
  readonly measured: number;
  /** A copy of codes and scales. */
  readonly packed: number;
  /** A dequantized copy, as Node found it. */
  readonly floats: number;
}

/** Measures what a view of a model holds. */
export async function memoryOf(model: Model, view: View): Promise<Memory> {
  const { options } = view;
  const plan = planTheater(model, options);
  let held = 0;
  const measured = await bytesOf(
    () => surgicalTheater(model, options),
    (theater) => {
      held = theater.report().heldBytes;
      theater.close();
    },
  );
  const targets = plan.parameters.map(({ name }) => model[name] as QuantizedParameter);
  const floats = await bytesOf(
    () => targets.map(decodeQuantized),
    (copy) => copy.splice(0),
  );
  return { view, planned: plan.heldBytes, held, measured, packed: plan.targetBytes, floats };
}
