/** What became of a modification on the grid of a quantized format. */
/* oxlint-disable typescript/no-non-null-assertion -- indices are in range by construction; a check would cost the loop */
import { type Codec, gather } from "../../../quantized/codec.ts";
import type { Realised } from "../../../store.ts";

/** Bytes of codes that are compared at once, about. */
const PART = 8192;

/** Sums up {@link Realised} over parts of a parameter. Values that are not finite are left out. */
export class RealisedSums {
  #asked = 0;
  #missed = 0;
  #moved = 0;
  #codes = 0;

  /** Adds elements: originals, what was asked for, and what shows. */
  add(original: Float32Array, asked: Float32Array, shown: Float32Array): void {
    for (let i = 0; i < original.length; i++) {
      const wanted = asked[i]! - original[i]!;
      const missed = shown[i]! - asked[i]!;
      if (wanted === 0 && missed === 0) continue;
      const sum = wanted * wanted + missed * missed;
      if (!Number.isFinite(sum)) continue;
      this.#asked += wanted * wanted;
      this.#missed += missed * missed;
    }
  }

  /** What it has of elements, without codes. */
  copy(): RealisedSums {
    const copy = new RealisedSums();
    copy.include(this);
    return copy;
  }

  /** Adds what another one has of elements: that of steps above or below. */
  include(other: RealisedSums): void {
    this.#asked += other.#asked;
    this.#missed += other.#missed;
  }

  /** Adds codes, two or one a byte. */
  addCodes(before: Uint8Array, now: Uint8Array, perByte: number): void {
    this.#codes += before.length * perByte;
    for (let i = 0; i < before.length; i++) {
      const difference = before[i]! ^ now[i]!;
      if (difference === 0) continue;
      this.#moved += perByte === 1 ? 1 : Number((difference & 15) !== 0) + Number(difference > 15);
    }
  }

  /** Adds all codes of a parameter. @param before - a copy of the bytes that they lie in */
  addAllCodes(codes: Codec["codes"], before: Uint8Array): void {
    const units = codes.bytes.length / codes.stride;
    const step = Math.max(1, Math.floor(PART / codes.length));
    for (let first = 0; first < units; first += step) {
      const old = new Uint8Array(Math.min(step, units - first) * codes.length);
      const now = new Uint8Array(old.length);
      gather({ ...codes, bytes: before }, first, old);
      gather(codes, first, now);
      this.addCodes(old, now, codes.elements / codes.length);
    }
  }

  get result(): Realised {
    return {
      relativeError: this.#asked === 0 ? 0 : Math.sqrt(this.#missed / this.#asked),
      movedCodes: this.#codes === 0 ? 0 : this.#moved / this.#codes,
    };
  }
}
