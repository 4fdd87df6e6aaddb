/**
 * Quantized parameters, modified in place. Scaling touches scales only; everything else is decoded, modified and encoded
 * again. `copy` keeps all bytes; `reversible` and `plane` keep scales, and of the codes those that have moved.
 */
import type { NumericArray } from "../../../dtypes/dtype.ts";
import { RestoreError } from "../../../errors.ts";
import { fingerprint } from "../../../fingerprint.ts";
import type { Bytes, Layer, Realised, Stage } from "../../../store.ts";
import type { Storage } from "../storage.ts";
import { decodeAll, imageOf, isDetached, type QuantizedEntry } from "./entry.ts";
import { areSame, forgetFactors, type Layers, ownBytes } from "./layers.ts";
import { LayersShown } from "./layers-shown.ts";
import type { Undo } from "./undo.ts";

/** Stages by storage, while anything is shown on them: plans are about originals. */
const open = new WeakMap<Storage, QuantizedStage>();

/** What shows layers on a parameter, if anything is shown on it. */
export function stageOn({ storage }: QuantizedEntry): QuantizedStage | undefined {
  return open.get(storage);
}

/** Runs `look` while the original of a parameter is there. */
export function withOriginal<R>(entry: QuantizedEntry, look: () => R): R {
  const stage = stageOn(entry);
  return stage === undefined ? look() : stage.lendOriginal(look);
}

/** One quantized parameter while theaters are open on it. */
export class QuantizedStage implements Stage<NumericArray> {
  readonly #entry: QuantizedEntry;
  readonly #onRelease: () => void;
  /** No; but a write may be in what a theater goes on to show when one below it closes, and is then its to deal with. */
  readonly seesWrites = false;
  readonly #shown: LayersShown;
  #layers: Layers = [];
  /** A layer whose result, shown again, has what something wrote to it. */
  #tainted: Layer<NumericArray> | undefined;
  /** Whether the layers are not what is visible: showing others failed, and so did showing these again. */
  #isTorn = false;
  /** Of what is visible; the first `hold` or `show` takes it. */
  #digest = "";
  /** How many openings go on whose user code may write to what is visible. */
  #openings = 0;
  /** All that is visible, while there are any. */
  #secured: Undo | undefined;

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
    this.#secured ??= imageOf(this.#entry);
    this.#openings++;
  }

  settle(): void {
    this.#openings--;
    if (this.#openings === 0) this.#secured = undefined;
  }

  #digestNow(): string {
    return this.#entry.arrays.map(fingerprint).join();
  }

  show(layers: Layers): void {
    this.#assertWhole();
    const before = this.#layers;
    if (!this.#isTorn && areSame(before, layers)) return;
    const top = before.at(-1);
    if (this.#shown.keep(top) && this.written() !== "no") this.#tainted = top;
    this.#isTorn = true;
    try {
      this.#shown.become(layers);
      // User code that goes on has shown or closed a theater: from now on it may write to what is visible now.
      if (this.#secured !== undefined) this.#secured = imageOf(this.#entry);
    } catch (error) {
      if (!isDetached(this.#entry)) this.#shown.become(before);
      this.#settle(before);
      throw error;
    }
    this.#settle(layers);
  }

  #settle(layers: Layers): void {
    if (layers.length === 1) forgetFactors(layers[0]!);
    this.#shown.settle(layers);
    this.#layers = layers;
    this.#isTorn = false;
    if (this.#tainted !== undefined && !layers.includes(this.#tainted)) this.#tainted = undefined;
    if (layers.length > 0) open.set(this.#entry.storage, this);
    else open.delete(this.#entry.storage);
    this.#digest = this.#digestNow();
  }

  /** Undoes what user code wrote at opening. @throws RestoreError where the original is lost */
  #assertWhole(): void {
    if (isDetached(this.#entry)) throw this.#lost("was detached: a buffer of it was transferred");
    // What failed half way is undone like what succeeded.
    if (this.#digest === "" || this.#isTorn || this.written() === "no") return;
    if (this.#secured !== undefined) return this.#secured.run();
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
    if (this.#tainted !== undefined) return "overwritten";
    return this.#digest === "" || this.#digestNow() === this.#digest ? "no" : "overwritten";
  }

  bytes(): Bytes {
    return {
      held: this.#shown.bytes + ownBytes(this.#layers),
      shared: new Map(),
      transient: this.#secured?.bytes ?? 0,
    };
  }

  read(which: "original" | "visible"): ArrayLike<number> {
    return which === "visible" ? decodeAll(this.#entry) : this.lendOriginal(() => decodeAll(this.#entry));
  }

  /** A layer that is shown, as it can be computed again; undefined where only its result can be kept. */
  repeatable(layer: Layer<NumericArray>): Layer<NumericArray> | undefined {
    return this.#shown.repeatable(layer);
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
    this.#openings = 0;
    this.#secured = undefined;
    this.#layers = [];
    this.#tainted = undefined;
    this.#onRelease();
    return by;
  }
}
