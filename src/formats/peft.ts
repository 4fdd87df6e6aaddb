/** A PEFT adapter as a plain value, and the names of its two files. */
import type { Json } from "./json.ts";

export const CONFIG = "adapter_config.json";
export const WEIGHTS = "adapter_model.safetensors";

/** What PEFT puts before the name of each module. */
export const PREFIX = "base_model.model.";

/** What an adapter's configuration says, in the words of this library; behind each, PEFT's. */
export interface PeftConfig {
  /** `r` */
  readonly loraRank: number;
  /** `lora_alpha` */
  readonly alpha: number;
  /** `use_rslora`: the delta is scaled by alpha / √loraRank instead of alpha / loraRank. */
  readonly rsLora: boolean;
  /** `use_dora`: every entry has a magnitude. */
  readonly dora: boolean;
  /** `fan_in_fan_out`: linear layers of the base model store [inputs, outputs], as GPT-2's Conv1D does. */
  readonly fanInFanOut: boolean;
  /** `rank_pattern`: other ranks by regular expression for the module, the first that fits. Entries have it resolved. */
  readonly rankPattern: ReadonlyMap<string, number>;
  /** `alpha_pattern`, in the same way. */
  readonly alphaPattern: ReadonlyMap<string, number>;
  /** `target_modules`. Not used for reading: the tensors say which modules are meant. */
  readonly targetModules: string | readonly string[] | undefined;
  /** `base_model_name_or_path` */
  readonly baseModel: string | undefined;
  /** `task_type` */
  readonly taskType: string | undefined;
  /** Keys that do not change what the adapter does, such as `lora_dropout`, as they were. */
  readonly others: ReadonlyMap<string, Json>;
}

/** The factors of one module. float16 and bfloat16 are widened to float32, exactly. */
export interface PeftEntry {
  readonly kind: "linear" | "embedding" | "conv";
  /** [loraRank, ...inputs], row-major. */
  readonly a: Float32Array;
  /** [outputs, loraRank], row-major. */
  readonly b: Float32Array;
  /** [outputs], of DoRA. */
  readonly magnitude?: Float32Array;
  readonly loraRank: number;
  readonly alpha: number;
  /** Sizes of the inputs: [inputs] of a linear layer, [vocabulary], or [channels, height, width] of a convolution. */
  readonly inputs: readonly number[];
  readonly outputs: number;
}

/** An adapter: what `adapter_config.json` and `adapter_model.safetensors` hold together. */
export interface PeftAdapter {
  readonly config: PeftConfig;
  /** By module of the base model, `model.layers.0.self_attn.q_proj`, without `base_model.model.`. */
  readonly entries: ReadonlyMap<string, PeftEntry>;
}

/** The product of sizes. */
export function product(sizes: readonly number[]): number {
  return sizes.reduce((all, size) => all * size, 1);
}
