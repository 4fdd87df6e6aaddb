/**
 * Techniques `reversible` and `plane`: parameters are modified in place, step by step, and closing computes the
 * inverse of each step from what is shown and the few bits that were parked. What destroys information, or has no
 * kernel, is kept whole. Where something overwrites what is shown the original is lost; digests of windows tell.
 */
import type { NumericArray } from "../../dtypes/dtype.ts";
import { listed, RestoreError } from "../../errors.ts";
import { windowLength } from "../../reversible/window.ts";
import type { Bytes, Layer, Stage, Step } from "../../store.ts";
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
  /** All bytes of the original, for as long as user code may run at opening. */
  #secured: NumericArray | undefined;

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

  hold(toModify: boolean): void {
    if (toModify) this.#secured = pooledCopy(this.#entry.data);
    this.#steps.digest();
  }

  settle(): void {
    if (this.#secured !== undefined) giveBack(this.#secured);
    this.#secured = undefined;
  }

  show(layers: readonly Layer<NumericArray>[]): void {
    this.#assertGuarded();
    const before = this.#wanted;
    const steps = layers.flatMap((layer) => layer.steps);
    try {
      this.#become(steps);
    } catch (error) {
      const possible = !this.#isDetached && this.#steps.lost.size === 0 && this.#steps.canBecome(before);
      if (possible) this.#become(before);
      throw error;
    }
    this.#wanted = steps;
    this.#steps.settle();
  }

  #become(steps: readonly Step<NumericArray>[]): void {
    this.#steps.become(steps);
    if (this.#steps.lost.size === 0) return;
    if (this.#secured === undefined) {
      // What nothing wrote to comes back all the same.
      this.#steps.become([]);
      throw this.#lostError();
    }
    this.#steps.clear();
    this.#entry.data.set(this.#secured);
    this.#steps.become(steps);
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
    return this.#steps.isWritten() ? "overwritten" : "no";
  }

  bytes(): Bytes {
    return { held: this.#steps.bytes, shared: new Map(), transient: this.#secured?.byteLength ?? 0 };
  }

  read(which: "original" | "visible"): ArrayLike<number> {
    const { data, dtype } = this.#entry;
    return valuesOf(which === "visible" || this.#steps.count === 0 ? data : this.#steps.original(), dtype);
  }

  release(how: "restore" | "keep"): "copy" | "inverse" | "fingerprint" {
    const by = this.#secured !== undefined ? "copy" : this.#steps.count > 0 ? "inverse" : "fingerprint";
    if (how === "restore") {
      this.#assertGuarded();
      if (this.#secured !== undefined) this.#entry.data.set(this.#secured);
      else {
        this.#steps.takeAllOff();
        if (this.#steps.lost.size > 0) throw this.#lostError();
      }
    }
    this.#steps.clear();
    this.#wanted = [];
    this.settle();
    this.#onRelease();
    return by;
  }
}
