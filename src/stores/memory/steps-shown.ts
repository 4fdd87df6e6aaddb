/**
 * The steps that are shown on one array, lowest first, each with the way back from it. Steps are taken off from the
 * top; whatever fails in the middle, going on from there leads to every state.
 */
import type { NumericArray } from "../../dtypes/dtype.ts";
import { changedWindows, Digests, recordDigests } from "../../reversible/window.ts";
import { isComputed, type Step } from "../../step.ts";
import { codecOf, type Kept } from "./codecs.ts";
import { operandBytes, withOwnOperands } from "./operands.ts";
import { type Parked, parkingOf } from "./parkings.ts";
import { isLocal } from "./parts.ts";
import { giveBack, pooledCopy } from "./pool.ts";
import type { Entry } from "./record.ts";
import { applyStep, withinRange } from "./steps.ts";

type AnyStep = Step<NumericArray>;

/** A step that is shown. */
interface Shown {
  readonly step: AnyStep;
  /** What is parked; or, where the step has no inverse, all bytes as they were below it. */
  readonly undo: Parked | NumericArray;
  /** Whether the array holds its result: not while it is being put on or taken off, or after that failed. */
  isDone: boolean;
}

function isParked(undo: Parked | NumericArray | undefined): undo is Parked {
  return undo !== undefined && !ArrayBuffer.isView(undo);
}

const original = "original";

/** Steps shown on one array. */
export class StepsShown {
  readonly #entry: Entry;
  readonly #plane: boolean;
  readonly #shown: Shown[] = [];
  readonly #digests: Digests;
  /** What the digests are of: what the array holds with this step on top. */
  #digested: Shown | typeof original | undefined;
  /** Operands of the steps shown, which nobody else can change. */
  readonly #codecs = new Map<AnyStep, Kept>();
  readonly #owned = new Map<AnyStep, AnyStep>();
  /** Results of replacements that are off for a moment. */
  readonly #aside = new Map<AnyStep, NumericArray>();
  /** Windows that something wrote to, so that they cannot be taken back. */
  readonly lost = new Set<number>();
  /** Whether a write was seen while steps were taken off, whatever became of it. */
  sawWrite = false;
  /** Replacements whose result, shown again, has what something wrote to it. */
  readonly #tainted = new Set<AnyStep>();

  /** @param plane - whether scales park one bit of every element */
  constructor(entry: Entry, plane: boolean) {
    this.#entry = entry;
    this.#plane = plane;
    this.#digests = new Digests(entry.data);
  }

  get count(): number {
    return this.#shown.length;
  }

  /** Whether the uppermost step can only be undone from what it left in the array. */
  get endsParked(): boolean {
    return isParked(this.#shown.at(-1)?.undo);
  }

  /** Bytes held. */
  get bytes(): number {
    let sum = this.#digests.bytes;
    for (const { undo } of this.#shown) sum += isParked(undo) ? undo.bytes : undo.byteLength;
    for (const { bytes } of this.#codecs.values()) sum += bytes;
    for (const step of this.#owned.keys()) sum += operandBytes(step);
    for (const { byteLength } of this.#aside.values()) sum += byteLength;
    return sum;
  }

  /** Shows exactly these steps. What something wrote to stays as it is, and is in `lost`. */
  become(steps: readonly AnyStep[]): void {
    let common = 0;
    while (common < steps.length && this.#isIntact(common, steps[common]!)) common++;
    // What a step without an inverse keeps is right, whatever was written above it.
    while (this.#shown.length > common || (this.lost.size > 0 && this.#shown.length > 0))
      this.#takeOff(steps);
    if (this.lost.size > 0) return;
    for (const step of steps.slice(this.#shown.length)) this.#putOn(step, step === steps.at(-1));
    for (const step of this.#tainted) if (!steps.includes(step)) this.#tainted.delete(step);
    this.digest();
  }

  /** Brings the original back, but for what is lost. */
  takeAllOff(): void {
    while (this.#shown.length > 0) this.#takeOff([]);
  }

  #isIntact(at: number, step: AnyStep): boolean {
    const shown = this.#shown[at];
    return shown?.step === step && shown.isDone;
  }

  /** Takes the uppermost step off. @param wanted - steps that will be put on again */
  #takeOff(wanted: readonly AnyStep[]): void {
    const { data } = this.#entry;
    const top = this.#shown.at(-1)!;
    const { step, undo } = top;
    if (top.isDone && step.op === "replace" && wanted.includes(step) && !this.#aside.has(step)) {
      // What was written to its result cannot be told from it: it stays until the step is taken off for good.
      if (this.lost.size > 0 || (this.#digested === top && this.isWritten())) this.#tainted.add(step);
      this.#aside.set(step, pooledCopy(data));
    }
    top.isDone = false;
    if (isParked(undo)) {
      undo.undo({ expected: this.#digested === top ? this.#digests : undefined, lost: this.lost });
      this.sawWrite ||= this.lost.size > 0;
    } else {
      data.set(undo);
      this.lost.clear();
      giveBack(undo);
    }
    this.#digested = undefined;
    this.#shown.pop();
  }

  #putOn(step: AnyStep, isLast: boolean): void {
    const { data, parameter } = this.#entry;
    const kept = this.#codecs.get(step) ?? codecOf(this.#entry, step, { own: true, plane: this.#plane });
    this.#digested = undefined;
    if (kept !== undefined) {
      this.#codecs.set(step, kept);
      const undo = parkingOf(this.#entry, kept.codec, isLocal(step));
      const shown = { step, undo, isDone: false };
      this.#shown.push(shown);
      withinRange(parameter, () => undo.do(isLast ? this.#digests : undefined));
      shown.isDone = true;
      if (isLast) this.#digested = shown;
      return;
    }
    const shown = { step, undo: pooledCopy(data), isDone: false };
    this.#shown.push(shown);
    const result = this.#aside.get(step);
    if (result === undefined) applyStep(this.#entry, this.#ownedStep(step));
    else data.set(result);
    shown.isDone = true;
  }

  #ownedStep(step: AnyStep): AnyStep {
    if (step.op === "replace" || step.op === "zero") return step;
    const owned = this.#owned.get(step) ?? withOwnOperands(step);
    this.#owned.set(step, owned);
    return owned;
  }

  /** Whether these steps can be shown without running user code. */
  canBecome(steps: readonly AnyStep[]): boolean {
    return steps.every(
      (step) =>
        !isComputed(step) || this.#aside.has(step) || this.#shown.some((shown) => shown.step === step),
    );
  }

  /** Forgets operands and results of all but the steps shown. */
  settle(): void {
    const steps = new Set(this.#shown.map(({ step }) => step));
    for (const step of this.#codecs.keys()) if (!steps.has(step)) this.#codecs.delete(step);
    for (const step of this.#owned.keys()) if (!steps.has(step)) this.#owned.delete(step);
    for (const [step, result] of this.#aside) {
      this.#aside.delete(step);
      giveBack(result);
    }
  }

  /** Takes digests of what is there now, unless there are some. */
  digest(): void {
    const top = this.#shown.at(-1) ?? original;
    if (this.#digested === top) return;
    recordDigests(this.#entry.data, this.#digests);
    this.#digested = top;
  }

  /** Whether anything wrote to the array since the digests were taken; `false` if there are none. */
  isWritten(): boolean {
    if (this.#tainted.size > 0) return true;
    return this.#digested !== undefined && changedWindows(this.#entry.data, this.#digests).size > 0;
  }

  /** Goes back to when `count` steps were shown and the array held `bytes`, whatever was written since. */
  reset(count: number, bytes: NumericArray): void {
    for (const { undo } of this.#shown.splice(count)) if (!isParked(undo)) giveBack(undo);
    this.#digested = undefined;
    this.lost.clear();
    this.#entry.data.set(bytes);
    this.digest();
  }

  /** A copy of the array with all steps taken off. */
  original(): NumericArray {
    const copy = this.#entry.data.slice();
    for (const { undo } of [...this.#shown].reverse()) {
      if (isParked(undo)) undo.undoIn(copy);
      else copy.set(undo);
    }
    return copy;
  }

  /** Forgets everything; the array stays as it is. */
  clear(): void {
    for (const { undo } of this.#shown) if (!isParked(undo)) giveBack(undo);
    this.#shown.length = 0;
    this.#digested = undefined;
    this.#tainted.clear();
    this.lost.clear();
    this.settle();
  }
}
