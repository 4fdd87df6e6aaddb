/** Quantized models as files that others read: GGUF, and safetensors with the keys of bitsandbytes. */
// In a project of your own: from "surgical-theater/formats" and "surgical-theater/quantized".
import { openFile, openSafetensors, saveFiles, writeSafetensors } from "../../src/formats.ts";
import {
  bnbParameters,
  bnbTensors,
  type GgufTensorToWrite,
  openGguf,
  writeGguf,
} from "../../src/quantized.ts";
import type { Model } from "./model.ts";

/** How one kind of file is written and read. */
export interface FileKind {
  readonly file: string;
  /** Writes a model into a folder. */
  save(folder: string, model: Model): Promise<void>;
  /** Reads a model into arrays of its own. */
  load(folder: string): Promise<Model>;
}

export const gguf: FileKind = {
  file: "digits.gguf",
  async save(folder, model) {
    const tensors = Object.entries(model).map(([name, each]) => ({ name, ...each }) as GgufTensorToWrite);
    const metadata = { "general.architecture": "digits", "general.name": "Digits, quantized" };
    await saveFiles(folder, { [this.file]: writeGguf(tensors, metadata) });
  },
  async load(folder) {
    const file = await openGguf(await openFile(`${folder}/${this.file}`));
    const model: Record<string, Model[string]> = {};
    for (const name of file.tensors.keys()) model[name] = (await file.read(name)) as Model[string];
    await file.close();
    return model;
  },
};

export const bitsandbytes: FileKind = {
  file: "digits.safetensors",
  async save(folder, model) {
    const tensors = Object.entries(model).flatMap(([name, each]) => bnbTensors(name, each));
    await saveFiles(folder, { [this.file]: writeSafetensors(tensors) });
  },
  async load(folder) {
    const file = await openSafetensors(await openFile(`${folder}/${this.file}`));
    const model: Record<string, Model[string]> = {};
    for (const [name, parameter] of await bnbParameters(file)) {
      model[name] = (await parameter.read()) as Model[string];
    }
    await file.close();
    return model;
  },
};

/** Writes a model into `folder`, and reads it again. Files sort as they like: it is put into the order of the model. */
export async function rewritten(kind: FileKind, folder: string, model: Model): Promise<Model> {
  await kind.save(folder, model);
  const read = await kind.load(folder);
  const names = new Set([...Object.keys(model), ...Object.keys(read)]);
  return Object.fromEntries(Array.from(names, (name) => [name, read[name]!]));
}
