/** A quantized parameter in memory as the theater sees it: its values are float32, its bytes those of the format. */
import type { NumericArray } from "../../../dtypes/dtype.ts";
import { fingerprint } from "../../../fingerprint.ts";
import type { Step } from "../../../step.ts";
import type { Bytes, Layer, Parameter, Site, Stage, Technique } from "../../../store.ts";
import { checkOperand, checkStep } from "../check.ts";
import { markShared } from "../shared-buffer.ts";
import { intersect, overlapping, type Storage, type Whole } from "../storage.ts";
import { costOfQuantized } from "./cost.ts";
import { decodeAll, isDetached, type QuantizedEntry } from "./entry.ts";
import { QuantizedStage } from "./stage.ts";

export class QuantizedSite implements Site<NumericArray> {
  readonly #entry: QuantizedEntry;

  constructor(entry: QuantizedEntry) {
    this.#entry = entry;
  }

  get parameter(): Parameter {
    return this.#entry.parameter;
  }

  get key(): Whole {
    return this.#entry.storage;
  }

  *overlaps(): Iterable<Storage> {
    for (const [i, array] of this.#entry.arrays.entries()) {
      for (const other of overlapping(array.buffer, this.key.parts[i]!)) if (other !== this.key) yield other;
    }
  }

  cost(technique: Technique, shown: readonly Layer<NumericArray>[], added: Layer<NumericArray>): Bytes {
    return costOfQuantized(this.#entry, technique, shown, added);
  }

  stage(technique: Technique): Stage<NumericArray> {
    return new QuantizedStage(this.#entry, technique === "copy", this.#mark());
  }

  /** Tells other threads that share a buffer. What is returned takes it back. */
  #mark(): () => void {
    const unmark: (() => void)[] = [];
    const takeBack = (): void => unmark.splice(0).forEach((each) => each());
    try {
      for (const buffer of new Set(this.#entry.arrays.map((array) => array.buffer))) {
        if (buffer instanceof ArrayBuffer || typeof SharedArrayBuffer === "undefined") continue;
        unmark.push(markShared(buffer, this.parameter.name));
      }
    } catch (error) {
      takeBack();
      throw error;
    }
    return takeBack;
  }

  /** Whatever a layer does, less than a copy is kept. */
  scalesReversibly(): boolean {
    return true;
  }

  fingerprint(): string {
    return this.#entry.arrays.map(fingerprint).join();
  }

  read(): ArrayLike<number> {
    return decodeAll(this.#entry);
  }

  check(step: Step<NumericArray>, role: string): void {
    checkStep(step, { parameter: this.parameter, dtype: "float32" }, role);
  }

  checkOperand(value: NumericArray, shape: readonly number[], role: string): void {
    checkOperand(value, shape, { parameter: this.parameter, dtype: "float32" }, role);
  }

  readOperand(value: NumericArray): ArrayLike<number> {
    return value;
  }

  isLive({ buffer, byteOffset, byteLength }: NumericArray): boolean {
    const given = { start: byteOffset, end: byteOffset + byteLength };
    return this.#entry.arrays.some((array) => {
      const own = { start: array.byteOffset, end: array.byteOffset + array.byteLength };
      return array.buffer === buffer && intersect(own, given);
    });
  }

  assertAlive(): void {
    if (!isDetached(this.#entry)) return;
    throw new TypeError(
      `a buffer of ${JSON.stringify(this.parameter.name)} is detached: it was transferred, or its WebAssembly memory grew. ` +
        "Nothing was changed. Make it anew from the array that is there now.",
    );
  }

  average(previous: NumericArray | undefined, weight: number): NumericArray {
    const values = decodeAll(this.#entry);
    if (previous === undefined) return values;
    for (let i = 0; i < values.length; i++) previous[i]! += weight * (values[i]! - previous[i]!);
    return previous;
  }

  get averageBytes(): number {
    return 4 * this.#entry.codec.length;
  }

  free(): void {}
}
