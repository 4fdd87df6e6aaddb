/** A safetensors file, opened: its header in memory, its tensors read one at a time. */
import { type Header, readHeader, type TensorInfo } from "./header.ts";
import { OpenedFile } from "./opened.ts";
import { type ByteSource, byteSource, type Readable, readBytes } from "./source.ts";
import { type FileTensor, tensorOn } from "./tensor.ts";

/** Opened files and what is known of them. Made by `openSafetensors` and `openShardedSafetensors`. */
export class Safetensors extends OpenedFile<TensorInfo> {
  /** What the writer noted, such as `format` → `pt`. */
  readonly metadata: ReadonlyMap<string, string>;
  readonly #sourceOf: (info: TensorInfo) => ByteSource | Promise<ByteSource>;

  /** @internal */
  constructor(
    { metadata, tensors }: Header,
    sourceOf: (info: TensorInfo) => ByteSource | Promise<ByteSource>,
    release: () => Promise<void>,
  ) {
    super(tensors, release);
    this.metadata = metadata;
    this.#sourceOf = sourceOf;
  }

  /**
   * Reads one tensor into a buffer of its own, which is the caller's. Nothing of it is kept here.
   *
   * @throws RangeError for a name that is not there, with the nearest ones; TypeError when closed
   * @throws FormatError `truncated` if the file has become shorter
   */
  async read(name: string): Promise<FileTensor> {
    const info = this.infoOf(name);
    const bytes = await readBytes(await this.#sourceOf(info), info.offset, info.bytes);
    return tensorOn(bytes, info.dtype, info.shape);
  }
}

/**
 * Opens a safetensors file. Only its header is read; it is checked whole, against the size of the file.
 *
 * @param from - bytes, a Blob, an opened file, or a source of your own; a source is closed with the result, and also
 *   when this throws
 * @throws FormatError `truncated`, `bad_header`, `bad_offsets`, `unknown_dtype`, each with its offset
 * @example
 * import { bytesOf, openSafetensors, writeSafetensors } from "surgical-theater/formats";
 *
 * const kernel = { name: "kernel", dtype: "float32", shape: [2], data: Float32Array.of(1, 2) } as const;
 * const file = await openSafetensors(await bytesOf(writeSafetensors([kernel])));
 * console.log(file.tensors.get("kernel")?.shape, (await file.read("kernel")).data); // [2] Float32Array [1, 2]
 * await file.close();
 */
export async function openSafetensors(from: Readable): Promise<Safetensors> {
  const source = byteSource(from);
  const release = async (): Promise<void> => source.close?.();
  try {
    return new Safetensors(await readHeader(source), () => source, release);
  } catch (error) {
    await release();
    throw error;
  }
}
