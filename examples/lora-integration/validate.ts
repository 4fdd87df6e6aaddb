/** Validations with the adapter merged: in a theater, and for comparison inside the compiled function. */
import { type Array as JaxArray, jit, type OwnedFunction, tree } from "@jax-js/jax";
// In a project of your own: from "surgical-theater/jax".
import { type Lora, lora, type Receipt, withTheater } from "../../src/jax.ts";
import { digestOf } from "../support/digest.ts";
import type { Batch } from "./data.ts";
import type { Gpt, Loss } from "./gpt.ts";
import type { LiveBytes } from "./live-bytes.ts";
import { alpha, type Adapter, adapterLoss, loraRank } from "./lora.ts";

/** One round of validations, and what was looked at before and after it. */
export interface Round {
  readonly step: number;
  readonly trainingLoss: number;
  readonly inTheater: number;
  readonly inGraph: number;
  readonly receipt: Receipt;
  /** SHA-256 of the base, before and after. */
  readonly digests: readonly [string, string];
  /** Bytes of all live arrays, before and after. */
  readonly live: readonly [number, number];
}

/** The modification that merges an adapter, as strong as it was trained or more or less so. */
export function asModification(adapter: Adapter, strength = 1): Lora<JaxArray> {
  return lora(adapter, { alpha: alpha * strength, loraRank, layout: "outIn" });
}

/** Validates on one batch, which is given away. */
export class Validation implements Disposable {
  readonly base: Gpt;
  readonly #batch: Batch;
  readonly #evaluate: OwnedFunction<Loss>;
  readonly #evaluateMerged: OwnedFunction<ReturnType<typeof adapterLoss>>;

  constructor(base: Gpt, loss: Loss, batch: Batch) {
    this.base = base;
    this.#batch = batch;
    this.#evaluate = jit(loss) as OwnedFunction<Loss>;
    this.#evaluateMerged = jit(adapterLoss(loss)) as OwnedFunction<ReturnType<typeof adapterLoss>>;
  }

  /** An ordinary validation, of whatever parameters it is given. Consumes them. */
  readonly lossOf = (params: Gpt): number => this.#evaluate(params, ...this.batch).item();

  /** The validation batch: the caller's. */
  get batch(): Batch {
    return tree.ref([...this.#batch]) as unknown as Batch;
  }

  /** The same validation, with the adapter merged while it runs. The base stays as it is. */
  inTheater(adapter: Adapter, strength = 1): { readonly loss: number; readonly receipt: Receipt } {
    const receipts: Receipt[] = [];
    const options = {
      modification: asModification(adapter, strength),
      onReceipt: (receipt: Receipt) => void receipts.push(receipt),
    };
    const loss = withTheater(this.base, options, this.lossOf);
    return { loss, receipt: receipts[0]! };
  }

  /** What the compiled function gives that training uses: it merges by itself. */
  inGraph(adapter: Adapter): number {
    return this.#evaluateMerged(tree.ref(adapter), tree.ref(this.base), ...this.batch).item();
  }

  /** One round, in the middle of training. */
  round(step: number, trainingLoss: number, adapter: Adapter, live: LiveBytes): Round {
    const before = [digest(this.base), live.now] as const;
    const { loss, receipt } = this.inTheater(adapter);
    const after = [digest(this.base), live.now] as const;
    const inGraph = this.inGraph(adapter);
    return {
      step,
      trainingLoss,
      inTheater: loss,
      inGraph,
      receipt,
      digests: [before[0], after[0]],
      live: [before[1], after[1]],
    };
  }

  [Symbol.dispose](): void {
    tree.dispose([...this.#batch]);
    this.#evaluate.dispose();
    this.#evaluateMerged.dispose();
  }
}

/** SHA-256 over the bytes of all arrays. */
export function digest(params: Gpt): string {
  return digestOf(...tree.leaves<JaxArray>(params).map((array) => array.ref.dataSync()));
}
