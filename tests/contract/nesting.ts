/** Several theaters on one model: each shows its layer over those below, and they close in any order. */
import { describe, expect, it } from "vitest";
import { ModificationError } from "../../src/errors.ts";
import { custom } from "../../src/modifications/custom.ts";
import { scale } from "../../src/modifications/scale.ts";
import { scaled } from "../support/plain-model.ts";
import { type Harness, onModel } from "./harness.ts";
import type { Recipe } from "./recipes.ts";

/** All orders in which three theaters can close. */
const orders = [
  [0, 1, 2],
  [0, 2, 1],
  [1, 0, 2],
  [1, 2, 0],
  [2, 0, 1],
  [2, 1, 0],
] as const;

export function nestingContract<M, V>(harness: Harness<M, V>, recipes: readonly Recipe<V>[]): void {
  const { api } = harness;
  const all = (recipe: Recipe<V>) => ({ layers: "all", modification: recipe.modification });
  // Each recipe below, between and above others.
  const triples = recipes.map((recipe, i) => {
    const picks = [recipe, recipes[(i + 1) % recipes.length]!, recipes[(i + 3) % recipes.length]!];
    return { title: picks.map(({ title }) => title).join(" / "), picks };
  });

  describe.each(triples)("three theaters, $title", ({ picks }) => {
    it.each(orders)("show what is still open after each closing, in order %i, %i, %i", (...order) =>
      onModel(harness, async ({ model, plain, expectVisible }) => {
        const open: { theater: ReturnType<typeof api.surgicalTheater>; key: object }[] = [];
        for (const recipe of picks) {
          open.push({
            theater: api.surgicalTheater(model, all(recipe)),
            key: plain.open(recipe.changes),
          });
          await expectVisible();
        }
        for (const [step, i] of order.entries()) {
          const { theater, key } = open[i]!;
          const receipt = theater.close();
          plain.close(key);
          await expectVisible();
          expect(receipt.identical).toBe(true);
          const ways = [...receipt.parameters.values()].map(({ by }) => by === "refolded");
          expect(new Set(ways)).toEqual(new Set([step < 2]));
        }
      }),
    );
  });

  describe.each(recipes)("under an inner theater that cannot open, $title", (outer) => {
    const broken = [
      { what: "throws at once", at: 1 },
      { what: "throws half way", at: 3 },
      { what: "throws at the last parameter", at: 5 },
    ];
    it.each(broken)("stays as it was when a custom function $what", ({ at }) =>
      onModel(harness, async ({ model, plain, expectVisible }) => {
        const theater = api.surgicalTheater(model, all(outer));
        const key = plain.open(outer.changes);
        const counts = harness.counts();
        let calls = 0;
        const thrower = custom<V>((array) => {
          if (++calls === at) throw new Error("no more");
          return harness.same(array);
        });
        const modification = [scale(2), thrower];
        const open = (): unknown => api.surgicalTheater(model, { layers: "all", modification });
        expect(open).toThrow(ModificationError);
        await expectVisible();
        expect(harness.counts()).toEqual(counts);
        calls = 0;
        expect(open).toThrow(expect.objectContaining({ code: "modification_threw" }));
        await expectVisible();
        theater.close();
        plain.close(key);
      }),
    );
  });

  describe("an inner theater", () => {
    const [first] = recipes;

    it("on some of the parameters leaves the others to the outer one", () =>
      onModel(harness, async ({ model, plain, expectVisible }) => {
        const outer = api.surgicalTheater(model, all(first!));
        const outerKey = plain.open(first!.changes);
        const inner = api.surgicalTheater(model, { layers: "head", modification: scale(3) });
        const thrice = scaled(3, harness.arithmetic);
        const key = plain.open([
          {
            once: false,
            of: (value, name) => (name.startsWith("head") ? thrice.of(value, name) : value),
          },
        ]);
        await expectVisible();
        outer.close();
        plain.close(outerKey);
        await expectVisible();
        inner.close();
        plain.close(key);
      }));

    it("may be opened and closed any number of times without changing the outer one", () =>
      onModel(harness, async ({ model, plain, expectVisible }) => {
        const outer = api.surgicalTheater(model, all(first!));
        const key = plain.open(first!.changes);
        const counts = harness.counts();
        for (const recipe of recipes) {
          for (let i = 0; i < 10; i++) api.withTheater(model, all(recipe), () => undefined);
          await expectVisible();
          expect(harness.counts()).toEqual(counts);
        }
        outer.close();
        plain.close(key);
      }));

    it("without a modification changes nothing that is visible, whichever closes first", () =>
      onModel(harness, async ({ model, plain, expectVisible, expectOriginal }) => {
        const guard = api.surgicalTheater(model, {});
        const inner = api.surgicalTheater(model, all(first!));
        const key = plain.open(first!.changes);
        await expectVisible();
        const above = api.surgicalTheater(model, {});
        await expectVisible();
        guard.close();
        await expectVisible();
        inner.close();
        plain.close(key);
        await expectOriginal();
        above.close();
      }));
  });

  it.each(harness.refusesWrites ? ["error"] : [])(
    "a write under onWrite: %s fails, and changes nothing",
    () =>
      onModel(harness, async ({ model, plain, expectVisible }) => {
        const [one, two] = [recipes[0]!, recipes[1]!];
        const outer = api.surgicalTheater(model, { ...all(one), onWrite: "discard" });
        plain.open(one.changes);
        const inner = api.surgicalTheater(model, all(two));
        const key = plain.open(two.changes);
        expect(() => harness.write(model, "block.attn.kernel", 42)).toThrow(
          expect.objectContaining({ code: "written_inside", parameters: ["block.attn.kernel"] }),
        );
        await expectVisible();
        inner.close();
        plain.close(key);
        await expectVisible();
        // The strict one is closed.
        harness.write(model, "block.attn.kernel", 42);
        expect(outer.close()).toMatchObject({ identical: true, written: ["block.attn.kernel"] });
      }),
  );

  const dealtWith = harness.refusesWrites ? (["discard"] as const) : (["error", "discard"] as const);
  it.each(harness.losesWrites ? [] : dealtWith)(
    "a write under onWrite: %s is dealt with by whoever closes first",
    (onWrite) =>
      onModel(harness, async ({ model, plain, expectVisible }) => {
        const [one, two] = [recipes[0]!, recipes[1]!];
        const outer = api.surgicalTheater(model, { ...all(one), onWrite });
        const outerKey = plain.open(one.changes);
        const inner = api.surgicalTheater(model, { ...all(two), onWrite });
        const innerKey = plain.open(two.changes);
        harness.write(model, "block.attn.kernel", 42);
        expect(() => api.surgicalTheater(model, all(one))).toThrow(
          expect.objectContaining({ code: "written_inside" }),
        );
        if (onWrite === "error") {
          expect(() => outer.close()).toThrow(
            expect.objectContaining({ code: "written_inside", parameters: ["block.attn.kernel"] }),
          );
        } else outer.close();
        plain.close(outerKey);
        await expectVisible();
        expect(outer.receipt).toMatchObject({ identical: true, written: ["block.attn.kernel"] });
        const receipt = inner.close();
        plain.close(innerKey);
        expect(receipt).toMatchObject({ identical: true, written: [] });
      }),
  );
}
