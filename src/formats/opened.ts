/** An opened file: what is known of what it holds, looked up by name until it is closed. */
import { asyncDispose } from "../dispose.ts";
import { describeValue } from "../errors.ts";
import { didYouMean } from "../hints.ts";

/** What opened files of all formats have in common. */
export abstract class OpenedFile<Info> {
  /** What there is, by name, in the order of the data. */
  readonly tensors: ReadonlyMap<string, Info>;
  readonly #release: () => Promise<void>;
  #closed = false;

  /** @internal */
  constructor(tensors: ReadonlyMap<string, Info>, release: () => Promise<void>) {
    this.tensors = tensors;
    this.#release = release;
  }

  /**
   * What is known of a tensor that is about to be read.
   *
   * @throws RangeError for a name that is not there, with the nearest ones; TypeError when closed
   * @internal
   */
  protected infoOf(name: string): Info {
    if (this.#closed) throw new TypeError(`${describeValue(name)} cannot be read: the file was closed.`);
    const info = this.tensors.get(name);
    if (info !== undefined) return info;
    const hint = didYouMean(name, this.tensors.keys());
    throw new RangeError(`There is no tensor ${JSON.stringify(name)}.${hint} See \`tensors\` for all.`);
  }

  /** Closes what was opened. May be called again. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#release();
  }

  /** As {@link close}, for `await using`. */
  async [asyncDispose](): Promise<void> {
    await this.close();
  }
}
