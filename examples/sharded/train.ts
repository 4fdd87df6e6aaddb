/** Data-parallel training: each rank computes gradients of some of the batch, and trains its own part of the parameters. */
import type { Communicator } from "../../src/distributed.ts";
import type { Digits } from "../support/digits.ts";
import type { FlatParameters } from "./flat.ts";
import { addGradients, type shapes } from "./model.ts";

/** Digits whose gradient is computed at once. The batch is divided in the same way for any number of ranks. */
const AT_ONCE = 4;

/** A gradient is rounded to 2^-40, and so is an integer in these units. */
const UNITS = 2 ** 40;
/** Integers up to here are exact in float64, and so are their sums: in any order. */
const LARGEST = 2 ** 53;

/**
 * How gradients are added up: `"exact"`, in float64 and as integers, so that the result does not depend on the number of
 * ranks; or `"float32"`, as frameworks do it, where the order decides about the last bits.
 */
export type Sums = "exact" | "float32";

/** Adam (Kingma and Ba, 2015), on this rank's part: each element for itself. */
class Adam {
  readonly #rate: number;
  readonly #first: Float32Array;
  readonly #second: Float32Array;
  #steps = 0;

  constructor(length: number, rate: number) {
    this.#rate = rate;
    this.#first = new Float32Array(length);
    this.#second = new Float32Array(length);
  }

  step(parameters: Float32Array, gradients: ArrayLike<number>): void {
    const [beta1, beta2] = [0.9, 0.999];
    this.#steps++;
    const rate = (this.#rate * Math.sqrt(1 - beta2 ** this.#steps)) / (1 - beta1 ** this.#steps);
    for (let i = 0; i < parameters.length; i++) {
      const gradient = gradients[i]!;
      this.#first[i] = beta1 * this.#first[i]! + (1 - beta1) * gradient;
      this.#second[i] = beta2 * this.#second[i]! + (1 - beta2) * gradient * gradient;
      parameters[i] = parameters[i]! - (rate * this.#first[i]!) / (Math.sqrt(this.#second[i]!) + 1e-8);
    }
  }
}

export class Trainer {
  readonly #comm: Communicator;
  readonly #flat: FlatParameters<typeof shapes>;
  readonly #sums: Sums;
  readonly #adam: Adam;

  constructor(comm: Communicator, flat: FlatParameters<typeof shapes>, sums: Sums) {
    this.#comm = comm;
    this.#flat = flat;
    this.#sums = sums;
    this.#adam = new Adam(flat.shard.length, 0.003);
  }

  /** One step on a batch, which is the same on all ranks. Returns the mean cross entropy. */
  step(digits: Digits, batch: Int32Array): number {
    const { rank, size } = this.#comm;
    const flat = this.#flat;
    const parameters = flat.views(flat.gather());
    const sums =
      this.#sums === "exact" ? new Float64Array(flat.paddedLength) : new Float32Array(flat.paddedLength);
    const units = this.#sums === "exact" ? UNITS : 1;
    const parts = batch.length / AT_ONCE;
    let loss = 0;
    for (
      let part = Math.floor((rank * parts) / size);
      part < Math.floor(((rank + 1) * parts) / size);
      part++
    ) {
      const gradient = new Float64Array(flat.length);
      const chosen = batch.subarray(part * AT_ONCE, (part + 1) * AT_ONCE);
      const own = addGradients(parameters, digits, chosen, flat.views(gradient));
      loss += Math.round(own * UNITS);
      for (let i = 0; i < gradient.length; i++) {
        sums[i]! += this.#sums === "exact" ? Math.round(gradient[i]! * units) : gradient[i]!;
      }
    }
    if (units > 1 && sums.some((sum) => Math.abs(sum) > LARGEST / size)) {
      throw new RangeError("a gradient is too large to be added up exactly"); // ends the job, on all ranks
    }
    const own = this.#comm.reduceScatter(sums);
    this.#adam.step(
      flat.shard,
      Float32Array.from(own, (sum) => sum / units / batch.length),
    );
    const [all] = this.#comm.allReduce(Float64Array.of(loss));
    return all! / UNITS / batch.length;
  }
}
