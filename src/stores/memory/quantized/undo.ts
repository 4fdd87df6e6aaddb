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

/** Bytes that are exchanged at once. */
const PART = 8192;

/** Exchanges all bytes of a region from unit `first` on with `bytes`. */
function exchange(region: Region, first: number, bytes: Uint8Array): void {
  const part = region.length * Math.max(1, Math.floor(PART / region.length));
  const now = new Uint8Array(Math.min(part, bytes.length));
  for (let at = 0; at < bytes.length; at += part) {
    const old = bytes.subarray(at, at + part);
    const of = now.subarray(0, old.length);
    gather(region, first + at / region.length, of);
    scatter(region, first + at / region.length, old);
    old.set(of);
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
    for (const { first, length, kind, bytes } of this.#changes) {
      if (kind === "all") scatter(this.#codes, first, bytes);
      else this.#exchangeCodes(first, length, bytes.slice());
    }
    for (const { region, bytes } of this.#saved) scatter(region, 0, bytes);
  }

  /** Brings everything back until `look` returns. */
  lend<R>(look: () => R): R {
    this.#exchange();
    try {
      return look();
    } finally {
      this.#exchange();
    }
  }

  /** What is kept becomes what is there, and the other way round: twice is as before. */
  #exchange(): void {
    for (const { first, length, kind, bytes } of this.#changes) {
      if (kind === "all") exchange(this.#codes, first, bytes);
      else this.#exchangeCodes(first, length, bytes);
    }
    for (const { region, bytes } of this.#saved) exchange(region, 0, bytes);
  }

  #exchangeCodes(first: number, length: number, pairs: Uint8Array): void {
    const codes = new Uint8Array(length);
    gather(this.#codes, first, codes);
    exchangePairs(pairs, codes);
    scatter(this.#codes, first, codes);
  }
}
