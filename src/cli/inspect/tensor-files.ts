/** Safetensors, PEFT and GGUF: what their headers say. No tensor is read, but for an adapter's. */
import { folderAt, openFile, openSafetensors, openShardedSafetensors, readPeft } from "../../formats.ts";
import { openGguf } from "../../quantized.ts";
import type { Inspected } from "./inspected.ts";

/** A header's notes, cut where they are long: GGUF files have their vocabulary there. */
function noted(metadata: Iterable<readonly [string, unknown]>): Readonly<Record<string, string>> {
  const texts = [...metadata].map(([key, value]) => {
    const text = String(value);
    return [key, text.length > 80 ? `${text.slice(0, 79)}…` : text] as const;
  });
  return Object.fromEntries(texts);
}

export async function inspectSafetensors(path: string): Promise<Inspected> {
  const file = await openSafetensors(await openFile(path));
  try {
    const parameters = [...file.tensors].map(([name, info]) => ({ name, ...info }));
    return { file: path, format: "safetensors", isAdapter: false, notes: noted(file.metadata), parameters };
  } finally {
    await file.close();
  }
}

/** @param name - of the index, in the folder `path` */
export async function inspectSharded(path: string, name: string): Promise<Inspected> {
  const model = await openShardedSafetensors(folderAt(path), name);
  try {
    const parameters = [...model.tensors].map(([each, info]) => ({ name: each, ...info }));
    return {
      file: `${path}/${name}`,
      format: "safetensors in several files",
      isAdapter: false,
      notes: noted(model.metadata),
      parameters,
    };
  } finally {
    await model.close();
  }
}

export async function inspectGguf(path: string): Promise<Inspected> {
  const file = await openGguf(await openFile(path));
  try {
    const parameters = [...file.tensors].map(([name, info]) => ({ name, ...info }));
    const metadata = [...file.metadata].map(
      ([key, { value }]) => [key, Array.isArray(value) ? `${value.length} values` : value] as const,
    );
    return { file: path, format: "GGUF", isAdapter: false, notes: noted(metadata), parameters };
  } finally {
    await file.close();
  }
}

/** An adapter, checked whole, and the factors in its file. */
export async function inspectPeft(path: string): Promise<Inspected> {
  const { config, entries } = await readPeft(folderAt(path));
  const { loraRank, alpha, rsLora, dora, baseModel, taskType } = config;
  const notes = {
    kind: dora ? "DoRA" : rsLora ? "rsLoRA" : "LoRA",
    rank: loraRank,
    alpha,
    modules: entries.size,
    ...(baseModel !== undefined && { "base model": baseModel }),
    ...(taskType !== undefined && { task: taskType }),
  };
  const { parameters } = await inspectSafetensors(`${path}/adapter_model.safetensors`);
  return {
    file: path,
    format: "PEFT adapter",
    isAdapter: true,
    notes: noted(Object.entries(notes)),
    parameters,
  };
}
