/** What it takes to bring the bytes of a quantized parameter back: all scales, and the codes that have moved. */
/* oxlint-disable typescript/no-non-null-assertion -- indices are in range by construction; a check would cost the loop */
import { gather, type Region, regionBytes, scatter } from "../../../quantized/codec.ts";

/** The codes of a run of units that were others before. */
interface Changes {
  readonly first: number;
  /** Bytes of codes in the run. */
  readonly length: number;
  /** All of them, or pairs: how many bytes to skip, and the byte that was there. */
  readonly kind: "all" | "pairs";
  readonly bytes: Uint8Array;
}

/** A gap of this many bytes and no change behind it. */
const LONG = 255;

/** Gaps and old bytes where `now` differs from `before`; undefined if they are no fewer than all. */
function pairsOf(before: Uint8Array, now: Uint8Array): Uint8Array | undefined {
  const pairs = new Uint8Array(before.length);
  let [size, last] = [0, 0];
  for (let i = 0; i < before.length; i++) {
    if (before[i] === now[i]) continue;
    for (; i - last >= LONG; last += LONG) pairs[size++] = LONG;
    if (size + 2 > pairs.length) return undefined;
    pairs[size++] = i - last;
    pairs[size++] = before[i]!;
    last = i + 1;
  }
  return pairs.slice(0, size);
}

/** Exchanges the old bytes of `pairs` with those of `codes`. */
function exchangePairs(pairs: Uint8Array, codes: Uint8Array): void {
  let at = 0;
  for (let i = 0; i < pairs.length; i++) {
    at += pairs[i]!;
    if (pairs[i] === LONG) continue;
    const now = codes[at]!;
    codes[at++] = pairs[++i]!;
    pairs[i] = now;
  }
}

/** Grows while a parameter is being modified; complete at any moment, as long as units are added before the next. */
export class Undo {
  readonly #codes: Region;
  readonly #saved: { readonly region: Region; readonly bytes: Uint8Array }[] = [];
  readonly #changes: Changes[] = [];

  constructor(codes: Region) {
    this.#codes = codes;
  }

  /** Bytes held. */
  get bytes(): number {
    const saved = this.#saved.reduce((sum, { bytes }) => sum + bytes.length, 0);
    return this.#changes.reduce((sum, { bytes }) => sum + bytes.length, saved);
  }

  /** Keeps all of a region, before it is changed. @returns what it was */
  save(region: Region): Uint8Array {
    const bytes = new Uint8Array(regionBytes(region));
    gather(region, 0, bytes);
    this.#saved.push({ region, bytes });
    return bytes;
  }

  /** Keeps the codes `before` of units `first` and following, where they are others now. */
  addCodes(first: number, before: Uint8Array, now: Uint8Array): void {
    const pairs = pairsOf(before, now);
    if (pairs?.length === 0) return;
    const { length } = before;
    this.#changes.push(
      pairs === undefined
        ? { first, length, kind: "all", bytes: before.slice() }
        : { first, length, kind: "pairs", bytes: pairs },
    );
  }

  /** Brings everything back. May be called again, whatever was written since. */
  run(): void {
    for (const { first, kind, bytes, length } of this.#changes) {
      const codes = kind === "all" ? bytes : this.#codesOf(first, length);
      if (kind === "pairs") exchangePairs(bytes.slice(), codes);
      scatter(this.#codes, first, codes);
    }
    for (const { region, bytes } of this.#saved) scatter(region, 0, bytes);
  }

  /** Brings everything back until `look` returns. */
  lend<R>(look: () => R): R {
    const back = this.#inverse();
    try {
      this.run();
      return look();
    } finally {
      // Whatever has failed, it has to come back.
      try {
        back.run();
      } catch {
        back.run();
      }
    }
  }

  /** What brings back what is there now, where this one changes it. */
  #inverse(): Undo {
    const inverse = new Undo(this.#codes);
    for (const { region } of this.#saved) inverse.save(region);
    for (const change of this.#changes) {
      const codes = this.#codesOf(change.first, change.length);
      const bytes = change.kind === "all" ? codes : change.bytes.slice();
      if (change.kind === "pairs") exchangePairs(bytes, codes);
      inverse.#changes.push({ ...change, bytes });
    }
    return inverse;
  }

  #codesOf(first: number, length: number): Uint8Array {
    const codes = new Uint8Array(length);
    gather(this.#codes, first, codes);
    return codes;
  }
}
