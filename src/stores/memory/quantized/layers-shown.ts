/**
 * The layers that are shown on one quantized parameter, and what brings the original back. Whatever fails in the middle,
 * becoming something else starts from the original again.
 *
 * A layer that is alone needs nothing of what it was made with. Once there are several, those below the uppermost one can
 * be shown again: computed from operands of their own, or, where they are made once, from their result. That of the
 * uppermost one is what is visible.
 */
import type { NumericArray } from "../../../dtypes/dtype.ts";
import type { Layer, Realised } from "../../../store.ts";
import { regionOf } from "../../../quantized/codec.ts";
import { resultOf, type Whole } from "../computed.ts";
import { isPlain, type PlainStep, withinRange } from "../steps.ts";
import { decodeAll, imageOf, type QuantizedEntry } from "./entry.ts";
import { foldBlocks } from "./fold.ts";
import {
  areTakenTogether,
  digestOfLent,
  isMadeOnce,
  type Layers,
  lentBytes,
  withOwnArrays,
} from "./layers.ts";
import { RealisedSums } from "./realised.ts";
import { areScales, type Records, scaleBlocks } from "./scale.ts";
import { Undo } from "./undo.ts";

/** What a layer made of a parameter, and what the grid left of it. */
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
  /** What layers made that cannot be computed again, while others lie above them. */
  readonly #results = new Map<Layer<NumericArray>, Result>();
  /** Layers with copies of what they were lent, while there are several. */
  readonly #owned = new Map<Layer<NumericArray>, Layer<NumericArray>>();
  /** Of what layers were lent; none where their results are smaller. */
  readonly #digests = new Map<Layer<NumericArray>, string | undefined>();

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

  /** Bytes held, but for those of the layers themselves. */
  get bytes(): number {
    const images = [...[...this.#results.values()].map(({ image }) => image), this.#undo];
    const owned = [...this.#owned.values()].reduce((sum, layer) => sum + lentBytes(layer), 0);
    return images.reduce((sum, image) => sum + (image?.bytes ?? 0), owned);
  }

  /** A layer that is shown as it can be computed again; undefined where there is no more of it than its result. */
  repeatable(layer: Layer<NumericArray>): Layer<NumericArray> | undefined {
    if (isMadeOnce(layer) || this.#results.has(layer)) return undefined;
    const owned = this.#owned.get(layer);
    if (owned !== undefined) return owned;
    return digestOfLent(layer) === this.#digests.get(layer) ? layer : undefined;
  }

  /**
   * Before others are shown, which may fail: keeps what it takes to show the uppermost layer again.
   *
   * @returns whether that is what is visible
   */
  keep(top: Layer<NumericArray> | undefined): boolean {
    if (top === undefined || this.#results.has(top)) return false;
    const isVisible = this.repeatable(top) === undefined;
    if (isVisible) this.#keepResult(top);
    else this.#own(top);
    return isVisible;
  }

  /** Keeps what is visible, which a layer has made. */
  #keepResult(layer: Layer<NumericArray>): void {
    this.#results.set(layer, { image: imageOf(this.#entry), realised: this.#realised.copy() });
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
      const isKept = layers.some((layer) => this.#results.has(layer));
      if (areTakenTogether(layers) && !isKept) this.#takeAll(layers);
      else this.#takeEach(layers);
    });
  }

  /** Takes all steps in one go. */
  #takeAll(layers: Layers): void {
    if (this.#keepsAll) this.#saveAll();
    const records = this.#keepsAll ? {} : { undo: this.#undo! };
    if (layers.length > 1) for (const layer of layers) this.#own(layer);
    const steps = layers.flatMap((layer) => (this.#owned.get(layer) ?? layer).steps);
    this.#apply(steps.filter(isPlain), { ...records, realised: this.#realised });
  }

  /** Keeps all bytes. @returns those that codes lie in */
  #saveAll(): Uint8Array {
    const [codes] = this.#entry.arrays.map((array) => this.#undo!.save(regionOf(array, 1)));
    this.#isWhole = true;
    return codes!;
  }

  /** Takes layers one after the other, some of which are made once: what lies below those does not count. */
  #takeEach(layers: Layers): void {
    const before = this.#saveAll();
    /** Steps that are to be taken together. */
    const together: PlainStep[] = [];
    const take = (): void => {
      const [steps, realised] = [together.splice(0), new RealisedSums()];
      if (steps.length > 0) this.#apply(steps, { realised });
      this.#realised.include(realised);
    };
    for (const layer of layers) {
      const result = this.#results.get(layer);
      if (result !== undefined) {
        // Not visible, but it may be soon: closing must fail now where it could not be shown.
        take();
        result.image.run();
        this.#realised = result.realised.copy();
      } else if (isMadeOnce(layer)) {
        take();
        this.#realised = new RealisedSums();
        for (const step of layer.steps) {
          if (isPlain(step)) {
            together.push(step);
            continue;
          }
          take();
          together.push(this.#resultOf(step.by as Whole));
          take();
        }
        take();
        // Its own user code may have opened the one above.
        if (layer !== layers.at(-1)) this.#keepResult(layer);
      } else together.push(...this.#own(layer).steps.filter(isPlain));
    }
    take();
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

  /** The layer with copies of what it was lent. */
  #own(layer: Layer<NumericArray>): Layer<NumericArray> {
    const owned = this.#owned.get(layer) ?? withOwnArrays(layer);
    this.#owned.set(layer, owned);
    return owned;
  }

  /** Forgets what `layers`, which are shown, do not need. */
  settle(layers: Layers): void {
    const top = layers.at(-1);
    for (const layer of this.#results.keys()) {
      if (layer === top || !layers.includes(layer)) this.#results.delete(layer);
    }
    for (const layer of this.#digests.keys()) if (!layers.includes(layer)) this.#digests.delete(layer);
    for (const layer of layers) {
      // Of what was lent, as it was when the layer was shown for the first time.
      if (!this.#digests.has(layer)) this.#digests.set(layer, this.#digestOf(layer));
    }
    for (const layer of this.#owned.keys()) {
      if (layers.length < 2 || !layers.includes(layer)) this.#owned.delete(layer);
    }
  }

  #digestOf(layer: Layer<NumericArray>): string | undefined {
    if (isMadeOnce(layer) || lentBytes(layer) > this.#entry.parameter.bytes) return undefined;
    return digestOfLent(this.#owned.get(layer) ?? layer);
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
