/** One theater: what it shows, and that every way out of it brings every bit back. */
import { describe, expect, it } from "vitest";
import { TheaterStateError } from "../../src/errors.ts";
import { custom } from "../../src/modifications/custom.ts";
import { bits } from "../support/bits.ts";
import { type Harness, onModel } from "./harness.ts";
import type { Recipe } from "./recipes.ts";

export function exactContract<M, V>(harness: Harness<M, V>, recipes: readonly Recipe<V>[]): void {
  const { api } = harness;

  describe.each(recipes)("$title", ({ modification, changes }) => {
    const open = { modification, layers: "all" };

    it("is visible bit for bit inside, and gone afterwards", () =>
      onModel(harness, async ({ model, plain, expectVisible }) => {
        const theater = api.surgicalTheater(model, open);
        plain.open(changes);
        await expectVisible();
        const receipt = theater.close();
        expect(receipt.identical).toBe(true);
        expect(receipt.parameters.size).toBe(Object.keys(plain.original).length);
        expect(theater.close()).toBe(receipt);
      }));

    it("is undone when the body throws, and the body's error is what is thrown", () =>
      onModel(harness, ({ model }) => {
        const mine = new Error("mine");
        const body = (): void => {
          throw mine;
        };
        expect(() => api.withTheater(model, open, body)).toThrow(mine);
      }));

    it("is undone when the awaited body rejects", () =>
      onModel(harness, async ({ model }) => {
        const mine = new Error("mine");
        await expect(api.withTheaterAsync(model, open, () => Promise.reject(mine))).rejects.toBe(mine);
      }));

    it("is undone when a body that must be synchronous returns a promise", () =>
      onModel(harness, async ({ model, expectOriginal }) => {
        // @ts-expect-error a promise is refused by the types as well
        const call = (): unknown => api.withTheater(model, open, () => Promise.resolve(1));
        expect(call).toThrow(TheaterStateError);
        expect(call).toThrow(expect.objectContaining({ code: "promise_returned" }));
        await expectOriginal();
      }));

    it("is undone when a block that uses it ends", () =>
      onModel(harness, async ({ model, plain, expectVisible, expectOriginal }) => {
        const key = plain.open(changes);
        {
          using theater = api.surgicalTheater(model, open);
          await expectVisible();
          expect(theater.receipt).toBeUndefined();
        }
        await expectOriginal();
        {
          await using theater = await api.surgicalTheaterAsync(model, open);
          await expectVisible();
          expect(theater.receipt).toBeUndefined();
        }
        plain.close(key);
      }));

    it(
      `changes no bit in ${harness.cycles} cycles`,
      () =>
        onModel(harness, async ({ model, plain }) => {
          const before = Object.values(plain.original).map(bits).join();
          let wrong = 0;
          for (let cycle = 1; cycle <= harness.cycles; cycle++) {
            api.withTheater(model, open, () => undefined);
            if (cycle % (harness.cycles / 20) !== 0) continue;
            const now = await harness.read(model);
            if (Object.values(now).map(bits).join() !== before) wrong++;
          }
          expect(wrong).toBe(0);
        }),
      60_000,
    );

    it("holds what its plan says, and says the same when asked again", () =>
      onModel(harness, async ({ model, expectOriginal }) => {
        const plan = api.planTheater(model, open);
        await expectOriginal();
        const theater = api.surgicalTheater(model, open);
        expect(theater.plan).toEqual(plan);
        const report = theater.report();
        expect(report.technique).toBe(harness.technique);
        if (harness.estimates) {
          expect(report.heldBytes).toBeLessThanOrEqual(plan.mostHeldBytes);
        } else expect(report.heldBytes).toBe(plan.heldBytes);
        expect(report.savedBytes).toBe(plan.modelBytes - report.heldBytes);
        expect(theater.close().heldBytes).toBe(report.heldBytes);
        expect(() => theater.report()).toThrow(expect.objectContaining({ code: "closed" }));
      }));
  });

  it.each([1, 2])("gives a custom function every bit, %d in a row", (times) =>
    onModel(harness, async ({ model, expectOriginal }) => {
      const same = custom<V>((array) => harness.same(array), { returns: "value" });
      const modification = Array.from({ length: times }, () => same);
      const theater = api.surgicalTheater(model, { layers: "all", modification });
      await expectOriginal();
      theater.close();
    }),
  );

  describe("without a modification", () => {
    it("changes nothing, holds nothing, and proves it", () =>
      onModel(harness, async ({ model, expectOriginal }) => {
        const theater = api.surgicalTheater(model, {});
        await expectOriginal();
        expect(theater.report().heldBytes).toBe(0);
        const receipt = theater.close();
        expect(receipt).toMatchObject({ identical: true, written: [], heldBytes: 0 });
        expect(receipt.parameters.size).toBe(5);
      }));
  });
}
