/** What the contract suite needs to know about a store, and what every test of it begins and ends with. */
import { expect } from "vitest";
import type { EntryPoints } from "../../src/entry.ts";
import type { Technique } from "../../src/store.ts";
import { anyWeights, bits, each, numbers, type Values } from "../support/bits.ts";
import type { FaultPoint } from "../support/failing.ts";
import { type Arithmetic, PlainModel } from "../support/plain-model.ts";

/** A store under test: models `M` made of arrays `V`. */
export interface Harness<M, V> {
  readonly api: EntryPoints<M, V>;
  readonly technique: Technique;
  /** A model whose parameters have these bits, and the shapes of `anyWeights` where the store has shapes. */
  make(values: Values): M;
  /** What is visible now, as copies. Some stores must be awaited. */
  read(model: M): Values | Promise<Values>;
  /** Somebody overwrites one parameter with `value` everywhere. */
  write(model: M, name: string, value: number): void;
  /** An array of the store, of this shape where the store has shapes. */
  array(value: Float32Array, shape: readonly number[]): V;
  /** What custom functions compute, each as a new array: half of every number, its magnitude, the same bits. */
  half(array: V): V;
  magnitude(array: V): V;
  same(array: V): V;
  freeArray(array: V): void;
  free(model: M): void;
  /** Counts that must be the same before and after. */
  counts(): Readonly<Record<string, number>>;
  /**
   * Counts that must be the same whenever no theater is open. While one is, a device may be given data that was
   * on the host until a kernel needed it.
   */
  countsAtRest(): Readonly<Record<string, number>>;
  readonly arithmetic: Arithmetic;
  /** Whether values can only be read asynchronously, so that what reads them has to be opened in that way. */
  readonly readsLater: boolean;
  /** How often a theater is opened and closed to find a bit that changes rarely. */
  readonly cycles: number;
  /** Whether the original is lost where something writes inside, so that a theater can only tell. */
  readonly losesWrites: boolean;
  /** Whether what is planned to be held is an estimate. */
  readonly estimates: boolean;
  /**
   * Whether theaters on one model meet: each shows its layer over those below. Where every theater derives a model of its
   * own, they know nothing of each other.
   */
  readonly meets: boolean;
  /** Whether every theater is on all parameters: a custom function, on one of them, can then open and close none. */
  readonly watchesAll: boolean;
  /** Whether a write inside fails at once, unless every theater on the parameter allows it. */
  readonly refusesWrites: boolean;
  /** Which recipes calls fail under: all, or, on a slow device, lists alone, which have every kind of step. */
  readonly failsUnder: "all" | "lists";
  /** What can fail while a theater opens or closes. */
  readonly faults: readonly FaultPoint[];
}

/** A model in the hands of one test. */
export interface Session<M> {
  readonly model: M;
  readonly plain: PlainModel;
  /** Fails unless what is visible is what `plain` shows: by bits, any NaN that was computed standing for all. */
  expectVisible(): Promise<void>;
  /** Fails unless every bit is the original's. */
  expectOriginal(): Promise<void>;
  /**
   * Fails if something is live that was not when this was called before (or at the beginning). No theater is open.
   *
   * @param spare - by count, how many more may be: see {@link FaultPoint.leaves}. They are not asked for again.
   */
  expectNoLeak(spare?: Readonly<Record<string, number>>): void;
}

/** Runs `test` on a model of every kind of float; afterwards every bit is the original's and nothing has leaked. */
export async function onModel<M, V>(
  harness: Harness<M, V>,
  test: (session: Session<M>) => void | Promise<void>,
): Promise<void> {
  const original = anyWeights();
  const model = harness.make(original);
  const plain = new PlainModel(original);
  const counts = (): Record<string, number> => ({ ...harness.counts(), ...harness.countsAtRest() });
  let live = counts();
  const session: Session<M> = {
    model,
    plain,
    async expectVisible() {
      expect(each(await harness.read(model), numbers)).toEqual(each(plain.visible(), numbers));
    },
    async expectOriginal() {
      expect(each(await harness.read(model), bits)).toEqual(each(original, bits));
    },
    expectNoLeak(spare = {}) {
      const now = counts();
      const wrong = Object.keys(now).filter((what) => {
        const more = now[what]! - live[what]!;
        return more < 0 || more > (spare[what] ?? 0);
      });
      if (wrong.length > 0) expect(now).toEqual(live);
      live = now;
    },
  };
  await test(session);
  await session.expectOriginal();
  session.expectNoLeak();
  harness.free(model);
}
