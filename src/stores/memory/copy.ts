/**
 * Technique `copy`: the original's bytes are kept aside, parameters are modified in place, and the bytes are
 * written back. Without a layer it holds nothing and only watches, by fingerprint.
 */
import type { NumericArray } from "../../dtypes/dtype.ts";
import { RestoreError } from "../../errors.ts";
import { fingerprint } from "../../fingerprint.ts";
import { SIXTEEN_BIT_TABLE_BYTES } from "../../reversible/preimages.ts";
import { type Delta, needsWhole, type Step } from "../../step.ts";
import type { Bytes, Layer, Stage } from "../../store.ts";
import type { Entry } from "./record.ts";
import { factorBytes, isHalf, withOwnFactors } from "./operands.ts";
import { giveBack, pooledCopy } from "./pool.ts";
import { applyStep, valuesOf } from "./steps.ts";

type Steps = Layer<NumericArray>;

const none: ReadonlyMap<string, number> = new Map();

/** Whether a step's values exist only where the user or the parameter has them: everything but arithmetic. */
function isGiven(step: Step<NumericArray>): boolean {
  return step.op === "replace" || (step.op === "add" && step.delta.kind === "values");
}

/**
 * Most that is needed for a moment: for user code a copy of the parameter and the result, factors as numbers, tables. Of
 * a shard the whole parameter is put together for user code.
 */
export function transientOf({ data, dtype, parameter, shard }: Entry, step: Step<NumericArray>): number {
  if (step.op === "add" && step.delta.kind === "lowRank") {
    return (dtype === "float64" ? 8 : 4) * (step.delta.a.length + step.delta.b.length);
  }
  if (step.op === "scale" && dtype === "float16") return SIXTEEN_BIT_TABLE_BYTES;
  if (step.op !== "replace" || step.by.kind === "values") return 0;
  const gathers = shard !== undefined && needsWhole(step);
  const elements = gathers ? parameter.shape.reduce((product, length) => product * length, 1) : data.length;
  const given = (isHalf(dtype) ? 4 : data.BYTES_PER_ELEMENT) * elements;
  const users = step.by.kind === "computed" ? 2 * given : given;
  const { result, most } = gathers ? shard.gathered : { result: 0, most: 0 };
  return Math.max(data.BYTES_PER_ELEMENT * most, data.BYTES_PER_ELEMENT * result + users);
}

/** Bytes of what is kept of a step above others: what it added, or what it made of the parameter. */
function keptBytes({ data }: Entry, step: Step<NumericArray>): number {
  if (!isGiven(step)) return 0;
  return step.op === "add" && step.delta.kind === "values" ? step.delta.of.byteLength : data.byteLength;
}

/** Bytes held while `layers` are shown. */
function heldFor(entry: Entry, layers: readonly Steps[]): number {
  const [lowest, ...above] = layers;
  if (lowest === undefined) return 0;
  let held = entry.data.byteLength;
  if (above.length > 0 && lowest.steps.some(isGiven)) held += entry.data.byteLength;
  for (const { steps } of layers) for (const step of steps) held += factorBytes(step);
  for (const { steps } of above) for (const step of steps) held += keptBytes(entry, step);
  return held;
}

/**
 * What `added` adds above the layers shown: for the first one the original, for others whatever cannot be computed
 * again when a lower one closes first.
 */
export function costOfCopy(entry: Entry, shown: readonly Steps[], added: Steps): Bytes {
  const held = heldFor(entry, [...shown, added]) - heldFor(entry, shown);
  return {
    held,
    shared: none,
    transient: Math.max(0, ...added.steps.map((step) => transientOf(entry, step))),
  };
}

/** One parameter in memory while a theater is open on it. */
export class CopyStage implements Stage<NumericArray> {
  readonly #entry: Entry;
  readonly #onRelease: () => void;
  #layers: readonly Steps[] = [];
  #original: NumericArray | undefined;
  /** Digest of what is visible; the first `show` takes it. */
  #shown = "";
  /** What the lowest layer made of the original, while others lie above it. */
  #lowest: { readonly layer: Steps; readonly result: NumericArray } | undefined;
  /** What steps of upper layers put in or add, while lower ones may still close. */
  readonly #kept = new Map<Step<NumericArray>, NumericArray>();

  /** Steps with factors of their own. */
  readonly #factors = new Map<Step<NumericArray>, Step<NumericArray>>();

  /** @param onRelease - called once everything is back */
  constructor(entry: Entry, onRelease: () => void = () => {}) {
    this.#entry = entry;
    this.#onRelease = onRelease;
  }

  get isInUse(): boolean {
    return false;
  }

  hold(toModify: boolean): void {
    const { data } = this.#entry;
    if (toModify) this.#original = pooledCopy(data);
    this.#shown = fingerprint(data);
  }

  show(layers: readonly Steps[]): void {
    const { data } = this.#entry;
    this.#assertGuarded();
    const before = this.#layers;
    if (layers.length > 0) this.#original ??= pooledCopy(data);
    if (before.length === 1 && layers.length > 1 && before[0]!.steps.some(isGiven)) {
      this.#lowest = { layer: before[0]!, result: data.slice() };
    }
    try {
      this.#fold(layers);
    } catch (error) {
      for (const { steps } of layers.filter((layer) => !before.includes(layer))) {
        for (const step of steps) this.#kept.delete(step);
      }
      // A buffer that user code detached has nothing to be put back into.
      if (data.byteLength === this.#entry.parameter.bytes) {
        this.#fold(before);
        this.#settle(before);
      }
      throw error;
    }
    this.#settle(layers);
  }

  /** Makes `layers` over the original visible. Keeps what upper layers brought along. */
  #fold(layers: readonly Steps[]): void {
    const { data } = this.#entry;
    if (this.#original !== undefined) data.set(this.#original);
    for (const [level, layer] of layers.entries()) {
      if (layer === this.#lowest?.layer) {
        data.set(this.#lowest.result);
        continue;
      }
      for (const step of layer.steps) {
        const kept = this.#kept.get(step);
        if (kept === undefined) applyStep(this.#entry, this.#owned(step));
        else if (step.op === "add") {
          const delta = {
            kind: "values",
            times: (step.delta as Extract<Delta<NumericArray>, { kind: "values" }>).times,
            of: kept,
          } as const;
          applyStep(this.#entry, { op: "add", delta });
        } else data.set(kept);
        if (kept === undefined && level > 0 && isGiven(step)) {
          const given = step.op === "add" && step.delta.kind === "values" ? step.delta.of : data;
          this.#kept.set(step, given.slice());
        }
      }
    }
  }

  /** The step with factors of its own. */
  #owned(step: Step<NumericArray>): Step<NumericArray> {
    if (factorBytes(step) === 0) return step;
    const owned = this.#factors.get(step) ?? withOwnFactors(step);
    this.#factors.set(step, owned);
    return owned;
  }

  /** Forgets what `layers` do not need. */
  #settle(layers: readonly Steps[]): void {
    const all = new Set(layers.flatMap((layer) => layer.steps));
    for (const step of this.#factors.keys()) if (!all.has(step)) this.#factors.delete(step);
    const steps = layers.length > 1 ? all : new Set<Step<NumericArray>>();
    for (const step of this.#kept.keys()) if (!steps.has(step)) this.#kept.delete(step);
    if (layers.length <= 1 || this.#lowest?.layer !== layers[0]) this.#lowest = undefined;
    // What is left watches only, and what is visible is the original.
    if (layers.length === 0) this.#forgetOriginal();
    this.#layers = layers;
    this.#shown = fingerprint(this.#entry.data);
  }

  #forgetOriginal(): void {
    if (this.#original !== undefined) giveBack(this.#original);
    this.#original = undefined;
  }

  /** @throws RestoreError where nothing but the parameter itself has the original, and it was written */
  #assertGuarded(): void {
    if (this.#original !== undefined || this.#shown === "" || this.written() === "no") return;
    const { name } = this.#entry.parameter;
    throw new RestoreError(
      "original_lost",
      new Map([[name, undefined]]),
      `${JSON.stringify(name)} was overwritten in place inside a theater that does not modify it, and so holds no copy of it`,
    );
  }

  written(): "no" | "overwritten" | "disposed" {
    const { data, parameter } = this.#entry;
    // Its buffer was transferred, or its WebAssembly memory grew.
    if (data.byteLength !== parameter.bytes) return "disposed";
    return this.#shown === "" || fingerprint(data) === this.#shown ? "no" : "overwritten";
  }

  bytes(): Bytes {
    const kept = [...this.#kept.values(), this.#lowest?.result, this.#original];
    const factors = [...this.#factors.keys()].reduce((sum, step) => sum + factorBytes(step), 0);
    return {
      held: kept.reduce((sum, array) => sum + (array?.byteLength ?? 0), factors),
      shared: none,
      transient: 0,
    };
  }

  read(which: "original" | "visible"): ArrayLike<number> {
    const data = which === "original" ? (this.#original ?? this.#entry.data) : this.#entry.data;
    return valuesOf(data, this.#entry.dtype);
  }

  release(how: "restore" | "keep"): "copy" | "fingerprint" {
    const guarded = this.#original === undefined;
    if (how === "restore") {
      this.#assertGuarded();
      if (this.#original !== undefined) this.#entry.data.set(this.#original);
    }
    this.#forgetOriginal();
    this.#lowest = undefined;
    this.#kept.clear();
    this.#factors.clear();
    this.#layers = [];
    this.#onRelease();
    return guarded ? "fingerprint" : "copy";
  }
}
