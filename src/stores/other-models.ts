/** Recognises models of other entry points, so that a mistaken import is told the right one. */
import { UnsupportedError } from "../errors.ts";

/** `import … from "surgical-theater…"` that a kind of model belongs to. */
type EntryPoint = "surgical-theater" | "surgical-theater/tfjs" | "surgical-theater/jax";

function isTensor(value: unknown): boolean {
  return typeof value === "object" && value !== null && "dataId" in value && "shape" in value;
}

/** Whether a value is, or has somewhere in its plain objects and lists, an array of jax-js. */
function hasJaxArray(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  // What stands for an array while a function is traced has no count of references.
  if ("ref" in value && "shape" in value) return true;
  return (Array.isArray(value) || value.constructor === Object) && Object.values(value).some(hasJaxArray);
}

/** A typed array, bare or with its shape and dtype. */
function isArray(value: unknown): boolean {
  return (
    ArrayBuffer.isView(value) || ArrayBuffer.isView((value as { data?: unknown } | null | undefined)?.data)
  );
}

function entryPointOf(model: unknown): EntryPoint | undefined {
  if (typeof model !== "object" || model === null) return undefined;
  if (hasJaxArray(model)) return "surgical-theater/jax";
  const { layers, predict } = model as { layers?: unknown; predict?: unknown };
  if (typeof predict === "function" || (Array.isArray(layers) && layers.length > 0))
    return "surgical-theater/tfjs";
  if (isTensor(model)) return "surgical-theater/tfjs";
  const values: readonly unknown[] = Object.values(model);
  if (values.some(isTensor)) return "surgical-theater/tfjs";
  return values.some(isArray) ? "surgical-theater" : undefined;
}

const kinds: Readonly<Record<EntryPoint, string>> = {
  "surgical-theater": "a record of typed arrays",
  "surgical-theater/tfjs": "a TensorFlow.js model",
  "surgical-theater/jax": "a tree of jax.Arrays",
};

/** @throws UnsupportedError `entry_point` when `model` belongs to another entry point than `here` */
export function refuseOtherModels(model: unknown, here: EntryPoint): void {
  const right = entryPointOf(model);
  if (right === undefined || right === here) return;
  throw new UnsupportedError(
    "entry_point",
    `This is ${kinds[right]}, and "${here}" does not know those. Nothing was changed. Import the same function from "${right}".`,
  );
}
