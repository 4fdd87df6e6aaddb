/**
 * Quantized parameters, modified in place. Scaling touches scales only; everything else is decoded, modified and encoded
 * again. `copy` keeps all bytes; `reversible` and `plane` keep scales, and of the codes those that have moved.
 */
import type { NumericArray } from "../../../dtypes/dtype.ts";
import { RestoreError } from "../../../errors.ts";
import { fingerprint } from "../../../fingerprint.ts";
import type { Bytes, Realised, Stage } from "../../../store.ts";
import type { Storage } from "../storage.ts";
import { decodeAll, imageOf, isDetached, type QuantizedEntry } from "./entry.ts";
import { type Layers, LayersShown } from "./layers-shown.ts";
import type { Undo } from "./undo.ts";

/** Stages by storage, while anything is shown on them: plans are about originals. */
const open = new WeakMap<Storage, QuantizedStage>();

/** Runs `look` while the original of a parameter is there. */
export function withOriginal<R>({ storage }: QuantizedEntry, look: () => R): R {
  const stage = open.get(storage);
  return stage === undefined ? look() : stage.lendOriginal(look);
}

/** One quantized parameter while theaters are open on it. */
export class QuantizedStage implements Stage<NumericArray> {
  readonly #entry: QuantizedEntry;
  readonly #onRelease: () => void;
  readonly #shown: LayersShown;
  #layers: Layers = [];
  /** Of what is visible; the first `hold` or `show` takes it. */
  #digest = "";
  /** All that was visible before user code could run: for each opening within another's. */
  readonly #secured: Undo[] = [];

  /**
   * @param keepsAll - whether to keep all bytes, and so survive whatever is written inside
   * @param onRelease - called once everything is back
   */
  constructor(entry: QuantizedEntry, keepsAll: boolean, onRelease: () => void) {
    this.#entry = entry;
    this.#onRelease = onRelease;
    this.#shown = new LayersShown(entry, keepsAll);
  }

  get isInUse(): boolean {
    return false;
  }

  get realised(): Realised {
    return this.#shown.realised;
  }

  hold(toModify: boolean): void {
    if (toModify) this.secure();
    this.#digest = this.#digestNow();
  }

  secure(): void {
    this.#secured.push(imageOf(this.#entry));
  }

  settle(): void {
    this.#secured.pop();
  }

  #digestNow(): string {
    return this.#entry.arrays.map(fingerprint).join();
  }

  show(layers: Layers): void {
    this.#assertWhole();
    const before = this.#layers;
    if (before.length === 1 && layers.length > 1) this.#shown.keepLowest(before[0]!);
    try {
      this.#shown.become(layers);
    } catch (error) {
      if (!isDetached(this.#entry)) this.#shown.become(before);
      this.#settle(before);
      throw error;
    }
    this.#settle(layers);
  }

  #settle(layers: Layers): void {
    this.#shown.settle(layers);
    this.#layers = layers;
    if (layers.length > 0) open.set(this.#entry.storage, this);
    else open.delete(this.#entry.storage);
    this.#digest = this.#digestNow();
  }

  /** Undoes what user code wrote at opening. @throws RestoreError where the original is lost */
  #assertWhole(): void {
    if (isDetached(this.#entry)) throw this.#lost("was detached: a buffer of it was transferred");
    if (this.#digest === "" || this.written() === "no") return;
    const secured = this.#secured.at(-1);
    if (secured !== undefined) return secured.run();
    const { keeps } = this.#shown;
    if (keeps === "all") return;
    // Scales, and codes that it moved, are right whatever was written to them.
    this.#shown.restore();
    throw this.#lost(
      keeps === "nothing"
        ? "was overwritten in place inside a theater that does not modify it, and so holds no copy of it"
        : "was overwritten inside a theater that keeps its scales, and of its codes only those that it moved: others " +
            "that were written to stay as they are; all else is back",
    );
  }

  #lost(what: string): RestoreError {
    const { name } = this.#entry.parameter;
    return new RestoreError("original_lost", new Map([[name, undefined]]), `${JSON.stringify(name)} ${what}`);
  }

  written(): "no" | "overwritten" | "disposed" {
    if (isDetached(this.#entry)) return "disposed";
    return this.#digest === "" || this.#digestNow() === this.#digest ? "no" : "overwritten";
  }

  bytes(): Bytes {
    return {
      held: this.#shown.bytes,
      shared: new Map(),
      transient: this.#secured.reduce((sum, { bytes }) => sum + bytes, 0),
    };
  }

  read(which: "original" | "visible"): ArrayLike<number> {
    return which === "visible" ? decodeAll(this.#entry) : this.lendOriginal(() => decodeAll(this.#entry));
  }

  /** Runs `look` while the original is there. */
  lendOriginal<R>(look: () => R): R {
    return isDetached(this.#entry) ? look() : this.#shown.lendOriginal(look);
  }

  release(how: "restore" | "keep"): "copy" | "inverse" | "fingerprint" {
    const by = ({ nothing: "fingerprint", all: "copy", changes: "inverse" } as const)[this.#shown.keeps];
    if (how === "restore") {
      this.#assertWhole();
      this.#shown.restore();
    }
    this.#shown.clear();
    open.delete(this.#entry.storage);
    this.#secured.length = 0;
    this.#layers = [];
    this.#onRelease();
    return by;
  }
}
