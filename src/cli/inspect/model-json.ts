/** A model of TensorFlow.js: what its model.json says. */
import { bytesOf, parseModelJson } from "../tfjs/model-json.ts";
import type { InFile, Inspected } from "./inspected.ts";

/** Its parameters; the files of weights are not looked at. */
export function inspectModelJson(path: string): Inspected {
  const { format, generatedBy, convertedBy, groups } = parseModelJson(path);
  const parameters = groups.flatMap(({ weights }) =>
    weights.map((spec): InFile => {
      const { name, shape, dtype, quantization } = spec;
      const stored = quantization === undefined ? dtype : `${quantization.dtype} (quantized ${dtype})`;
      return { name, shape, dtype: stored, bytes: bytesOf(path, spec) };
    }),
  );
  const notes = Object.entries({ format, generatedBy, convertedBy }).filter(
    (entry): entry is [string, string] => typeof entry[1] === "string",
  );
  return {
    file: path,
    format: "TensorFlow.js model",
    isAdapter: false,
    notes: Object.fromEntries(notes),
    parameters,
  };
}
