/** Writes adapters as PEFT does, so that PEFT loads them. */
import { describeValue, listed } from "../errors.ts";
import { bfloat16ToNumber, numberToBfloat16 } from "../dtypes/bfloat16.ts";
import { float16ToNumber, numberToFloat16 } from "../dtypes/float16.ts";
import { patternsFor } from "./patterns.ts";
import {
  CONFIG,
  type PeftAdapter,
  type PeftConfig,
  type PeftEntry,
  PREFIX,
  product,
  WEIGHTS,
} from "./peft.ts";
import { jsonText, objectText } from "./json.ts";
import { type Chunks, textChunks, type TensorToWrite, writeSafetensors } from "./write.ts";

type FactorDType = "float32" | "float16" | "bfloat16";

/**
 * The two files of an adapter, as chunks by name: for `saveFiles`, or `bytesOf`. What is written is read back by
 * `readPeft` with the same bits.
 *
 * Source: peft 5d602fd: names of tensors and keys, and their defaults.
 *
 * @param peft - from `readPeft`, `peftOf`, or by hand; lent until the chunks have been taken. `rankPattern` and
 *   `alphaPattern` of its configuration are made anew, from the entries
 * @param options - `dtype`: format of the factors (default: float32, as they are); float16 and bfloat16 round
 * @throws TypeError, RangeError at once for entries whose arrays have other sizes, or that are DoRA only in part; when
 *   its turn comes for a factor that is too large for float16
 * @example
 * import { peftOf, writePeft } from "surgical-theater/formats";
 *
 * const factors = { a: Float32Array.of(1, 2), b: Float32Array.of(3) };
 * const files = writePeft(peftOf({ adapter: { "head.weight": factors }, alpha: 4, loraRank: 1 }), { dtype: "bfloat16" });
 * console.log([...files.keys()]); // [ 'adapter_config.json', 'adapter_model.safetensors' ]
 */
export function writePeft(
  peft: PeftAdapter,
  options: { readonly dtype?: FactorDType } = {},
): ReadonlyMap<string, Chunks> {
  const { dtype = "float32" } = options;
  if (dtype !== "float32" && dtype !== "float16" && dtype !== "bfloat16") {
    throw new TypeError(
      `writePeft: dtype must be float32, float16 or bfloat16, got ${describeValue(dtype)}.`,
    );
  }
  if (peft.entries.size === 0) throw new RangeError("writePeft: the adapter has no entries.");
  const tensors = [...peft.entries].flatMap(([module, entry]) => {
    checkEntry(module, entry, peft.config);
    return tensorsOf(module, entry, dtype);
  });
  return new Map([
    [CONFIG, textChunks(configOf(peft))],
    [WEIGHTS, writeSafetensors(tensors, { format: "pt" })],
  ]);
}

function checkEntry(module: string, entry: PeftEntry, { dora }: PeftConfig): void {
  const { kind, magnitude, loraRank, inputs, outputs } = entry;
  const what = `writePeft: ${JSON.stringify(module)}`;
  const hasSizes = kind === "conv" ? inputs.length > 1 : inputs.length === 1;
  if (!["linear", "embedding", "conv"].includes(kind) || !hasSizes) {
    throw new RangeError(
      `${what}: ${describeValue(kind)} with inputs [${inputs.join(", ")}] is no kind of layer.`,
    );
  }
  if ((magnitude !== undefined) !== dora) {
    throw new RangeError(
      `${what} ${dora ? "has no" : "has a"} magnitude, and config.dora is ${dora}: PEFT has all or none.`,
    );
  }
  const sizes = { a: loraRank * product(inputs), b: outputs * loraRank, ...(dora && { magnitude: outputs }) };
  for (const [key, size] of Object.entries(sizes)) {
    const array = entry[key as "a"];
    if (array?.[Symbol.toStringTag] !== "Float32Array") {
      throw new TypeError(`${what}: ${key} must be a Float32Array, got ${describeValue(array)}.`);
    }
    if (array.length !== size) {
      throw new RangeError(`${what}: ${key} must have ${size} elements, got ${array.length}.`);
    }
  }
}

function tensorsOf(module: string, entry: PeftEntry, dtype: FactorDType): TensorToWrite[] {
  const { kind, a, b, magnitude, loraRank, inputs, outputs } = entry;
  const tensor = (suffix: string, data: Float32Array, shape: readonly number[]): TensorToWrite => {
    const name = `${PREFIX}${module}.${suffix}`;
    if (dtype === "float32") return { name, dtype, shape, data };
    return { name, dtype, shape, data: () => narrowed(name, data, dtype) };
  };
  // PEFT keeps the axes of a convolution's window in all of them, with size 1.
  const ones = inputs.slice(1).map(() => 1);
  const [nameA, nameB] =
    kind === "embedding" ? ["lora_embedding_A", "lora_embedding_B"] : ["lora_A.weight", "lora_B.weight"];
  return [
    tensor(nameA, a, [loraRank, ...inputs]),
    tensor(nameB, b, [outputs, loraRank, ...ones]),
    ...(magnitude === undefined
      ? []
      : [tensor("lora_magnitude_vector", magnitude, kind === "conv" ? [1, outputs, ...ones] : [outputs])]),
  ];
}

function narrowed(name: string, data: Float32Array, dtype: "float16" | "bfloat16"): Uint16Array {
  const [encode, decode] =
    dtype === "float16" ? [numberToFloat16, float16ToNumber] : [numberToBfloat16, bfloat16ToNumber];
  const bits = new Uint16Array(data.length);
  for (let i = 0; i < data.length; i++) {
    const value = data[i]!;
    const encoded = encode(value);
    bits[i] = encoded;
    if (!Number.isFinite(value) || Number.isFinite(decode(encoded))) continue;
    throw new RangeError(
      `writePeft: ${name} holds ${value}, which is too large for ${dtype}. Write float32 or bfloat16.`,
    );
  }
  return bits;
}

/** The configuration, with the keys that PEFT writes for LoRA, sorted as it sorts them. */
function configOf({ config, entries }: PeftAdapter): string {
  const { alpha, loraRank, dora, rsLora, fanInFanOut, targetModules, baseModel, taskType, others } = config;
  const ranks = new Map([...entries].map(([module, entry]) => [module, entry.loraRank]));
  const alphas = new Map([...entries].map(([module, entry]) => [module, entry.alpha]));
  const patterns = (values: ReadonlyMap<string, number>, usual: number): string =>
    objectText([...patternsFor(values, usual)].map(([key, value]) => [key, JSON.stringify(value)]));
  const keys = new Map<string, string>([
    ["auto_mapping", "null"],
    ["inference_mode", "true"],
    ["init_lora_weights", "true"],
    ["lora_dropout", "0.0"],
    ["modules_to_save", "null"],
    ["revision", "null"],
    ...[...others].map(([key, value]): [string, string] => [key, jsonText(value)]),
    ["alpha_pattern", patterns(alphas, alpha)],
    ["base_model_name_or_path", JSON.stringify(baseModel ?? null)],
    ["bias", '"none"'],
    ["fan_in_fan_out", String(fanInFanOut)],
    ["lora_alpha", JSON.stringify(alpha)],
    ["peft_type", '"LORA"'],
    ["r", JSON.stringify(loraRank)],
    ["rank_pattern", patterns(ranks, loraRank)],
    ["target_modules", JSON.stringify(targetModules ?? [...entries.keys()])],
    ["task_type", JSON.stringify(taskType ?? null)],
    ["use_dora", String(dora)],
    ["use_rslora", String(rsLora)],
  ]);
  const numbers = [alpha, loraRank, ...ranks.values(), ...alphas.values()];
  if (!numbers.every(Number.isFinite)) {
    throw new RangeError(`writePeft: alpha and loraRank must be finite, got ${listed(numbers.map(String))}.`);
  }
  const sorted = [...keys].sort(([a], [b]) => (a < b ? -1 : 1));
  return `{\n${sorted.map(([key, json]) => `  ${JSON.stringify(key)}: ${json}`).join(",\n")}\n}\n`;
}
