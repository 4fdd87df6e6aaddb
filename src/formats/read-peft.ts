/** Reads a PEFT adapter. Every tensor of the file is understood, or the adapter is refused. */
import { decode } from "../dtypes/convert.ts";
import { describeValue, FormatError, listed } from "../errors.ts";
import { quoted } from "./json.ts";
import { matching } from "./patterns.ts";
import {
  CONFIG,
  type PeftAdapter,
  type PeftConfig,
  type PeftEntry,
  PREFIX,
  product,
  WEIGHTS,
} from "./peft.ts";
import { readConfig } from "./peft-config.ts";
import { openSafetensors, type Safetensors } from "./safetensors.ts";
import type { TensorInfo } from "./header.ts";
import type { ByteSource, Folder } from "./source.ts";

/**
 * Reads the LoRA adapter in a folder: `adapter_config.json` and `adapter_model.safetensors`. What it says for each
 * module (`rank_pattern`, `alpha_pattern`) is resolved; what is not implemented is refused by name.
 *
 * Source: peft 5d602fd.
 *
 * @param folder - borrowed while it runs. An adapter that is not called `default` lies in a folder of its own
 * @returns factors in float32, the caller's
 * @throws FormatError `missing_file`, `pickle`, `bad_config`, `unsupported_key`, `bad_adapter`; or as `openSafetensors`
 * @example
 * import { bytesOf, folderOf, peftOf, readPeft, writePeft } from "surgical-theater/formats";
 *
 * const factors = { a: Float32Array.of(1, 2), b: Float32Array.of(3) };
 * const files = new Map<string, Uint8Array>();
 * for (const [name, chunks] of writePeft(peftOf({ adapter: { "head.weight": factors }, alpha: 4, loraRank: 1 }))) {
 *   files.set(name, await bytesOf(chunks));
 * }
 * const { config, entries } = await readPeft(folderOf(files));
 * console.log(config.alpha, entries.get("head")?.b); // 4 Float32Array(1) [ 3 ]
 */
export async function readPeft(folder: Folder): Promise<PeftAdapter> {
  if (typeof (folder as Partial<Folder> | undefined)?.open !== "function") {
    throw new TypeError(
      `readPeft: the folder must have open(name), got ${describeValue(folder)}. For one on disk give folderAt(path).`,
    );
  }
  const config = await withFile(folder, CONFIG, readConfig);
  const weights = await folder.open(WEIGHTS);
  if (weights === undefined) throw await noWeights(folder);
  const file = await openSafetensors(weights);
  try {
    return { config, entries: await readEntries(file, config) };
  } finally {
    await file.close();
  }
}

async function withFile<R>(
  folder: Folder,
  name: string,
  use: (source: ByteSource) => Promise<R>,
): Promise<R> {
  const source = await folder.open(name);
  if (source === undefined) throw missing(name);
  try {
    return await use(source);
  } finally {
    await source.close?.();
  }
}

function missing(name: string): FormatError {
  const message = `There is no ${name}. No model was changed. Give the folder that has ${CONFIG} and ${WEIGHTS}.`;
  return new FormatError("missing_file", message, { file: name });
}

async function noWeights(folder: Folder): Promise<FormatError> {
  const file = "adapter_model.bin";
  const pickle = await folder.open(file);
  if (pickle === undefined) return missing(WEIGHTS);
  await pickle.close?.();
  return new FormatError(
    "pickle",
    `The adapter is in ${file}, a pickle: reading it would run whatever program it contains. No model was changed. ` +
      `Load it with PEFT where you trust it, and save it again: that writes ${WEIGHTS}.`,
    { file },
  );
}

/** Tensors of one module, by what they are. */
interface Parts {
  a?: string;
  b?: string;
  embeddingA?: string;
  embeddingB?: string;
  magnitude?: string;
}

const parts: Readonly<Record<string, keyof Parts>> = {
  "lora_A.weight": "a",
  "lora_B.weight": "b",
  lora_embedding_A: "embeddingA",
  lora_embedding_B: "embeddingB",
  lora_magnitude_vector: "magnitude",
  "lora_magnitude_vector.weight": "magnitude", // as PEFT has it in memory
};

async function readEntries(file: Safetensors, config: PeftConfig): Promise<ReadonlyMap<string, PeftEntry>> {
  const modules = new Map<string, Parts>();
  const problems: string[] = [];
  for (const name of file.tensors.keys()) {
    const [, module, suffix = ""] =
      /^(.+?)\.(lora_(?:A|B|embedding_A|embedding_B|magnitude_vector)(?:\.weight)?)$/s.exec(name) ?? [];
    const part = Object.hasOwn(parts, suffix) ? parts[suffix] : undefined;
    if (module === undefined || part === undefined) {
      problems.push(`${quoted(name)} is not understood`);
      continue;
    }
    const path = module.startsWith(PREFIX) ? module.slice(PREFIX.length) : module;
    const found = modules.get(path) ?? {};
    if (found[part] !== undefined) problems.push(`${quoted(name)} and ${quoted(found[part])} are the same`);
    modules.set(path, { ...found, [part]: name });
  }
  // Shapes first: nothing is read of an adapter that is refused.
  const planned = new Map<string, Planned>();
  for (const [module, found] of modules) {
    const plan = planFor(module, found, file.tensors, config);
    if (typeof plan === "string") problems.push(`${quoted(module)} ${plan}`);
    else planned.set(module, plan);
  }
  if (problems.length > 0 || modules.size === 0) {
    throw new FormatError(
      "bad_adapter",
      `${WEIGHTS} does not fit ${CONFIG}: ${problems.length > 0 ? listed(problems) : "it has no tensors"}. ` +
        "No model was changed, and nothing was left out. Get both files again, or merge the adapter with PEFT.",
      { file: WEIGHTS },
    );
  }
  const entries = new Map<string, PeftEntry>();
  for (const [module, { names, ...entry }] of planned) {
    const a = await readFactor(file, names.a);
    const b = await readFactor(file, names.b);
    const magnitude =
      names.magnitude === undefined ? {} : { magnitude: await readFactor(file, names.magnitude) };
    entries.set(module, { ...entry, a, b, ...magnitude });
  }
  return entries;
}

type Planned = Omit<PeftEntry, "a" | "b" | "magnitude"> & {
  readonly names: { readonly a: string; readonly b: string; readonly magnitude: string | undefined };
};

/** What a module's tensors are together, or what is wrong with them. */
function planFor(
  module: string,
  { a, b, embeddingA, embeddingB, magnitude }: Parts,
  tensors: ReadonlyMap<string, TensorInfo>,
  config: PeftConfig,
): Planned | string {
  const isEmbedding = embeddingA !== undefined || embeddingB !== undefined;
  if (isEmbedding && (a !== undefined || b !== undefined))
    return "has factors of an embedding and of a layer";
  const names = { a: a ?? embeddingA, b: b ?? embeddingB, magnitude };
  if (names.a === undefined || names.b === undefined)
    return `has no lora${isEmbedding ? "_embedding" : ""}_${names.a === undefined ? "A" : "B"}`;
  if (config.dora !== (magnitude !== undefined)) {
    return config.dora
      ? "has no lora_magnitude_vector, and use_dora is true"
      : "has a lora_magnitude_vector, and use_dora is not true";
  }
  const infos = [names.a, names.b, ...(magnitude === undefined ? [] : [magnitude])].map((name) =>
    tensors.get(name)!,
  );
  const unusual = infos.find(({ dtype }) => !["float32", "float16", "bfloat16"].includes(dtype));
  if (unusual !== undefined) return `is ${unusual.dtype}, and float32, float16 and bfloat16 are read`;
  const [
    {
      shape: [rank, ...inputs],
    },
    {
      shape: [outputs, columns, ...ones],
    },
  ] = infos as [TensorInfo, TensorInfo];
  const loraRank = matching(config.rankPattern, module) ?? config.loraRank;
  const shapes = infos.map(({ shape }) => `[${shape.join(", ")}]`).join(" and ");
  if (rank !== loraRank || columns !== loraRank)
    return `has factors ${shapes}, and ${CONFIG} says rank ${loraRank}`;
  const isConv = inputs.length > 1;
  if (
    outputs === undefined ||
    inputs.length === 0 ||
    (isEmbedding && isConv) ||
    ones.length !== (isConv ? inputs.length - 1 : 0) ||
    product(ones) !== 1
  ) {
    return `has factors ${shapes}, which are those of no linear layer, embedding or convolution`;
  }
  const length = infos[2]?.shape;
  if (
    length !== undefined &&
    (product(length) !== outputs || length.filter((size) => size !== 1).length > 1)
  ) {
    return `has factors ${shapes}, and the last must be one number for each of ${outputs} outputs`;
  }
  const kind = isEmbedding ? "embedding" : isConv ? "conv" : "linear";
  const alpha = matching(config.alphaPattern, module) ?? config.alpha;
  return { kind, loraRank, alpha, inputs, outputs, names: { a: names.a, b: names.b, magnitude } };
}

/** A tensor as float32, which holds every float16 and bfloat16 exactly. */
async function readFactor(file: Safetensors, name: string): Promise<Float32Array> {
  const tensor = await file.read(name);
  if (tensor.dtype === "float32") return tensor.data;
  const { data, dtype } = tensor as { readonly data: Uint16Array; readonly dtype: "float16" | "bfloat16" };
  const values = new Float32Array(data.length);
  const window = new Float64Array(Math.min(data.length, 4096));
  for (let at = 0; at < data.length; at += window.length) {
    const end = Math.min(at + window.length, data.length);
    decode(data, dtype, at, end, window);
    values.set(window.subarray(0, end - at), at);
  }
  return values;
}
