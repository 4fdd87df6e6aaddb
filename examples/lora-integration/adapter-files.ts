/** The adapter as files that PEFT reads: `adapter_config.json` and `adapter_model.safetensors`. */
import { type Array as JaxArray, numpy as np } from "@jax-js/jax";
// In a project of your own: from "surgical-theater/formats".
import { folderAt, loraOf, peftOf, readPeft, saveFiles, writePeft } from "../../src/formats.ts";
import { lora, type Lora } from "../../src/jax.ts";
import type { Gpt } from "./gpt.ts";
import { alpha, type Adapter, loraRank } from "./lora.ts";

/** Writes an adapter into `folder`, which is made if there is none. */
export async function saveAdapter(folder: string, adapter: Adapter): Promise<void> {
  const onHost = Object.entries(adapter).map(([name, { a, b }]) => [
    name,
    { a: valuesOf(a), b: valuesOf(b) },
  ]);
  const peft = peftOf({ adapter: Object.fromEntries(onHost), alpha, loraRank }, { taskType: "CAUSAL_LM" });
  await saveFiles(folder, writePeft(peft));
}

/** Reads an adapter, whoever wrote it, as a modification of `base`. Its arrays are the caller's. */
export async function loadAdapter(folder: string, base: Gpt): Promise<Lora<JaxArray>> {
  const { adapter, options } = loraOf(await readPeft(folderAt(folder)), namesOf(base));
  const onDevice = Object.entries(adapter).map(([name, { a, b, loraRank = options.loraRank, ...others }]) => {
    const factors = {
      a: np.array(a, { shape: [loraRank, a.length / loraRank] }),
      b: np.array(b, { shape: [b.length / loraRank, loraRank] }),
    };
    return [name, { ...others, loraRank, ...factors }];
  });
  return lora(Object.fromEntries(onDevice), options);
}

/** Whether two adapters have the same factors for the same parameters, bit for bit. */
export function haveSameBits(one: Adapter, other: Lora<JaxArray>["adapter"]): boolean {
  const areSame = (a: JaxArray, b: JaxArray): boolean =>
    Buffer.compare(new Uint8Array(valuesOf(a).buffer), new Uint8Array(valuesOf(b).buffer)) === 0;
  const names = Object.keys(one);
  return (
    names.length === Object.keys(other).length &&
    names.every(
      (name) =>
        name in other && areSame(one[name]!.a, other[name]!.a) && areSame(one[name]!.b, other[name]!.b),
    )
  );
}

/** The values of an array, in memory of their own. */
function valuesOf(array: JaxArray): Float32Array<ArrayBuffer> {
  return new Float32Array(array.ref.dataSync());
}

/** The paths of all arrays in a tree: `blocks.0.attn.q_proj.weight`. */
function namesOf(node: object, path: readonly string[] = []): readonly string[] {
  return Object.entries(node).flatMap(([key, child]: [string, object]) => {
    const name = [...path, key];
    return "shape" in child ? [name.join(".")] : namesOf(child, name);
  });
}
