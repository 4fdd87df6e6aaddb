/**
 * Quantized parameters, modified in place. Scaling touches scales only; everything else is decoded, modified and encoded
 * again. `copy` keeps all bytes; `reversible` and `plane` keep scales, and of the codes those that have moved.
 */
import type { NumericArray } from "../../../dtypes/dtype.ts";
import { RestoreError } from "../../../errors.ts";
import { fingerprint } from "../../../fingerprint.ts";
import type { Step } from "../../../step.ts";
import type { Bytes, Layer, Realised, Stage } from "../../../store.ts";
import { regionOf } from "../../../quantized/codec.ts";
import { resultOf, type Whole } from "../computed.ts";
import { isGiven } from "../copy.ts";
import { operandBytes, withOwnFactors, withOwnOperands } from "../operands.ts";
import { isPlain, type PlainStep, withinRange } from "../steps.ts";
import { decodeAll, type QuantizedEntry } from "./entry.ts";
import { foldBlocks } from "./fold.ts";
import { RealisedSums } from "./realised.ts";
import { areScales, type Records, scaleBlocks } from "./scale.ts";
import type { Storage } from "../storage.ts";
import { Undo } from "./undo.ts";

type Layers = readonly Layer<NumericArray>[];

/** Whether steps can be taken again from the original at any time, without what the user has lent. */
export function areRepeatable(layers: Layers): boolean {
  return layers.every(({ steps }) =>
    steps.every((step) => isPlain(step) && (layers.length === 1 || !isGiven(step))),
  );
}

/** What some steps made of a parameter, and what the grid left of them. */
interface Result {
  readonly image: Undo;
  readonly realised: RealisedSums;
}

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
  readonly #keepsAll: boolean;
  #layers: Layers = [];
  /** What brings the original back, while anything else is visible. */
  #undo: Undo | undefined;
  #realised = new RealisedSums();
  /** Digest of what is visible; the first `hold` or `show` takes it. */
  #shown = "";
  /** All that was visible before user code could run: for each opening within another's. */
  readonly #secured: Undo[] = [];
  /** What the lowest layer made of the original, while others lie above it. */
  #lowest: (Result & { readonly layer: Layer<NumericArray> }) | undefined;
  /** What replacements of upper layers made, while lower ones may still close. */
  readonly #kept = new Map<Step<NumericArray>, Result>();
  /** Steps with operands of their own. */
  readonly #owned = new Map<Step<NumericArray>, PlainStep>();

  /** @param keepsAll - whether to keep all bytes, and so survive whatever is written inside */
  constructor(entry: QuantizedEntry, keepsAll: boolean) {
    this.#entry = entry;
    this.#keepsAll = keepsAll;
  }

  get isInUse(): boolean {
    return false;
  }

  get realised(): Realised {
    return this.#realised.result;
  }

  hold(toModify: boolean): void {
    if (toModify) this.secure();
    this.#shown = this.#digest();
  }

  secure(): void {
    this.#secured.push(this.#image());
  }

  settle(): void {
    this.#secured.pop();
  }

  /** All bytes as they are now. */
  #image(): Undo {
    const image = new Undo(this.#entry.codec.codes);
    for (const array of this.#entry.arrays) image.save(regionOf(array, 1));
    return image;
  }

  #digest(): string {
    return this.#entry.arrays.map(fingerprint).join();
  }

  get #isDetached(): boolean {
    const { arrays, parameter } = this.#entry;
    return arrays.reduce((sum, { byteLength }) => sum + byteLength, 0) !== parameter.bytes;
  }

  show(layers: Layers): void {
    this.#assertWhole();
    const before = this.#layers;
    if (before.length === 1 && layers.length > 1 && before[0]!.steps.some(isGiven)) {
      this.#lowest = { layer: before[0]!, image: this.#image(), realised: this.#realised };
    }
    try {
      this.#become(layers);
    } catch (error) {
      if (!this.#isDetached) this.#become(before);
      this.#settle(before);
      throw error;
    }
    this.#settle(layers);
  }

  #become(layers: Layers): void {
    this.#undo?.run();
    this.#undo = undefined;
    this.#realised = new RealisedSums();
    open.delete(this.#entry.storage);
    if (layers.length === 0) return;
    this.#undo = new Undo(this.#entry.codec.codes);
    open.set(this.#entry.storage, this);
    withinRange(this.#entry.parameter, () => {
      const steps = layers.flatMap((layer) => layer.steps);
      // What is kept stays as it was made, whatever has become of what the user has lent.
      const isKept = layers[0] === this.#lowest?.layer || steps.some((step) => this.#kept.has(step));
      if (!isKept && areRepeatable(layers) && steps.every(isPlain)) this.#takeAll(steps);
      else this.#takeEach(layers);
    });
  }

  /** Takes all steps in one go. */
  #takeAll(steps: readonly PlainStep[]): void {
    if (this.#keepsAll) this.#saveAll();
    const records = this.#keepsAll ? {} : { undo: this.#undo! };
    const owned = steps.map((step) => this.#own(step, false));
    this.#apply(owned, { ...records, realised: this.#realised });
  }

  /** Keeps all bytes. @returns those that codes lie in */
  #saveAll(): Uint8Array {
    const [codes] = this.#entry.arrays.map((array) => this.#undo!.save(regionOf(array, 1)));
    return codes!;
  }

  /** Takes steps some of which cannot be taken again, or not together. Above others, keeps what cannot be had again. */
  #takeEach(layers: Layers): void {
    const before = this.#saveAll();
    /** Steps that are to be taken together. */
    const together: PlainStep[] = [];
    const take = (steps: readonly PlainStep[]): RealisedSums => {
      const realised = new RealisedSums();
      if (steps.length > 0) this.#apply(steps, { realised });
      this.#realised.include(realised);
      return realised;
    };
    const show = ({ image, realised }: Result): void => {
      take(together.splice(0));
      image.run();
      this.#realised.include(realised);
    };
    for (const [level, layer] of layers.entries()) {
      if (layer === this.#lowest?.layer) {
        show(this.#lowest);
        continue;
      }
      for (const step of layer.steps) {
        const kept = this.#kept.get(step);
        const isKept = level > 0 && step.op === "replace";
        if (kept === undefined && isPlain(step) && !isKept) {
          together.push(this.#own(step, level > 0));
          continue;
        }
        take(together.splice(0));
        if (kept !== undefined) {
          show(kept);
          continue;
        }
        const realised = take([isPlain(step) ? step : this.#resultOf(step.by as Whole)]);
        if (isKept) this.#kept.set(step, { image: this.#image(), realised });
      }
    }
    take(together);
    this.#realised.addAllCodes(this.#entry.codec.codes, before);
  }

  #resultOf(by: Whole): PlainStep {
    return resultOf(decodeAll(this.#entry), "float32", this.#entry.parameter, by);
  }

  #apply(steps: readonly PlainStep[], records: Records): void {
    const { codec, parameter } = this.#entry;
    if (areScales(steps)) scaleBlocks(codec, steps, records);
    else foldBlocks(codec, parameter, steps, records);
  }

  /** The step with factors of its own; above others also with values. */
  #own(step: PlainStep, isAbove: boolean): PlainStep {
    const owned = this.#owned.get(step) ?? ((isAbove ? withOwnOperands : withOwnFactors)(step) as PlainStep);
    if (owned !== step) this.#owned.set(step, owned);
    return owned;
  }

  /** Forgets what `layers` do not need. */
  #settle(layers: Layers): void {
    const all = new Set(layers.flatMap((layer) => layer.steps));
    for (const step of this.#owned.keys()) if (!all.has(step)) this.#owned.delete(step);
    for (const step of this.#kept.keys()) if (layers.length < 2 || !all.has(step)) this.#kept.delete(step);
    if (layers.length < 2 || this.#lowest?.layer !== layers[0]) this.#lowest = undefined;
    this.#layers = layers;
    this.#shown = this.#digest();
  }

  /** Undoes what user code wrote at opening. @throws RestoreError where the original is lost */
  #assertWhole(): void {
    if (this.#isDetached) throw this.#lost("was detached: a buffer of it was transferred");
    if (this.#shown === "" || this.written() === "no") return;
    const secured = this.#secured.at(-1);
    if (secured !== undefined) return secured.run();
    // With all bytes kept, `undo` brings back whatever was written to.
    if (this.#keepsAll && this.#undo !== undefined) return;
    if (this.#undo === undefined) {
      throw this.#lost(
        "was overwritten in place inside a theater that does not modify it, and so holds no copy of it",
      );
    }
    // Scales, and codes that it moved, are right whatever was written to them.
    this.#undo.run();
    throw this.#lost(
      "was overwritten inside a theater that keeps its scales, and of its codes only those that it moved: others that " +
        "were written to stay as they are; all else is back",
    );
  }

  #lost(what: string): RestoreError {
    const { name } = this.#entry.parameter;
    return new RestoreError("original_lost", new Map([[name, undefined]]), `${JSON.stringify(name)} ${what}`);
  }

  written(): "no" | "overwritten" | "disposed" {
    if (this.#isDetached) return "disposed";
    return this.#shown === "" || this.#digest() === this.#shown ? "no" : "overwritten";
  }

  bytes(): Bytes {
    const images = [...[...this.#kept.values(), this.#lowest].map((result) => result?.image), this.#undo];
    const owned = [...this.#owned.values()].reduce((sum, step) => sum + operandBytes(step), 0);
    return {
      held: images.reduce((sum, image) => sum + (image?.bytes ?? 0), owned),
      shared: new Map(),
      transient: this.#secured.reduce((sum, { bytes }) => sum + bytes, 0),
    };
  }

  read(which: "original" | "visible"): ArrayLike<number> {
    return which === "visible" ? decodeAll(this.#entry) : this.lendOriginal(() => decodeAll(this.#entry));
  }

  /** Runs `look` while the original is there. */
  lendOriginal<R>(look: () => R): R {
    return this.#undo === undefined || this.#isDetached ? look() : this.#undo.lend(look);
  }

  release(how: "restore" | "keep"): "copy" | "inverse" | "fingerprint" {
    const by = this.#undo === undefined ? "fingerprint" : this.#keepsAll ? "copy" : "inverse";
    if (how === "restore") {
      this.#assertWhole();
      this.#undo?.run();
    }
    this.#undo = undefined;
    open.delete(this.#entry.storage);
    this.#lowest = undefined;
    this.#kept.clear();
    this.#owned.clear();
    this.#secured.length = 0;
    this.#layers = [];
    return by;
  }
}
