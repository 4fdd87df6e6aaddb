/** A GGUF file, opened: its header in memory, its tensors read one at a time. */
import { UnsupportedError } from "../errors.ts";
import { decodeKQuant, type KQuant, SUPER_BLOCK, superBlockBytes } from "../quantized/k-quants.ts";
import { type GgufHeader, type GgufTensorInfo, readGgufHeader } from "./gguf-header.ts";
import type { GgufValue } from "./gguf-metadata.ts";
import { type GgufTensor, isOther, isPlainDType } from "./gguf-types.ts";
import { quoted } from "./json.ts";
import { OpenedFile } from "./opened.ts";
import { type ByteSource, byteSource, type Readable, readBytes, titleOf } from "./source.ts";
import { type FileTensor, tensorOn } from "./tensor.ts";

/** How blocks are laid out: the version that ggml has had since 2023. */
const QUANTIZATION = 2;

/** Super-blocks that are read at once to be decoded. */
const BATCH = 1024;

/** An opened file and what is known of it. Made by `openGguf`. */
export class Gguf extends OpenedFile<GgufTensorInfo> {
  /** What the writer noted, such as `general.architecture`, with types, in the order of the file. */
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly #source: ByteSource;

  /** @internal */
  constructor({ metadata, tensors }: GgufHeader, source: ByteSource) {
    super(tensors, async () => source.close?.());
    this.metadata = metadata;
    this.#source = source;
  }

  /**
   * Reads one tensor into a buffer of its own, which is the caller's: plain elements as they are, Q8_0 and Q4_0 as a
   * quantized parameter. Q4_K and Q6_K, which cannot be encoded, are decoded to float32: 7 and 5 times the bytes that the
   * file has.
   *
   * @throws RangeError for a name that is not there, with the nearest ones; TypeError when closed
   * @throws UnsupportedError `dtype` for another format, by its name
   * @throws FormatError `truncated` if the file has become shorter
   */
  async read(name: string): Promise<GgufTensor> {
    const { dtype, shape, offset, bytes } = this.infoOf(name);
    if (isOther(dtype)) throw this.#unsupported(name, `${dtype}, which is not implemented`);
    if (isPlainDType(dtype)) {
      return tensorOn(await readBytes(this.#source, offset, bytes), dtype, shape) as GgufTensor;
    }
    const version = this.metadata.get("general.quantization_version")?.value ?? QUANTIZATION;
    if (Number(version) !== QUANTIZATION) {
      throw this.#unsupported(
        name,
        `of version ${String(version)} of the quantization, and only ${QUANTIZATION} is read`,
      );
    }
    if (dtype === "gguf-q4_k" || dtype === "gguf-q6_k") return this.#decoded(dtype, shape, offset, bytes);
    return { format: dtype, shape, blocks: await readBytes(this.#source, offset, bytes) };
  }

  #unsupported(name: string, what: string): UnsupportedError {
    return new UnsupportedError(
      "dtype",
      `${titleOf(this.#source)}: ${quoted(name)} is ${what}. No model was changed. ` +
        "Convert it, such as with ggml's quantize tool, or leave it out.",
    );
  }

  async #decoded(
    dtype: KQuant,
    shape: readonly number[],
    offset: number,
    bytes: number,
  ): Promise<FileTensor<"float32">> {
    const each = superBlockBytes[dtype];
    const data = new Float32Array((bytes / each) * SUPER_BLOCK);
    for (let at = 0; at < bytes; at += BATCH * each) {
      const blocks = await readBytes(this.#source, offset + at, Math.min(BATCH * each, bytes - at));
      const first = (at / each) * SUPER_BLOCK;
      decodeKQuant(dtype, blocks, 0, data.subarray(first, first + (blocks.length / each) * SUPER_BLOCK));
    }
    return { data, shape, dtype: "float32" };
  }
}

/**
 * Opens a GGUF file. Only its header is read; it is checked whole, against the size of the file.
 *
 * @param from - bytes, a Blob, an opened file, or a source of your own; a source is closed with the result, and also
 *   when this throws
 * @throws FormatError `truncated`, `bad_header`, `bad_offsets`, `unknown_dtype`, each with its offset
 * @example
 * import { bytesOf } from "surgical-theater/formats";
 * import { encodeQuantized, openGguf, writeGguf } from "surgical-theater/quantized";
 *
 * const kernel = encodeQuantized(new Float32Array(64).fill(0.5), [2, 32], { format: "gguf-q8_0" });
 * const file = await openGguf(await bytesOf(writeGguf([{ name: "kernel", ...kernel }])));
 * console.log(file.tensors.get("kernel")?.dtype, file.tensors.get("kernel")?.shape); // gguf-q8_0 [2, 32]
 * await file.close();
 */
export async function openGguf(from: Readable): Promise<Gguf> {
  const source = byteSource(from);
  try {
    return new Gguf(await readGgufHeader(source), source);
  } catch (error) {
    await source.close?.();
    throw error;
  }
}
