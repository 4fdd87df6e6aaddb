/** What the contract suite needs to know about a store, and what every test of it begins and ends with. */
import { expect } from "vitest";
import type { EntryPoints } from "../../src/entry.ts";
import type { Technique } from "../../src/store.ts";
import { anyWeights, bits, each, numbers, type Values } from "../support/bits.ts";
import type { FaultPoint } from "../support/failing.ts";
import { PlainModel } from "../support/plain-model.ts";

/** A store under test: models `M` made of arrays `V`. */
export interface Harness<M, V> {
  readonly api: EntryPoints<M, V>;
  readonly technique: Technique;
  /** A model whose parameters have these bits, and the shapes of `anyWeights` where the store has shapes. */
  make(values: Values): M;
  /** What is visible now, as copies. */
  read(model: M): Values;
  /** Somebody overwrites one parameter with `value` everywhere. */
  write(model: M, name: string, value: number): void;
  /** An array of the store. */
  array(value: Float32Array, name: string): V;
  /** `change` of an array, as a new array: the heart of a custom modification. */
  map(array: V, change: (value: Float32Array) => Float32Array): V;
  freeArray(array: V): void;
  free(model: M): void;
  /** Counts that must be the same before and after. */
  counts(): Readonly<Record<string, number>>;
  /** Whether `w + a · t` rounds the product first. */
  readonly roundsProducts: boolean;
  /** Whether a write inside fails at once, unless every theater on the parameter allows it. */
  readonly refusesWrites: boolean;
  /** What can fail while a theater opens or closes. */
  readonly faults: readonly FaultPoint[];
}

/** A model in the hands of one test. */
export interface Session<M> {
  readonly model: M;
  readonly plain: PlainModel;
  /** Fails unless what is visible is what `plain` shows: by bits, any NaN that was computed standing for all. */
  expectVisible(): void;
  /** Fails unless every bit is the original's. */
  expectOriginal(): void;
  /**
   * Fails if something is live that was not when this was called before (or at the beginning).
   *
   * @param spare - tensors that may be: whose own disposal was made to fail. They are not asked for again.
   */
  expectNoLeak(spare?: number): void;
}

/** Runs `test` on a model of every kind of float; afterwards every bit is the original's and nothing has leaked. */
export async function onModel<M, V>(
  harness: Harness<M, V>,
  test: (session: Session<M>) => void | Promise<void>,
): Promise<void> {
  const original = anyWeights();
  const model = harness.make(original);
  const plain = new PlainModel(original);
  let live = harness.counts();
  const session: Session<M> = {
    model,
    plain,
    expectVisible: () => expect(each(harness.read(model), numbers)).toEqual(each(plain.visible(), numbers)),
    expectOriginal: () => expect(each(harness.read(model), bits)).toEqual(each(original, bits)),
    expectNoLeak(spare = 0) {
      const now = harness.counts();
      const more = Object.keys(now).filter(
        (what) => now[what]! - live[what]! > spare || now[what]! < live[what]!,
      );
      if (more.length > 0) expect(now).toEqual(live);
      live = now;
    },
  };
  await test(session);
  session.expectOriginal();
  session.expectNoLeak();
  harness.free(model);
}
