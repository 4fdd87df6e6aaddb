/**
 * Technique `swap` on immutable arrays: the modified tree has another array in place of each modified one, and aliases,
 * which cost nothing, of all others. The original is never touched.
 */
import { driveEither, type Operation, wait } from "../../drive.ts";
import type { Replacement, Step } from "../../step.ts";
import type { Await, Bytes, Layer, Parameter, Stage } from "../../store.ts";
import { compiled } from "./arithmetic.ts";
import { alias, bytesOf, free, type JaxArray, readValues, settle, upload, zerosLike } from "./arrays.ts";
import { costOf, isShared, mayWait } from "./cost.ts";
import { compute, operationOf } from "./steps.ts";
import type { Zeros } from "./zeros.ts";

type Derived = Extract<Replacement<JaxArray>, { kind: "derived" }>;

/** One parameter of a modified tree. */
export class JaxStage implements Stage<JaxArray> {
  readonly #original: JaxArray;
  readonly #parameter: Parameter;
  readonly #zeros: Zeros;
  /** An alias of the original, which outlives what becomes of the original. */
  #kept: JaxArray | undefined;
  /** The result of the steps, if there are any. */
  #made: JaxArray | undefined;
  #steps: readonly Step<JaxArray>[] = [];

  constructor(original: JaxArray, parameter: Parameter, zeros: Zeros) {
    this.#original = original;
    this.#parameter = parameter;
    this.#zeros = zeros;
  }

  /** Lent: what the modified tree has aliases of. */
  get visible(): JaxArray {
    return this.#made ?? this.#kept ?? this.#original;
  }

  get isInUse(): boolean {
    return false;
  }

  hold(): void {
    this.#kept ??= alias(this.#original);
  }

  show(layers: readonly Layer<JaxArray>[]): Await<void> {
    return driveEither(this.#show(layers.flatMap((layer) => layer.steps)));
  }

  *#show(steps: readonly Step<JaxArray>[]): Operation<void> {
    this.hold();
    const next = steps.length === 0 ? undefined : yield* this.#fold(this.#kept!, steps);
    if (this.#made !== undefined) free(this.#made);
    this.#made = next;
    this.#steps = steps;
  }

  /** What `derive` makes of an array's values; consumes the array. */
  *#derived(value: JaxArray, { derive }: Derived): Operation<JaxArray> {
    const values = Float32Array.from(yield* wait(readValues(value)));
    derive(values);
    const made = upload(values, value.shape, value);
    value.dispose();
    return made;
  }

  *#fold(original: JaxArray, steps: readonly Step<JaxArray>[]): Operation<JaxArray> {
    const waits = mayWait(steps);
    let value = alias(original);
    try {
      for (const [i, step] of steps.entries()) {
        if (step.op === "replace" && step.by.kind === "derived") {
          value = yield* this.#derived(value, step.by);
          continue;
        }
        const zeros = isShared(steps, i) ? this.#takeZeros : zerosLike;
        const means = { arithmetic: compiled, zeros, compute };
        const { inputs, apply } = operationOf(step, this.#parameter, original, means);
        try {
          value = apply(value, inputs);
        } catch (error) {
          // A program that fails frees nothing.
          for (const input of inputs) if (typeof input !== "number") free(input);
          throw error;
        }
        if (!waits) settle(value);
      }
      return value;
    } catch (error) {
      free(value);
      throw error;
    }
  }

  readonly #takeZeros = (like: JaxArray): JaxArray => {
    const zeros = this.#zeros.take(like);
    like.dispose();
    return zeros;
  };

  /** Arrays never change, and what the user frees lives on here. */
  written(): "no" {
    return "no";
  }

  bytes(): Bytes {
    const zeros = this.#zeros.bytesOn(this.#original.device);
    return { ...costOf(this.#steps, bytesOf(this.#original), zeros), transient: 0 };
  }

  read(which: "original" | "visible"): Await<ArrayLike<number>> {
    return readValues(which === "visible" ? this.visible : (this.#kept ?? this.#original));
  }

  release(): "identity" {
    if (this.#made !== undefined) free(this.#made);
    if (this.#kept !== undefined) free(this.#kept);
    this.#made = this.#kept = undefined;
    this.#steps = [];
    return "identity";
  }
}
