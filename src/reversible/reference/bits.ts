/**
 * Streams of fields of a few bits, as the kernels write them: the first field in the lowest bits of the first byte.
 */
/* oxlint-disable typescript/no-non-null-assertion -- reading behind the end gives zeros in the accumulator */

/** Appends fields to bytes. */
export class BitWriter {
  readonly #bytes: Uint8Array;
  #at: number;
  /** Fewer than 8 bits that do not make a byte yet. */
  #pending = 0;
  #pendingWidth = 0;

  /** @param at - byte to begin at */
  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  /**
   * @param value - less than 2^width
   * @param width - 0 to 24: with 7 pending bits, what an int32 holds
   */
  put(value: number, width: number): void {
    this.#pending |= value << this.#pendingWidth;
    this.#pendingWidth += width;
    while (this.#pendingWidth >= 8) {
      this.#bytes[this.#at++] = this.#pending;
      this.#pending >>>= 8;
      this.#pendingWidth -= 8;
    }
  }

  /** Fills the last byte up with zeros. @returns the position behind it */
  flush(): number {
    if (this.#pendingWidth > 0) this.put(0, 8 - this.#pendingWidth);
    return this.#at;
  }
}

/** Takes fields from bytes. */
export class BitReader {
  readonly #bytes: Uint8Array;
  #at: number;
  #pending = 0;
  #pendingWidth = 0;

  /** @param at - byte to begin at */
  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  /** @param width - 0 to 24 */
  take(width: number): number {
    while (this.#pendingWidth < width) {
      this.#pending |= this.#bytes[this.#at++]! << this.#pendingWidth;
      this.#pendingWidth += 8;
    }
    const value = this.#pending & ((1 << width) - 1);
    this.#pending >>>= width;
    this.#pendingWidth -= width;
    return value;
  }
}
