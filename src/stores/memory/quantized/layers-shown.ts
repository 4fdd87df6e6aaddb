/**
 * The layers that are shown on one quantized parameter, and what brings the original back. Whatever fails in the middle,
 * becoming something else starts from the original again.
 */
import type { NumericArray } from "../../../dtypes/dtype.ts";
import type { Step } from "../../../step.ts";
import type { Layer, Realised } from "../../../store.ts";
import { regionOf } from "../../../quantized/codec.ts";
import { resultOf, type Whole } from "../computed.ts";
import { isGiven } from "../copy.ts";
import { operandBytes, withOwnFactors, withOwnOperands } from "../operands.ts";
import { isPlain, type PlainStep, withinRange } from "../steps.ts";
import { decodeAll, imageOf, type QuantizedEntry } from "./entry.ts";
import { foldBlocks } from "./fold.ts";
import { RealisedSums } from "./realised.ts";
import { areScales, type Records, scaleBlocks } from "./scale.ts";
import { Undo } from "./undo.ts";

export type Layers = readonly Layer<NumericArray>[];

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

/** Layers shown on one parameter. */
export class LayersShown {
  readonly #entry: QuantizedEntry;
  readonly #keepsAll: boolean;
  /** What brings the original back, while anything else is visible; and whether it has all bytes of it. */
  #undo: Undo | undefined;
  #isWhole = false;
  #realised = new RealisedSums();
  /** What the lowest layer made of the original, while others lie above it. */
  #lowest: (Result & { readonly layer: Layer<NumericArray> }) | undefined;
  /** What replacements of upper layers made, while lower ones may still close. */
  readonly #kept = new Map<Step<NumericArray>, Result>();
  /** Steps with operands of their own. */
  readonly #owned = new Map<Step<NumericArray>, PlainStep>();

  /** @param keepsAll - whether to keep all bytes in any case */
  constructor(entry: QuantizedEntry, keepsAll: boolean) {
    this.#entry = entry;
    this.#keepsAll = keepsAll;
  }

  /** How far the original can be had: not at all without layers, whatever was written, or if nothing was. */
  get keeps(): "nothing" | "all" | "changes" {
    return this.#undo === undefined ? "nothing" : this.#isWhole ? "all" : "changes";
  }

  get realised(): Realised {
    return this.#realised.result;
  }

  /** Bytes held. */
  get bytes(): number {
    const images = [...[...this.#kept.values(), this.#lowest].map((result) => result?.image), this.#undo];
    const owned = [...this.#owned.values()].reduce((sum, step) => sum + operandBytes(step), 0);
    return images.reduce((sum, image) => sum + (image?.bytes ?? 0), owned);
  }

  /** Keeps what `layer`, the only one that is shown, has made of the original. */
  keepLowest(layer: Layer<NumericArray>): void {
    if (!layer.steps.some(isGiven)) return;
    this.#lowest = { layer, image: imageOf(this.#entry), realised: this.#realised };
  }

  /** Shows these layers. If it throws, the original may be visible with anything done to it; the next call undoes it. */
  become(layers: Layers): void {
    this.restore();
    this.#undo = undefined;
    this.#realised = new RealisedSums();
    if (layers.length === 0) return;
    this.#undo = new Undo(this.#entry.codec.codes);
    this.#isWhole = false;
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
    this.#isWhole = true;
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
        if (isKept) this.#kept.set(step, { image: imageOf(this.#entry), realised });
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
  settle(layers: Layers): void {
    const all = new Set(layers.flatMap((layer) => layer.steps));
    for (const step of this.#owned.keys()) if (!all.has(step)) this.#owned.delete(step);
    for (const step of this.#kept.keys()) if (layers.length < 2 || !all.has(step)) this.#kept.delete(step);
    if (layers.length < 2 || this.#lowest?.layer !== layers[0]) this.#lowest = undefined;
  }

  /** Brings the original back, as far as it is kept. May be called again. */
  restore(): void {
    this.#undo?.run();
  }

  /** Runs `look` while the original is there. */
  lendOriginal<R>(look: () => R): R {
    return this.#undo === undefined ? look() : this.#undo.lend(look);
  }

  /** Forgets everything; the parameter stays as it is. */
  clear(): void {
    this.#undo = undefined;
    this.settle([]);
  }
}
