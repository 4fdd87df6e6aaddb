/** Recognises models of other entry points, so that a mistaken import is told the right one. */
import { UnsupportedError } from "../errors.ts";

/** `import … from "surgical-theater…"` that a kind of model belongs to. */
type EntryPoint = "surgical-theater" | "surgical-theater/tfjs";

function isTensor(value: unknown): boolean {
  return typeof value === "object" && value !== null && "dataId" in value && "shape" in value;
}

/** A typed array, bare or with its shape and dtype. */
function isArray(value: unknown): boolean {
  return (
    ArrayBuffer.isView(value) || ArrayBuffer.isView((value as { data?: unknown } | null | undefined)?.data)
  );
}

function entryPointOf(model: unknown): EntryPoint | undefined {
  if (typeof model !== "object" || model === null) return undefined;
  const { layers, predict } = model as { layers?: unknown; predict?: unknown };
  if (typeof predict === "function" || (Array.isArray(layers) && layers.length > 0))
    return "surgical-theater/tfjs";
  if (isTensor(model)) return "surgical-theater/tfjs";
  const values: readonly unknown[] = Object.values(model);
  if (values.some(isTensor)) return "surgical-theater/tfjs";
  return values.some(isArray) ? "surgical-theater" : undefined;
}

/** @throws UnsupportedError `entry_point` when `model` belongs to another entry point than `here` */
export function refuseOtherModels(model: unknown, here: EntryPoint): void {
  const right = entryPointOf(model);
  if (right === undefined || right === here) return;
  const kind = right === "surgical-theater" ? "a record of typed arrays" : "a TensorFlow.js model";
  throw new UnsupportedError(
    "entry_point",
    `This is ${kind}, and "${here}" does not know those. Nothing was changed. Import the same function from "${right}".`,
  );
}
