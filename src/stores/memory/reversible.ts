/**
 * Techniques `reversible` and `plane`: parameters are modified in place, step by step, and closing computes the
 * inverse of each step from what is shown and the few bits that were parked. What destroys information, or has no
 * kernel, is kept whole. Where something overwrites what is shown the original is lost; digests of windows tell.
 */
import type { NumericArray } from "../../dtypes/dtype.ts";
import { listed, RestoreError } from "../../errors.ts";
import { windowLength } from "../../reversible/window.ts";
import type { Step } from "../../step.ts";
import type { Bytes, Layer, Stage } from "../../store.ts";
import { giveBack, pooledCopy } from "./pool.ts";
import type { Entry } from "./record.ts";
import { StepsShown } from "./steps-shown.ts";
import { valuesOf } from "./steps.ts";

/** One parameter in memory while theaters are open on it. */
export class ReversibleStage implements Stage<NumericArray> {
  readonly #entry: Entry;
  readonly #onRelease: () => void;
  readonly #steps: StepsShown;
  #wanted: readonly Step<NumericArray>[] = [];
  /** Whether showing others failed, and so did going back. */
  #isTorn = false;
  /** How many openings go on whose user code may write to what is visible. */
  #openings = 0;
  /** All that is visible, and how many steps are, while there are any. */
  #secured: { readonly bytes: NumericArray; count: number } | undefined;

  /**
   * @param plane - whether scales park one bit of every element
   * @param onRelease - called once everything is back
   */
  constructor(entry: Entry, plane: boolean, onRelease: () => void = () => {}) {
    this.#entry = entry;
    this.#onRelease = onRelease;
    this.#steps = new StepsShown(entry, plane);
  }

  get isInUse(): boolean {
    return false;
  }

  get seesWrites(): boolean {
    return this.#secured === undefined && this.#steps.endsParked;
  }

  get sawWrite(): boolean {
    return this.#steps.sawWrite;
  }

  hold(toModify: boolean): void {
    if (toModify) this.secure();
    this.#steps.digest();
  }

  secure(): void {
    this.#secured ??= { bytes: pooledCopy(this.#entry.data), count: this.#steps.count };
    this.#openings++;
  }

  settle(): void {
    this.#openings--;
    if (this.#openings === 0) this.#forgetSecured();
  }

  #forgetSecured(): void {
    if (this.#secured !== undefined) giveBack(this.#secured.bytes);
    this.#secured = undefined;
  }

  show(layers: readonly Layer<NumericArray>[]): void {
    this.#assertGuarded();
    const before = this.#wanted;
    const steps = layers.flatMap((layer) => layer.steps);
    try {
      this.#become(steps);
      this.#secureAgain();
    } catch (error) {
      const possible = !this.#isDetached && this.#steps.lost.size === 0 && this.#steps.canBecome(before);
      if (possible) {
        this.#isTorn = true;
        this.#become(before);
        this.#steps.settle();
        this.#isTorn = false;
      }
      throw error;
    }
    this.#isTorn = false;
    this.#wanted = steps;
    this.#steps.settle();
    // Who shows something else has asked before whether anything was written.
    this.#steps.sawWrite = false;
  }

  #become(steps: readonly Step<NumericArray>[]): void {
    this.#undoUserCode();
    this.#steps.become(steps);
    if (this.#steps.lost.size > 0) throw this.#lostError();
  }

  /** User code that goes on has shown or closed a theater: from now on it may write to what is visible now. */
  #secureAgain(): void {
    if (this.#secured === undefined) return;
    this.#secured.bytes.set(this.#entry.data);
    this.#secured.count = this.#steps.count;
  }

  /** Brings back what user code wrote to at opening. */
  #undoUserCode(): void {
    const secured = this.#secured;
    if (secured !== undefined && this.#steps.isWritten()) this.#steps.reset(secured.count, secured.bytes);
  }

  get #isDetached(): boolean {
    return this.#entry.data.byteLength !== this.#entry.parameter.bytes;
  }

  /** @throws RestoreError where nothing but the parameter itself has the original, and it was written */
  #assertGuarded(): void {
    if (this.#isDetached) throw this.#error("was detached: its buffer was transferred");
    if (this.#steps.count > 0 || this.#secured !== undefined || !this.#steps.isWritten()) return;
    throw this.#error(
      "was overwritten in place inside a theater that does not modify it, and so holds no copy of it",
    );
  }

  #error(what: string): RestoreError {
    const { name } = this.#entry.parameter;
    return new RestoreError("original_lost", new Map([[name, undefined]]), `${JSON.stringify(name)} ${what}`);
  }

  #lostError(): RestoreError {
    const { data } = this.#entry;
    const length = windowLength(data);
    const ranges = [...this.#steps.lost]
      .sort((a, b) => a - b)
      .map((window) => `${window * length} to ${Math.min(data.length, (window + 1) * length) - 1}`);
    return this.#error(
      `was overwritten inside a theater that needs what it shows to compute the original: somewhere in elements ` +
        `${listed(ranges)}, which stay as they are; all others are back`,
    );
  }

  written(): "no" | "overwritten" | "disposed" {
    if (this.#isDetached) return "disposed";
    return this.#isTorn || this.#steps.isWritten() ? "overwritten" : "no";
  }

  bytes(): Bytes {
    return {
      held: this.#steps.bytes,
      shared: new Map(),
      transient: this.#secured?.bytes.byteLength ?? 0,
    };
  }

  read(which: "original" | "visible"): ArrayLike<number> {
    const { data, dtype } = this.#entry;
    return valuesOf(which === "visible" || this.#steps.count === 0 ? data : this.#steps.original(), dtype);
  }

  release(how: "restore" | "keep"): "copy" | "inverse" | "fingerprint" {
    const by = this.#steps.count > 0 ? "inverse" : this.#secured === undefined ? "fingerprint" : "copy";
    if (how === "restore") {
      this.#assertGuarded();
      this.#undoUserCode();
      this.#steps.takeAllOff();
      if (this.#steps.lost.size > 0) throw this.#lostError();
    }
    this.#steps.clear();
    this.#wanted = [];
    this.#isTorn = false;
    this.#openings = 0;
    this.#forgetSecured();
    this.#onRelease();
    return by;
  }
}
