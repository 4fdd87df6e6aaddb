/** Reads a GGUF header from its beginning on, through a window: how long it is, nothing says beforehand. */
import { FormatError } from "../errors.ts";
import { type Bytes, type ByteSource, readBytes, titleOf } from "./source.ts";

/** Bytes that are asked for at once, at least. */
const WINDOW = 1 << 18;

/** Most tensors, pairs, elements of an array, and bytes of a string: ggml's limit. */
const MOST = 2 ** 30;

const EMPTY = new DataView(new ArrayBuffer(0));

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A position in a file. `has`, or `need`, comes before what is taken; nothing is allocated that the file does not have. */
export class Cursor {
  readonly source: ByteSource;
  #window: DataView = EMPTY;
  /** Position of the window in the file. */
  #start = 0;
  /** Position in the window. */
  #at = 0;

  constructor(source: ByteSource) {
    this.source = source;
  }

  /** Position in the file. */
  get at(): number {
    return this.#start + this.#at;
  }

  fail(code: FormatError["code"], problem: string, offset: number): never {
    throw new FormatError(
      code,
      `${titleOf(this.source)} is not a valid GGUF file: ${problem}, at byte ${offset}. No model was changed. ` +
        "Get the file again, or ask who wrote it.",
      { file: this.source.name, offset },
    );
  }

  /** Whether `length` bytes can be taken without waiting for them. */
  has(length: number): boolean {
    return this.#at + length <= this.#window.byteLength;
  }

  /** Makes `length` bytes available. @throws FormatError `truncated` */
  async need(length: number): Promise<void> {
    if (this.has(length)) return;
    const start = this.at;
    const most = Math.max(length, Math.min(WINDOW, this.source.size - start));
    this.#window = new DataView((await readBytes(this.source, start, most)).buffer);
    this.#start = start;
    this.#at = 0;
  }

  u32(): number {
    this.#at += 4;
    return this.#window.getUint32(this.#at - 4, true);
  }

  u64(): bigint {
    this.#at += 8;
    return this.#window.getBigUint64(this.#at - 8, true);
  }

  /**
   * A u64 that says how many there are of what follows.
   *
   * @param each - bytes that each of them has at least
   * @throws FormatError if the rest of the file cannot have them
   */
  count(what: string, each: number): number {
    const at = this.at;
    const count = this.u64();
    if (count > BigInt(MOST)) this.fail("bad_header", `${what}: ${count}, and ${MOST} are allowed`, at);
    const left = this.source.size - this.at;
    if (Number(count) * each > left) {
      this.fail("truncated", `${what}: ${count}, which the ${left} bytes that are left cannot have`, at);
    }
    return Number(count);
  }

  /** UTF-8. @throws FormatError `bad_header` */
  text(length: number): string {
    const { buffer } = this.#window;
    const bytes = new Uint8Array(buffer, this.#at, length);
    try {
      const text = utf8.decode(bytes);
      this.#at += length;
      return text;
    } catch {
      return this.fail("bad_header", "a string is not valid UTF-8", this.at);
    }
  }

  /** A string: its length, and its bytes. */
  async string(what: string): Promise<string> {
    if (!this.has(8)) await this.need(8);
    const length = this.count(`bytes of ${what}`, 1);
    if (!this.has(length)) await this.need(length);
    return this.text(length);
  }

  /** Bytes in a buffer of their own. */
  async bytes(length: number): Promise<Bytes> {
    if (!this.has(length)) {
      // Straight from the source: a window would be a second copy.
      const start = this.at;
      const bytes = await readBytes(this.source, start, length);
      this.#window = EMPTY;
      this.#start = start + length;
      this.#at = 0;
      return bytes;
    }
    const bytes = new Uint8Array(this.#window.buffer.slice(this.#at, this.#at + length) as ArrayBuffer);
    this.#at += length;
    return bytes;
  }
}
