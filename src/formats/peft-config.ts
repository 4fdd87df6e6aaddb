/** `adapter_config.json`: checked key by key. A key that could change what the adapter means is never passed over. */
import { describeValue, FormatError } from "../errors.ts";
import { type Json, JsonReader } from "./json.ts";
import { refusedIn } from "./patterns.ts";
import { CONFIG, type PeftConfig } from "./peft.ts";
import { type ByteSource, readBytes } from "./source.ts";

/** Largest configuration, in bytes. */
const MOST = 10_000_000;

/** Keys that only training reads, or nobody. Source: LoraConfig and PeftConfigMixin of peft 5d602fd. */
const harmless = new Set([
  "auto_mapping",
  "corda_config",
  "eva_config",
  "inference_mode",
  "lora_dropout",
  "lora_ga_config",
  "loftq_config",
  "megatron_core",
  "peft_version",
  "qalora_group_size",
  "revision",
  "runtime_config",
]);

/** Keys that change the meaning of the tensors, and are not implemented here. */
const notImplemented = new Set([
  "alora_invocation_tokens",
  "arrow_config",
  "ensure_weight_tying",
  "exclude_modules",
  "kasa_config",
  "layer_replication",
  "layers_pattern",
  "layers_to_transform",
  "lora_bias",
  "megatron_config",
  "modules_to_save",
  "monteclora_config",
  "target_parameters",
  "trainable_token_indices",
  "use_bdlora",
  "use_qalora",
  "velora_config",
]);

/** Ways to begin training that leave the base model as it is; the others subtract something from it. */
const initializations: readonly Json[] = [null, true, false, "gaussian", "eva", "orthogonal"];

type Draft = { -readonly [K in keyof PeftConfig]: PeftConfig[K] };

type Fail = (problem: string) => FormatError;

/** What each key that is understood does. Defaults are PEFT's. */
const understood: Readonly<Record<string, (draft: Draft, value: Json, fail: Fail) => void>> = {
  r: (draft, value, fail) => (draft.loraRank = rankIn(value, fail)),
  lora_alpha: (draft, value, fail) => (draft.alpha = numberIn(value, fail)),
  use_rslora: (draft, value, fail) => (draft.rsLora = flagIn(value, fail)),
  use_dora: (draft, value, fail) => (draft.dora = flagIn(value, fail)),
  fan_in_fan_out: (draft, value, fail) => (draft.fanInFanOut = flagIn(value, fail)),
  rank_pattern: (draft, value, fail) => (draft.rankPattern = patternIn(value, rankIn, fail)),
  alpha_pattern: (draft, value, fail) => (draft.alphaPattern = patternIn(value, numberIn, fail)),
  base_model_name_or_path: (draft, value, fail) => (draft.baseModel = textIn(value, fail)),
  task_type: (draft, value, fail) => (draft.taskType = textIn(value, fail)),
  target_modules(draft, value, fail) {
    const isList = Array.isArray(value) && value.every((each) => typeof each === "string");
    if (value !== null && typeof value !== "string" && !isList)
      throw fail("is no name, and no list of names");
    draft.targetModules = (value as string | readonly string[] | null) ?? undefined;
  },
};

/**
 * Reads and checks the configuration of an adapter.
 *
 * @throws FormatError `bad_config`, or `unsupported_key` that names the key, each with its offset
 */
export async function readConfig(source: ByteSource): Promise<PeftConfig> {
  const failAt = (code: FormatError["code"], problem: string, remedy: string, offset: number): FormatError =>
    new FormatError(code, `${CONFIG}: ${problem}. No model was changed. ${remedy}`, { file: CONFIG, offset });
  const bad = (problem: string, offset: number): FormatError =>
    failAt("bad_config", `${problem}, at byte ${offset}`, "Get the file again, or correct it.", offset);
  if (source.size > MOST) throw bad(`it has ${source.size} bytes, and ${MOST} are allowed`, 0);
  const reader = new JsonReader(await readBytes(source, 0, source.size), bad);
  const others = new Map<string, Json>();
  const draft: Draft = {
    loraRank: 8,
    alpha: 8,
    rsLora: false,
    dora: false,
    fanInFanOut: false,
    rankPattern: new Map(),
    alphaPattern: new Map(),
    targetModules: undefined,
    baseModel: undefined,
    taskType: undefined,
    others,
  };
  let hasType = false;
  reader.object((key, at) => {
    const value = reader.value();
    const refuse = (why: string, remedy: string): FormatError =>
      failAt("unsupported_key", `${JSON.stringify(key)} is ${shown(value)}, ${why}`, remedy, at);
    if (Object.hasOwn(understood, key)) {
      understood[key]!(draft, value, (problem) =>
        bad(`${JSON.stringify(key)} ${problem}, but ${shown(value)}`, at),
      );
    } else if (key === "peft_type") {
      hasType = true;
      if (value !== "LORA") throw refuse("and only LORA is implemented", "Use PEFT to merge or convert it.");
    } else if (key === "bias") {
      if (value !== "none") throw refuse("and trained biases are not implemented", "Use PEFT to merge it.");
    } else if (key === "init_lora_weights") {
      if (!initializations.includes(value)) {
        const remedy =
          "Save it with PEFT's path_initial_model_for_weight_conversion, which makes it a usual adapter.";
        throw refuse("which changes the base model that the adapter is for", remedy);
      }
      others.set(key, value);
    } else if (isActive(value) && notImplemented.has(key)) {
      throw refuse("and is not implemented", "Use PEFT to merge the adapter.");
    } else if (isActive(value) && !harmless.has(key)) {
      const remedy = "If it changes nothing, remove the key from the file.";
      throw refuse("and is not known here: it may change what the adapter means", remedy);
    } else others.set(key, value);
  });
  reader.end();
  if (!hasType) throw bad("it has no peft_type", 0);
  return draft;
}

/** Whether a key says anything: PEFT writes all of them. */
function isActive(value: Json): boolean {
  if (value === null || value === false || value === "") return false;
  if (value instanceof Map) return value.size > 0;
  return !Array.isArray(value) || value.length > 0;
}

function shown(value: Json): string {
  return value instanceof Map ? `an object of ${value.size}` : describeValue(value);
}

function rankIn(value: Json, fail: Fail): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 1) return value;
  throw fail("must be a positive integer");
}

function numberIn(value: Json, fail: Fail): number {
  if (typeof value === "number") return value;
  throw fail("must be a number");
}

function flagIn(value: Json, fail: Fail): boolean {
  if (typeof value === "boolean" || value === null) return value === true;
  throw fail("must be true or false");
}

function textIn(value: Json, fail: Fail): string | undefined {
  if (typeof value === "string" || value === null) return value ?? undefined;
  throw fail("must be text");
}

function patternIn(
  value: Json,
  read: (value: Json, fail: Fail) => number,
  fail: Fail,
): ReadonlyMap<string, number> {
  if (value === null) return new Map();
  if (!(value instanceof Map)) throw fail("must be an object of numbers");
  const patterns = new Map<string, number>();
  for (const [pattern, each] of value as ReadonlyMap<string, Json>) {
    const problem = refusedIn(pattern);
    if (problem !== undefined) throw fail(`has ${describeValue(pattern)}, which ${problem}`);
    patterns.set(
      pattern,
      read(each, (what) => fail(`has ${describeValue(pattern)}, whose value ${what}`)),
    );
  }
  return patterns;
}
