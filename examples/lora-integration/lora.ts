/** A LoRA adapter for the attention of a GPT: its factors, and how training merges them. */
import { type Array as JaxArray, numpy as np, random } from "@jax-js/jax";
import type { Gpt, Loss } from "./gpt.ts";

/** Factors by the name of the parameter that they are for: what `lora` of the library takes. */
export type Adapter = Record<string, { a: JaxArray; b: JaxArray }>;

export const loraRank = 8;
export const alpha = 16;

const projections = ["q_proj", "k_proj", "v_proj", "o_proj"] as const;

const nameOf = (block: number, projection: string): string => `blocks.${block}.attn.${projection}.weight`;

/** A new adapter: `a` is random and `b` is zero, so that it changes nothing yet. */
export function createAdapter(base: Gpt, seed: number): Adapter {
  let key = 1000 * seed;
  const adapter: Adapter = {};
  base.blocks.forEach(({ attn }, block) => {
    for (const projection of projections) {
      const [outputs, inputs] = attn[projection].weight.shape as [number, number];
      adapter[nameOf(block, projection)] = {
        a: random.normal(random.key(key++), [loraRank, inputs]).mul(1 / Math.sqrt(inputs)),
        b: np.array(new Float32Array(outputs * loraRank), { shape: [outputs, loraRank] }),
      };
    }
  });
  return adapter;
}

/** The base with the adapter added, `w + alpha / loraRank · b · a`. Consumes both. */
export function merge(base: Gpt, adapter: Adapter): Gpt {
  const merged = ({ weight }: { weight: JaxArray }, name: string): { weight: JaxArray } => {
    const { a, b } = adapter[name]!;
    return { weight: weight.add(np.matmul(b, a).mul(alpha / loraRank)) };
  };
  const blocks = base.blocks.map((block, i) => {
    const { q_proj, k_proj, v_proj, o_proj } = block.attn;
    const attn = {
      q_proj: merged(q_proj, nameOf(i, "q_proj")),
      k_proj: merged(k_proj, nameOf(i, "k_proj")),
      v_proj: merged(v_proj, nameOf(i, "v_proj")),
      o_proj: merged(o_proj, nameOf(i, "o_proj")),
    };
    return { ...block, attn };
  });
  return { ...base, blocks };
}

/** The loss as a function of the adapter first, so that training changes the adapter and not the base. */
export function adapterLoss(loss: Loss) {
  return (adapter: Adapter, base: Gpt, characters: JaxArray, next: JaxArray): JaxArray =>
    loss(merge(base, adapter), characters, next);
}
