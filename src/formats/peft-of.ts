/** From what the `lora` modification takes to an adapter that can be written. */
import { describeValue } from "../errors.ts";
import { didYouMean } from "../hints.ts";
import { type Adapter, checkAdapter, resolve } from "../modifications/adapter.ts";
import { type PeftAdapter, type PeftConfig, type PeftEntry } from "./peft.ts";

/** What an adapter in memory does not say about itself. */
export interface PeftOfOptions {
  /** Module of each parameter. Default: its name without `.weight`, `/kernel` or `/embeddings`, with dots for slashes. */
  readonly moduleOf?: (parameter: string) => string;
  /** Names of parameters that are embeddings; all others are linear layers. */
  readonly embeddings?: readonly string[];
  readonly baseModel?: string;
  readonly taskType?: string;
  readonly fanInFanOut?: boolean;
}

const known = ["moduleOf", "embeddings", "baseModel", "taskType", "fanInFanOut"];

/**
 * An adapter for PEFT, from a `lora` modification or from its arguments.
 *
 * Factors of convolutions do not know their window: make their entries by hand (`kind: "conv"`).
 *
 * @param lora - `lora(adapter, options)`, or `{ adapter, alpha, loraRank, … }`; its arrays are passed on, not copied
 * @throws TypeError, RangeError for an adapter that `lora` refuses, factors that are no Float32Array or of odd sizes,
 *   and two parameters of one module
 * @example
 * import { lora } from "surgical-theater";
 * import { peftOf } from "surgical-theater/formats";
 *
 * const factors = { a: Float32Array.of(1, 2), b: Float32Array.of(3) };
 * const peft = peftOf(lora({ "dense_1/kernel": factors }, { alpha: 4, loraRank: 1, layout: "inOut" }));
 * console.log(peft.entries.get("dense_1")?.inputs); // [ 2 ]
 */
export function peftOf(lora: Adapter<Float32Array>, options: PeftOfOptions = {}): PeftAdapter {
  checkAdapter(lora);
  for (const key of Object.keys(options)) {
    if (known.includes(key)) continue;
    throw new TypeError(`peftOf: unknown option ${JSON.stringify(key)}.${didYouMean(key, known)}`);
  }
  const { moduleOf = moduleNamed, embeddings = [], baseModel, taskType, fanInFanOut = false } = options;
  const unknown = embeddings.find((name) => !Object.hasOwn(lora.adapter, name));
  if (unknown !== undefined) {
    const hint = didYouMean(unknown, Object.keys(lora.adapter));
    throw new RangeError(`peftOf: the adapter has no ${JSON.stringify(unknown)}.${hint}`);
  }
  const entries = new Map<string, PeftEntry>();
  for (const parameter of Object.keys(lora.adapter)) {
    const module = moduleOf(parameter);
    if (typeof module !== "string" || module === "" || entries.has(module)) {
      const why = entries.has(module) ? "is that of another parameter too" : "is no name";
      throw new RangeError(`peftOf: module ${describeValue(module)} of ${JSON.stringify(parameter)} ${why}.`);
    }
    entries.set(module, entryOf(lora, parameter, embeddings.includes(parameter)));
  }
  const magnitudes = [...entries.values()].filter((entry) => entry.magnitude !== undefined).length;
  if (magnitudes !== 0 && magnitudes !== entries.size) {
    throw new RangeError(
      `peftOf: ${magnitudes} of ${entries.size} entries have a magnitude, and PEFT has all or none.`,
    );
  }
  const config: PeftConfig = {
    loraRank: lora.loraRank,
    alpha: lora.alpha,
    rsLora: lora.rsLora ?? false,
    dora: magnitudes > 0,
    fanInFanOut,
    rankPattern: new Map(),
    alphaPattern: new Map(),
    targetModules: undefined,
    baseModel,
    taskType,
    others: new Map(),
  };
  return { config, entries };
}

function entryOf(lora: Adapter<Float32Array>, parameter: string, isEmbedding: boolean): PeftEntry {
  const { a, b, magnitude, alpha, loraRank } = resolve(lora, parameter);
  for (const [key, array] of Object.entries({ a, b, ...(magnitude !== undefined && { magnitude }) })) {
    const what = `peftOf: ${key} of ${JSON.stringify(parameter)}`;
    if (array?.[Symbol.toStringTag] !== "Float32Array") {
      throw new TypeError(`${what} must be a Float32Array, got ${describeValue(array)}.`);
    }
    if (key !== "magnitude" && array.length % loraRank !== 0) {
      throw new RangeError(`${what} has ${array.length} elements, which are no ${loraRank} rows or columns.`);
    }
  }
  return {
    kind: isEmbedding ? "embedding" : "linear",
    a,
    b,
    ...(magnitude !== undefined && { magnitude }),
    loraRank,
    alpha,
    inputs: [a.length / loraRank],
    outputs: b.length / loraRank,
  };
}

function moduleNamed(parameter: string): string {
  return parameter.replace(/[./](?:weight|kernel|embeddings)$/, "").replaceAll("/", ".");
}
