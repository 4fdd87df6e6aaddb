/** Every n-th operation of the store fails, once, while a theater opens or closes. */
import { describe, expect, it } from "vitest";
import { RestoreError } from "../../src/errors.ts";
import { numbers, type Values } from "../support/bits.ts";
import { atEveryCall, failing, type FaultPoint } from "../support/failing.ts";
import { type Harness, onModel, type Session } from "./harness.ts";
import type { Recipe } from "./recipes.ts";

/** Parameters that show anything else than they should. */
function wrong(now: Values, should: Values): readonly string[] {
  return Object.keys(should).filter((name) => numbers(now[name]!) !== numbers(should[name]!));
}

export function faultContract<M, V>(harness: Harness<M, V>, recipes: readonly Recipe<V>[]): void {
  const { api } = harness;
  const open = (model: M, recipe: Recipe<V>) =>
    api.surgicalTheater(model, { layers: "all", modification: recipe.modification });

  /** Closes with the fault and, where that fails, without: what the error does not name is right at once. */
  const closeTwice = async (
    session: Session<M>,
    close: () => unknown,
    point: FaultPoint,
    n: number,
  ): Promise<boolean> => {
    const { thrown, fired } = failing(point, n, close);
    const off = wrong(await harness.read(session.model), session.plain.visible());
    if (thrown !== undefined) {
      expect(thrown).toBeInstanceOf(RestoreError);
      expect(thrown).toMatchObject({ code: "restore_failed" });
      const named = new Set((thrown as RestoreError).failures.keys());
      expect(off.filter((name) => !named.has(name))).toEqual([]);
      close();
    } else expect(off).toEqual([]);
    await session.expectVisible();
    return fired;
  };

  const isThorough = harness.failsUnder === "all";
  const tried = isThorough ? recipes : recipes.filter(({ modification }) => Array.isArray(modification));
  const outers = isThorough ? [recipes[0]!, recipes[2]!, recipes[3]!] : [recipes[3]!];

  describe.each(harness.faults)("a failing call of $title, whichever it is", (point) => {
    const spare = point.leaves;
    const overAnother = harness.meets ? tried : [];

    it("is one that opening makes", () =>
      onModel(harness, ({ model, expectNoLeak }) => {
        const makers = recipes.filter((recipe) => {
          let theater: { close(): unknown } | undefined;
          const { fired } = failing(point, 1, () => (theater = open(model, recipe)));
          theater?.close();
          expectNoLeak(spare);
          return fired;
        });
        expect(makers).not.toEqual([]);
      }));

    it.each(tried)("while opening, leaves the original: $title", (recipe) =>
      onModel(harness, ({ model, expectOriginal, expectNoLeak }) =>
        atEveryCall(async (n) => {
          let theater: { close(): unknown } | undefined;
          const { thrown, fired } = failing(point, n, () => (theater = open(model, recipe)));
          if (!fired) expect(thrown).toBeUndefined();
          theater?.close();
          await expectOriginal();
          expectNoLeak(spare);
          return fired;
        }),
      ),
    );

    it.each(overAnother)("while opening over another theater, leaves what that one shows: $title", (inner) =>
      onModel(harness, async ({ model, plain, expectVisible, expectOriginal, expectNoLeak }) => {
        for (const outer of outers) {
          await atEveryCall(async (n) => {
            const below = open(model, outer);
            const key = plain.open(outer.changes);
            let theater: { close(): unknown } | undefined;
            const { fired } = failing(point, n, () => (theater = open(model, inner)));
            theater?.close();
            await expectVisible();
            below.close();
            plain.close(key);
            await expectOriginal();
            expectNoLeak(spare);
            return fired;
          });
        }
      }),
    );

    it.each(tried)("while closing, is made good by closing again: $title", (recipe) =>
      onModel(harness, (session) =>
        atEveryCall(async (n) => {
          const theater = open(session.model, recipe);
          const fired = await closeTwice(session, () => theater.close(), point, n);
          await session.expectOriginal();
          session.expectNoLeak();
          return fired;
        }),
      ),
    );

    it.each(overAnother)("while closing under another, is made good by closing again: $title", (recipe) =>
      onModel(harness, async (session) => {
        const { model, plain } = session;
        const other = recipes[(recipes.indexOf(recipe) + 4) % recipes.length]!;
        await atEveryCall(async (n) => {
          const below = open(model, recipe);
          const above = open(model, other);
          const belowKey = plain.open(recipe.changes);
          const aboveKey = plain.open(other.changes);
          plain.close(belowKey);
          const fired = await closeTwice(session, () => below.close(), point, n);
          plain.close(aboveKey);
          above.close();
          await session.expectOriginal();
          session.expectNoLeak(spare);
          return fired;
        });
      }),
    );
  });

  it.each([1, 2, 3, 4, 5])(
    "an opening whose custom function throws at parameter %d of 5 changes nothing",
    (at) =>
      onModel(harness, async ({ model, expectOriginal, expectNoLeak }) => {
        let calls = 0;
        const mine = new Error("mine");
        const fn = (array: V): V => {
          if (++calls === at) throw mine;
          return harness.same(array);
        };
        for (const returns of ["delta", "value"] as const) {
          calls = 0;
          const modification = { type: "custom", fn, returns } as const;
          expect(() => api.surgicalTheater(model, { layers: "all", modification })).toThrow(
            expect.objectContaining({ code: "modification_threw", cause: mine }),
          );
          await expectOriginal();
          expectNoLeak();
        }
      }),
  );
}
