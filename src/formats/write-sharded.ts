/** Writes a model in several safetensors files, with their index. */
import { describeValue } from "../errors.ts";
import { byteLengthOf } from "./tensor.ts";
import { objectText } from "./json.ts";
import { type Chunks, textChunks, type TensorToWrite, writeSafetensors } from "./write.ts";

/**
 * A model in several files, as chunks by file name: `model-00001-of-00002.safetensors` … and
 * `model.safetensors.index.json`, which comes last. Tensors keep their order.
 *
 * @param tensors - as for `writeSafetensors`
 * @param options - `maxBytes`: most bytes of data in one file; a larger tensor gets one of its own
 * @throws TypeError, RangeError as `writeSafetensors`
 * @example
 * import { writeShardedSafetensors } from "surgical-theater/formats";
 *
 * const w = { name: "w", dtype: "float32", shape: [2], data: Float32Array.of(1, 2) } as const;
 * console.log([...writeShardedSafetensors([w], { maxBytes: 5e9 }).keys()]);
 * // [ 'model-00001-of-00001.safetensors', 'model.safetensors.index.json' ]
 */
export function writeShardedSafetensors(
  tensors: Iterable<TensorToWrite>,
  options: {
    readonly maxBytes: number;
    readonly metadata?: ReadonlyMap<string, string> | Readonly<Record<string, string>>;
  },
): ReadonlyMap<string, Chunks> {
  const { maxBytes, metadata } = options;
  if (!(typeof maxBytes === "number" && maxBytes > 0)) {
    throw new RangeError(`maxBytes must be a positive number, got ${describeValue(maxBytes)}.`);
  }
  const shards: TensorToWrite[][] = [];
  const names = new Set<string>();
  let room = 0;
  let total = 0;
  for (const tensor of tensors) {
    if (names.has(tensor.name))
      throw new RangeError(`The tensor ${JSON.stringify(tensor.name)} is there twice.`);
    names.add(tensor.name);
    // A shape that cannot be is refused when its file is begun, below.
    const bytes = byteLengthOf(tensor.dtype, tensor.shape) ?? 0;
    if (shards.length === 0 || bytes > room) {
      shards.push([]);
      room = maxBytes;
    }
    shards.at(-1)!.push(tensor);
    room -= bytes;
    total += bytes;
  }
  const number = (n: number): string => String(n).padStart(5, "0");
  const files = new Map<string, Chunks>();
  const places: [tensor: string, json: string][] = [];
  for (const [i, shard] of shards.entries()) {
    const file = `model-${number(i + 1)}-of-${number(shards.length)}.safetensors`;
    files.set(file, writeSafetensors(shard, metadata));
    places.push(...shard.map(({ name }): [string, string] => [name, JSON.stringify(file)]));
  }
  const index = `{"metadata":{"total_size":${total}},"weight_map":${objectText(places)}}\n`;
  return files.set("model.safetensors.index.json", textChunks(index));
}
