/**
 * Technique `copy`: the original's bytes are kept aside, parameters are modified in place, and the bytes are
 * written back. Without a layer it holds nothing and only watches, by fingerprint.
 */
import type { NumericArray } from "../../dtypes/dtype.ts";
import { RestoreError } from "../../errors.ts";
import { fingerprint } from "../../fingerprint.ts";
import { SIXTEEN_BIT_TABLE_BYTES } from "../../reversible/preimages.ts";
import { needsWhole, operandOf, type Step } from "../../step.ts";
import type { Bytes, Layer, Stage } from "../../store.ts";
import type { Entry } from "./record.ts";
import { isHalf, operandBytes, withOwnOperands } from "./operands.ts";
import { giveBack, pooledCopy } from "./pool.ts";
import { applyStep, valuesOf } from "./steps.ts";

type Steps = Layer<NumericArray>;

const none: ReadonlyMap<string, number> = new Map();

/**
 * Whether what a layer makes is kept once there are several, because it is not computed again: above others that of a
 * replacement, which covers whatever lies below; at the bottom also that of given values, which may have changed since.
 */
function isMadeOnce({ steps }: Steps, level: number): boolean {
  return steps.some((step) => step.op === "replace" || (level === 0 && operandOf(step) !== undefined));
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

/** Bytes held while `layers` are shown: the original, and of each layer its result or what it is computed with. */
function heldFor({ data }: Entry, layers: readonly Steps[]): number {
  const ofLayers = layers.map((layer, level) => {
    if (isMadeOnce(layer, level)) return layers.length > 1 ? data.byteLength : 0;
    return layer.steps.reduce((sum, step) => sum + operandBytes(step), 0);
  });
  return ofLayers.reduce((sum, bytes) => sum + bytes, layers.length > 0 ? data.byteLength : 0);
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
  /** What layers made that is not computed again, while there are several. */
  readonly #results = new Map<Steps, NumericArray>();
  /** Steps with copies of what they are computed with, so that nobody can change it. */
  readonly #owned = new Map<Step<NumericArray>, Step<NumericArray>>();
  /** How many openings go on whose user code may write to what is visible. */
  #openings = 0;

  /** @param onRelease - called once everything is back */
  constructor(entry: Entry, onRelease: () => void = () => {}) {
    this.#entry = entry;
    this.#onRelease = onRelease;
  }

  get isInUse(): boolean {
    return false;
  }

  hold(toModify: boolean): void {
    if (toModify) this.secure();
    this.#shown = fingerprint(this.#entry.data);
  }

  secure(): void {
    if (this.#layers.length === 0) this.#original ??= pooledCopy(this.#entry.data);
    else this.#keepLone();
    this.#openings++;
  }

  settle(): void {
    this.#openings--;
    if (this.#openings > 0) this.#keepLone();
    else this.#forget();
  }

  show(layers: readonly Steps[]): void {
    const { data, parameter } = this.#entry;
    this.#assertGuarded();
    const before = this.#layers;
    if (layers.length > 0) this.#original ??= pooledCopy(data);
    if (layers.length > 1) this.#keepLone();
    try {
      this.#fold(layers);
    } catch (error) {
      // A buffer that user code detached has nothing to be put back into.
      if (data.byteLength === parameter.bytes) {
        this.#fold(before);
        this.#become(before);
      }
      throw error;
    }
    this.#become(layers);
  }

  /** Keeps the result of a layer that is alone, which is what is visible. */
  #keepLone(): void {
    const [layer, ...above] = this.#layers;
    if (layer === undefined || above.length > 0 || !isMadeOnce(layer, 0) || this.#results.has(layer)) return;
    this.#results.set(layer, this.#entry.data.slice());
  }

  /** Makes `layers` over the original visible. Where there are several, keeps what it takes to do so again. */
  #fold(layers: readonly Steps[]): void {
    const { data } = this.#entry;
    if (this.#original !== undefined) data.set(this.#original);
    for (const [level, layer] of layers.entries()) {
      const isOnce = isMadeOnce(layer, level);
      const result = isOnce ? this.#results.get(layer) : undefined;
      if (result !== undefined) {
        data.set(result);
        continue;
      }
      for (const step of layer.steps) {
        const owned = this.#owned.get(step) ?? (isOnce ? step : withOwnOperands(step));
        if (!isOnce) this.#owned.set(step, owned);
        applyStep(this.#entry, owned);
      }
      if (isOnce && layers.length > 1) this.#results.set(layer, data.slice());
    }
  }

  /** Takes note of the layers that are visible now. */
  #become(layers: readonly Steps[]): void {
    this.#layers = layers;
    this.#forget();
    this.#shown = fingerprint(this.#entry.data);
  }

  /** Forgets what the layers shown do not need. */
  #forget(): void {
    const isOpening = this.#openings > 0;
    const once = this.#layers.filter(isMadeOnce);
    for (const layer of this.#results.keys()) {
      const isNeeded = once.includes(layer) && (isOpening || this.#layers.length > 1);
      if (!isNeeded) this.#results.delete(layer);
    }
    const again = this.#layers.filter((layer) => !once.includes(layer)).flatMap(({ steps }) => steps);
    for (const step of this.#owned.keys()) if (!again.includes(step)) this.#owned.delete(step);
    // What is left watches only, and what is visible is the original.
    if (this.#layers.length === 0 && !isOpening) this.#forgetOriginal();
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
    const owned = [...this.#owned.keys()].reduce((sum, step) => sum + operandBytes(step), 0);
    const kept = [...this.#results.values(), this.#original];
    const held = kept.reduce((sum, array) => sum + (array?.byteLength ?? 0), owned);
    return { held, shared: none, transient: 0 };
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
    this.#layers = [];
    this.#openings = 0;
    this.#forget();
    this.#onRelease();
    return guarded ? "fingerprint" : "copy";
  }
}
