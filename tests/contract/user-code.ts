/** User code runs while its theater opens, once for each parameter, whatever it does and whatever comes later. */
import { describe, expect, it } from "vitest";
import { custom } from "../../src/modifications/custom.ts";
import { scale } from "../../src/modifications/scale.ts";
import type { Values } from "../support/bits.ts";
import { type Change, scaled } from "../support/plain-model.ts";
import { type Harness, onModel } from "./harness.ts";
import type { Recipe } from "./recipes.ts";

const FIRST = "block.attn.kernel";
const LATER = "head.table";
const isOfHead = (name: string): boolean => name.startsWith("head");

/** What `changes` do to the head, those that are made once as they are made of the original. */
function ofHead(original: Values, changes: readonly Change[]): readonly Change[] {
  let now = original;
  return changes.map(({ of, once }) => {
    const made = Object.fromEntries(Object.entries(now).map(([name, value]) => [name, of(value, name)]));
    now = made;
    const fold: Change["of"] = once ? (_, name) => made[name]! : of;
    return { once: false, of: (value, name) => (isOfHead(name) ? fold(value, name) : value) };
  });
}

export function userCodeContract<M, V>(harness: Harness<M, V>, recipes: readonly Recipe<V>[]): void {
  const { api } = harness;
  const { changes } = recipes.find(({ title }) => title === "custom that returns a delta")!;
  const all = { layers: "all" } as const;
  // Of all parameters, not those that are given values for each.
  const inners = recipes.filter(({ title }) => !/interpolate|lora/.test(title));

  /** A custom modification that adds half, and counts. */
  const counting = () => {
    const count = { calls: 0 };
    const modification = custom<V>((array) => {
      count.calls++;
      return harness.half(array);
    });
    return { count, modification };
  };
  /** One that does something else when it is given the parameter `name`. */
  const besides = (name: string, action: () => void) =>
    custom<V>((array, info) => {
      if (info.name === name) action();
      return harness.half(array);
    });
  /** What opening throws where a custom function writes to a parameter. */
  const refusal = (isShown: boolean): unknown =>
    expect.objectContaining({
      code: harness.refusesWrites && isShown ? "modification_threw" : "written_inside",
    });

  describe("a custom function that writes to a parameter while its theater opens", () => {
    const ways = [
      { what: "one that is modified later", at: FIRST, to: LATER },
      { what: "one that it has modified", at: LATER, to: FIRST },
    ];
    it.each(ways)("does not make that of an outer theater run again: $what", ({ at, to }) =>
      onModel(harness, async ({ model, plain, expectVisible }) => {
        const outer = counting();
        const theater = api.surgicalTheater(model, { ...all, modification: outer.modification });
        const key = plain.open(changes);
        const { calls } = outer.count;
        const modification = besides(at, () => harness.write(model, to, 7));
        const open = (): unknown => api.surgicalTheater(model, { ...all, modification });
        for (let i = 0; i < 2; i++) {
          expect(open).toThrow(refusal(true));
          await expectVisible();
        }
        theater.close();
        plain.close(key);
        expect(outer.count.calls).toBe(calls);
      }),
    );

    it.each(ways)("changes nothing under a theater that only watches: $what", ({ at, to }) =>
      onModel(harness, async ({ model, expectOriginal }) => {
        const guard = api.surgicalTheater(model, {});
        const modification = besides(at, () => harness.write(model, to, 7));
        expect(() => api.surgicalTheater(model, { ...all, modification })).toThrow(refusal(to === FIRST));
        await expectOriginal();
        expect(guard.close()).toMatchObject({ identical: true, written: [] });
      }),
    );
  });

  it("a result stays while others come and go above and below it", () =>
    onModel(harness, async ({ model, plain, expectVisible }) => {
      const counted = [counting(), counting()] as const;
      const thrice = [scaled(3, harness.arithmetic)];
      const show = (modification: Recipe<V>["modification"], of: readonly Change[]) => {
        const theater = api.surgicalTheater(model, { ...all, modification });
        const key = plain.open(of);
        return () => {
          theater.close();
          plain.close(key);
        };
      };
      const closings = [
        show(counted[0].modification, changes),
        show(scale(3), thrice),
        show(counted[1].modification, changes),
      ];
      for (const close of closings) {
        show(scale(3), thrice)();
        await expectVisible();
        close();
        await expectVisible();
      }
      expect(counted.map(({ count }) => count.calls)).toEqual([5, 5]);
    }));

  // Where every theater is on all parameters, none can be opened or closed here.
  if (harness.watchesAll) return;
  describe("a custom function that opens and closes theaters", () => {
    it("and then writes to their parameters, changes nothing", () =>
      onModel(harness, async ({ model, expectOriginal }) => {
        for (const each of [scale(3), counting().modification]) {
          const modification = besides(FIRST, () => {
            api.surgicalTheater(model, { layers: "head", modification: each }).close();
            harness.write(model, LATER, 7);
          });
          expect(() => api.surgicalTheater(model, { ...all, modification })).toThrow(refusal(false));
          await expectOriginal();
        }
      }));

    it("and writes to the parameters of one that it has closed, changes nothing", () =>
      onModel(harness, async ({ model, expectOriginal }) => {
        for (const each of [scale(3), counting().modification]) {
          const below = api.surgicalTheater(model, { layers: "head", modification: each });
          const modification = besides(FIRST, () => {
            below.close();
            harness.write(model, LATER, 7);
          });
          expect(() => api.surgicalTheater(model, { ...all, modification })).toThrow(refusal(false));
          await expectOriginal();
        }
      }));

    it("and writes to the parameters of one that it has left open, leaves that one as it was", () =>
      onModel(harness, async ({ model, plain, expectVisible }) => {
        const inner = counting();
        let theater: { close(): unknown } | undefined;
        const modification = besides(FIRST, () => {
          theater = api.surgicalTheater(model, { layers: "head", modification: inner.modification });
          harness.write(model, LATER, 7);
        });
        expect(() => api.surgicalTheater(model, { ...all, modification })).toThrow(refusal(true));
        const key = plain.open(ofHead(plain.original, changes));
        await expectVisible();
        theater!.close();
        plain.close(key);
        expect(inner.count.calls).toBe(2);
      }));

    it.each(inners.flatMap((inner) => [true, false].map((innerFirst) => ({ ...inner, innerFirst }))))(
      "runs once, though one is left open on what is modified later: $title, closed first: $innerFirst",
      ({ modification, changes: above, innerFirst }) =>
        onModel(harness, async ({ model, plain, expectVisible }) => {
          let inner: { close(): unknown } | undefined;
          let calls = 0;
          const opening = custom<V>((array, { name }) => {
            calls++;
            if (name === FIRST) inner = api.surgicalTheater(model, { layers: "head", modification });
            return harness.half(array);
          });
          const outer = api.surgicalTheater(model, { ...all, modification: opening });
          const open = [
            { theater: outer, key: plain.open(changes) },
            { theater: inner!, key: plain.open(ofHead(plain.original, above)) },
          ];
          await expectVisible();
          for (const { theater, key } of innerFirst ? open.reverse() : open) {
            theater.close();
            plain.close(key);
            await expectVisible();
          }
          expect(calls).toBe(5);
        }),
    );
  });
}
