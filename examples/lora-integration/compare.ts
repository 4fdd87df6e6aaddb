/** One validation with the adapter merged, in three ways: what each holds, and how long it takes. */
import {
  type Array as JaxArray,
  blockUntilReady,
  jit,
  numpy as np,
  type OwnedFunction,
  tree,
} from "@jax-js/jax";
// In a project of your own: from "surgical-theater/jax".
import { surgicalTheater } from "../../src/jax.ts";
import { median } from "../support/statistics.ts";
import type { Gpt } from "./gpt.ts";
import type { LiveBytes } from "./live-bytes.ts";
import { type Adapter, merge } from "./lora.ts";
import { asModification, type Validation } from "./validate.ts";

/** How one of the ways fared: medians of several runs. */
export interface Way {
  /** That of every run, or NaN if they are not the same. */
  readonly loss: number;
  /** Bytes held for the merged parameters while they are evaluated. */
  readonly heldBytes: number;
  /** The most bytes that there were at once, beyond those before: with all that evaluating itself needs. */
  readonly peakBytes: number;
  /** Making the merged parameters, and freeing them. */
  readonly mergeMs: number;
  /** All of the validation. */
  readonly ms: number;
  /** The most bytes that a run left behind. */
  readonly leftBytes: number;
}

/**
 * A copy of the whole model with the adapter merged; a theater, which makes the merged parameters alone; and the compiled
 * function that training uses, which merges again each time.
 */
const names = ["copy", "theater", "graph"] as const;
type Name = (typeof names)[number];

/** A merged model that is all computed, and how to be rid of it. */
interface Merged {
  evaluate(): number;
  free(): void;
}

/** Compares them. They take turns, so that what else the machine does meets all alike. */
export async function compare(
  validation: Validation,
  adapter: Adapter,
  live: LiveBytes,
  rounds: number,
): Promise<Record<Name, Way>> {
  using copies = new Copies();
  const { base } = validation;
  const ways: Record<Name, () => Promise<Merged>> = {
    copy: async () => {
      const copy = await blockUntilReady(copies.merged(base, adapter));
      return { evaluate: () => validation.lossOf(tree.ref(copy)), free: () => tree.dispose(copy) };
    },
    theater: async () => {
      const theater = surgicalTheater(base, { modification: asModification(adapter) });
      await theater.ready();
      return { evaluate: () => validation.lossOf(theater.take()), free: () => void theater.close() };
    },
    // Nothing is merged before it is called.
    graph: async () => ({ evaluate: () => validation.inGraph(adapter), free: () => {} }),
  };
  const runs: Record<Name, Way[]> = { copy: [], theater: [], graph: [] };
  for (let round = 0; round <= rounds; round++) {
    for (const name of names) {
      const run = await measure(ways[name], live);
      // Round 0 compiles.
      if (round > 0) runs[name].push(run);
    }
  }
  return { copy: medians(runs.copy), theater: medians(runs.theater), graph: medians(runs.graph) };
}

async function measure(make: () => Promise<Merged>, live: LiveBytes): Promise<Way> {
  live.takePeak();
  const before = live.now;
  const begin = performance.now();
  const merged = await make();
  const made = performance.now();
  const heldBytes = live.now - before;
  const loss = merged.evaluate();
  const evaluated = performance.now();
  merged.free();
  const end = performance.now();
  return {
    loss,
    heldBytes,
    peakBytes: live.takePeak() - before,
    mergeMs: made - begin + end - evaluated,
    ms: end - begin,
    leftBytes: live.now - before,
  };
}

function medians(runs: readonly Way[]): Way {
  const medianOf = (key: keyof Way): number => median(runs.map((run) => run[key]));
  const { loss } = runs[0]!;
  return {
    loss: runs.every((run) => run.loss === loss) ? loss : NaN,
    heldBytes: medianOf("heldBytes"),
    peakBytes: medianOf("peakBytes"),
    mergeMs: medianOf("mergeMs"),
    ms: medianOf("ms"),
    leftBytes: Math.max(...runs.map((run) => run.leftBytes)),
  };
}

/** Copies of a whole model with the adapter merged, as one compiled function: the fastest way to copy. */
class Copies implements Disposable {
  readonly #copy = jit((base: Gpt, adapter: Adapter, one: JaxArray): Gpt => {
    // Times one, so that it is an array of its own: what a function only passes on is not copied.
    const copy = tree.map(
      (array: JaxArray) => array.mul(one.ref),
      merge(base, adapter) as never,
    ) as unknown as Gpt;
    one.dispose();
    return copy;
  }) as unknown as OwnedFunction<(base: Gpt, adapter: Adapter, one: JaxArray) => Gpt>;

  merged(base: Gpt, adapter: Adapter): Gpt {
    return this.#copy(tree.ref(base), tree.ref(adapter), np.array(1));
  }

  [Symbol.dispose](): void {
    this.#copy.dispose();
  }
}
