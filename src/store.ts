/**
 * The seam between the theater and the places where parameters live. A store (typed arrays, TensorFlow.js …)
 * implements {@link Model}, {@link Site} and {@link Stage}; the theater knows nothing else about it, and a
 * modification reaches it only as the four {@link Step}s.
 */

import type { Agreement, Shard } from "./shard.ts";
import type { Step } from "./step.ts";

/**
 * How the original comes back. `swap`: the kept handle is exchanged back. `stream`: the modified values exist only
 * while a kernel uses them. `reversible`: the inverse is computed from what is shown and a few parked bits. `plane`:
 * as `reversible`, but a scale parks one bit of every element, which takes less time. `copy`: kept bytes are written
 * back. `side`: the parameter stays as it is, and the layer that uses it adds a low-rank product beside it.
 */
export type Technique = "swap" | "stream" | "side" | "reversible" | "plane" | "copy";

/** Whether a dtype is a format of codes and scales, whose values are computed as float32. */
export function isQuantizedFormat(dtype: string): boolean {
  return /^(bnb|gguf)-/.test(dtype);
}

/** A value, or a promise of it where the store has to wait for a device. */
export type Await<T> = T | PromiseLike<T>;

/** One named array of a model. */
export interface Parameter {
  readonly name: string;
  /** Further names of the same storage (tied parameters). */
  readonly aliases: readonly string[];
  /** Path of the layer it belongs to, outermost first: `model_1/dense_3`, `blocks.0.attn`. */
  readonly layer: string;
  /** Position in the model's stable order of parameters. */
  readonly index: number;
  /** Which of the model's layers, in the order of `planTheater(…).layers`, it belongs to. */
  readonly layerIndex: number;
  readonly shape: readonly number[];
  readonly dtype: string;
  /** Size in bytes. */
  readonly bytes: number;
  readonly trainable: boolean;
}

/** The steps of one theater on one parameter. A layer is known by its identity. */
export interface Layer<T> {
  /** A stage that needs them no more, and what they hold, puts what stands for their result in their place. */
  steps: readonly Step<T>[];
}

/** Bytes that something holds beyond the model itself. */
export interface Bytes {
  readonly held: number;
  /** Buffers that several parameters share, by key: counted once each. */
  readonly shared: ReadonlyMap<string, number>;
  /** Most that is needed on top for a moment while the parameter is being modified. */
  readonly transient: number;
  /** Where `held` is an estimate: what it can be at most. */
  readonly most?: number;
}

/** What other code may do to a parameter while layers are shown on it, where a stage can stop it. */
export interface Rules {
  /** Whether a write must fail at once, rather than be seen at closing. */
  readonly refuseWrites: boolean;
  /** Whether an export of the model must fail, rather than give the original. */
  readonly refuseSaves: boolean;
}

/** Layers, and the technique that shows them. */
export interface Shown<T> {
  readonly technique: Technique;
  readonly layers: readonly Layer<T>[];
}

/** What using modified parameters needs, on top of what is held. */
export interface UseBytes {
  /** For a moment, each time. */
  readonly transient: number;
  /** Estimate of what the engine itself allocates at the first use. */
  readonly engine: number;
}

/**
 * How much of what is asked of a quantized parameter its format can show. Of all theaters that are open on it: what shows,
 * against the same steps on the original in float32, without rounding to the format in between. What user code gives,
 * and what a replacement above another theater gives, is compared with what was visible below it; theaters below it then
 * do not count.
 */
export interface Realised {
  /**
   * ‖realised delta − asked delta‖ / ‖asked delta‖ over all finite values: 0 if all of it shows, 1 if the grid swallowed
   * it, more if it did something else. From a sample where only scales change, and for groups of nested scales and rows
   * that are longer than 16,384 elements from their beginning.
   */
  readonly relativeError: number;
  /** Share of codes that are others than in the original. */
  readonly movedCodes: number;
}

/** What shows layers on one parameter and brings its original back. One for all theaters open on it. */
export interface Stage<T> {
  /**
   * Makes the original with `layers` applied in order visible.
   * If it throws, what was visible before is visible again.
   */
  show(layers: readonly Layer<T>[], rules: Rules): Await<void>;
  /**
   * Takes, before anything is shown, what it needs to tell of a write; with `toModify` what it needs to undo one.
   */
  hold(toModify: boolean): void;
  /**
   * Keeps all that is visible, where it could not be had again after a write by user code that runs at opening. Once
   * more for each opening within another's; `settle` undoes it.
   */
  secure?(): void;
  /** No user code runs any more that must be undone: for each `secure`, and each `hold` that was to modify. */
  settle?(): void;
  /**
   * Whether `release` looks for writes itself, as it goes: a look of its own would cost another pass over all bytes.
   * It throws a {@link RestoreError} where the original is lost; else `sawWrite` says what it saw.
   */
  readonly seesWrites?: boolean;
  readonly sawWrite?: boolean;
  /** Whether something runs on what is shown right now, so that it must not change. */
  readonly isInUse: boolean;
  /** Whether something else wrote, or disposed of, the parameter since `show`. */
  written(): "no" | "overwritten" | "disposed";
  /** Bytes held now (no estimate). */
  bytes(): Bytes;
  /** Of a quantized parameter, while layers are shown. */
  readonly realised?: Realised;
  /** Saves what was written to the parameter since `show`, where that can be put back. */
  saveWritten?(): SavedState;
  /** Host values, for statistics. Lent: not to be written. */
  read(which: "original" | "visible"): Await<ArrayLike<number>>;
  /** Brings the original back (or keeps what was written) and frees everything. May be called again after a throw. */
  release(how: "restore" | "keep"): "identity" | "copy" | "inverse" | "fingerprint";
}

/** A store's place for one parameter. */
export interface Site<T> {
  readonly parameter: Parameter;
  /** Where the parameter is one part of several; `read` and `readOperand` give that part. */
  readonly shard?: Shard<T> | undefined;
  /** Same storage, same key: theaters on one storage meet here. */
  readonly key: object;
  /** Keys of other storages that share some but not all of this one's bytes. */
  overlaps(): Iterable<object>;
  /**
   * What showing `added` above the layers that are shown already would add; `held` may be negative.
   * Throws {@link UnsupportedError} for a step it cannot do.
   */
  cost(technique: Technique, shown: readonly Layer<T>[], added: Layer<T>): Bytes;
  stage(technique: Technique): Stage<T>;
  /** Digest of the parameter's bytes as they are now. */
  fingerprint(): Await<string>;
  /** Host values as they are now. Lent: not to be written. */
  read(): Await<ArrayLike<number>>;
  /**
   * Throws {@link ModificationError} unless the value that `step` is given fits this parameter, {@link UnsupportedError}
   * for a step it cannot do. `role` begins the message. Factors are checked by `checkOperand`.
   */
  check(step: Step<T>, role: string): void;
  /**
   * Throws {@link ModificationError} unless `value` is an array of floating-point numbers as this parameter's operands
   * are, of that shape, or of another in which the elements lie in the same order. `role` begins the message.
   */
  checkOperand(value: T, shape: readonly number[], role: string): void;
  /** Host values of an operand that was checked. Lent: not to be written. */
  readOperand(value: T): Await<ArrayLike<number>>;
  /** Whether `value` is this parameter itself, or shares memory with it: it would change under a theater. */
  isLive(value: T): boolean;
  /** Throws TypeError if the parameter does not exist any more. */
  assertAlive(): void;
  /**
   * `previous + weight · (parameter − previous)`, or a copy of the parameter where there is no `previous`.
   * Consumes `previous`, which may be what is returned; the result is the caller's, to be given to `free`.
   */
  average(previous: T | undefined, weight: number): T;
  free(average: T): void;
  /** Size of an average of this parameter. */
  readonly averageBytes: number;
}

/** A saved state. One of the two is called, once. */
export interface SavedState {
  /** Puts it back. May be called again after a throw. */
  restore(): void;
  /** Frees what was saved: an older state is put back instead. */
  discard(): void;
}

/** State beside the parameters that a theater saves and puts back: a trainable flag, a recurrent state. */
export interface Capsule {
  /** With `name`, what the state belongs to: theaters that save the same state meet here. */
  readonly key: object;
  readonly name: string;
  save(): SavedState;
}

/** A model as the theater sees it. */
export interface Model<T> {
  /** How users call this kind of model, for messages. */
  readonly kind: string;
  /** Where other processes have other parts of it. */
  readonly agreement?: Agreement | undefined;
  /** What to do about a model without parameters. */
  readonly emptyHint: string;
  /** In stable order, ties merged. */
  readonly sites: readonly Site<T>[];
  /** Layer paths; `layers: i` selects by position here. */
  readonly layers: readonly string[];
  /** Techniques that can be asked for. */
  readonly techniques: readonly Technique[];
  /** What `auto` tries for these layers, in order. */
  automatic(layers: ReadonlyMap<Site<T>, Layer<T>>): readonly Technique[];
  /** Whether what is held depends on values, so that plans must read them. */
  readonly estimates: boolean;
  /** Whether an original is lost where something overwrites what the technique shows. */
  losesWrites(technique: Technique): boolean;
  /** Whether parameters that are not modified are watched (and put back) too: free where arrays are immutable. */
  readonly watchesAll: boolean;
  readonly capsules: readonly Capsule[];
  /** Whether models of this kind export themselves: `onSave` is about that. */
  readonly exports: boolean;
  /** What using `targets` as modified needs, in bytes. */
  useBytes(targets: ReadonlyMap<Site<T>, Shown<T>>): UseBytes;
}
