/** What can be said about a file of parameters without loading a model. */
import { LayersError } from "../../errors.ts";
import { layerPathOf, select } from "../../layers.ts";
import type { Parameter } from "../../store.ts";

/** One array in a file. */
export interface InFile {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Its size in the file. */
  readonly bytes: number;
}

/** A file, or a folder of files that belong together. */
export interface Inspected {
  readonly file: string;
  /** `safetensors`, `PEFT adapter`, … */
  readonly format: string;
  /** Whether it has factors for a model's parameters, and no parameters of its own. */
  readonly isAdapter: boolean;
  /** What the file says about itself. */
  readonly notes: Readonly<Record<string, string>>;
  readonly parameters: readonly InFile[];
}

/** Names of the parameters that `layers: "attention"`, the default, selects; of an adapter its factors for them. */
export function attentionTargets({ parameters }: Inspected): readonly string[] {
  const layers = [...new Set(parameters.map(({ name }) => layerPathOf(name)))];
  const all = parameters.map(({ name, dtype, shape, bytes }, index): Parameter => {
    const layer = layerPathOf(name);
    const layerIndex = layers.indexOf(layer);
    return { name, aliases: [], layer, index, layerIndex, shape, dtype, bytes, trainable: true };
  });
  try {
    return [...select({ parameters: all, layers }, "attention").selected].map(({ name }) => name);
  } catch (error) {
    if (error instanceof LayersError) return [];
    throw error;
  }
}
