/** Any sequence of opening, closing in any order, failing and writing, against a model that can only be right. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { custom } from "../../src/modifications/custom.ts";
import { type Harness, onModel, type Session } from "./harness.ts";
import type { Recipe } from "./recipes.ts";

/** More theaters than this at a time show nothing new. */
const DEPTH = 4;

type Action =
  | { readonly does: "open"; readonly recipe: number }
  | { readonly does: "close"; readonly which: number }
  | { readonly does: "fail"; readonly recipe: number; readonly at: number }
  | { readonly does: "throw"; readonly recipe: number }
  | { readonly does: "write"; readonly value: number };

const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ does: fc.constant("open" as const), recipe: fc.nat(99) }) },
  { weight: 4, arbitrary: fc.record({ does: fc.constant("close" as const), which: fc.nat(99) }) },
  fc.record({ does: fc.constant("fail" as const), recipe: fc.nat(99), at: fc.integer({ min: 1, max: 5 }) }),
  fc.record({ does: fc.constant("throw" as const), recipe: fc.nat(99) }),
  fc.record({ does: fc.constant("write" as const), value: fc.integer({ min: 1000, max: 9999 }) }),
);

const WRITTEN = "head.table";

export function sequenceContract<M, V>(harness: Harness<M, V>, recipes: readonly Recipe<V>[]): void {
  const { api } = harness;
  const pick = (index: number): Recipe<V> => recipes[index % recipes.length]!;

  async function play(session: Session<M>, actions: readonly Action[]): Promise<void> {
    const { model, plain, expectVisible } = session;
    const open: { theater: ReturnType<typeof api.surgicalTheater>; key: object }[] = [];
    let written = false;
    const options = (recipe: number) => ({ layers: "all", modification: pick(recipe).modification });
    const close = (which: number): void => {
      const [{ theater, key }] = open.splice(which % open.length, 1) as [(typeof open)[number]];
      plain.close(key);
      if (written) expect(() => theater.close()).toThrow(expect.objectContaining({ code: "written_inside" }));
      else theater.close();
      written = false;
      expect(theater.receipt?.identical).toBe(true);
    };
    const run: { [K in Action["does"]]: (action: Extract<Action, { does: K }>) => void } = {
      open({ recipe }) {
        if (open.length >= DEPTH || written) return;
        open.push({
          theater: api.surgicalTheater(model, options(recipe)),
          key: plain.open(pick(recipe).changes),
        });
      },
      close({ which }) {
        if (open.length > 0) close(which);
      },
      fail({ recipe, at }) {
        let calls = 0;
        const thrower = custom<V>((array) => {
          if (++calls === at) throw new Error("on purpose");
          return harness.same(array);
        });
        const modification = [pick(recipe).modification, thrower].flat();
        // One that was written refuses before any user code runs.
        const code = written ? "written_inside" : "modification_threw";
        const attempt = (): unknown => api.surgicalTheater(model, { layers: "all", modification });
        expect(attempt).toThrow(expect.objectContaining({ code }));
      },
      throw({ recipe }) {
        const mine = new Error("mine");
        const body = (): void => {
          throw mine;
        };
        if (!written) expect(() => api.withTheater(model, options(recipe), body)).toThrow(mine);
      },
      write({ value }) {
        // With nothing open it would be a training step, which is no theater's business.
        if (open.length === 0 || harness.losesWrites) return;
        if (harness.refusesWrites) {
          expect(() => harness.write(model, WRITTEN, value)).toThrow(
            expect.objectContaining({ code: "written_inside" }),
          );
          return;
        }
        harness.write(model, WRITTEN, value);
        written = true;
      },
    };
    for (const each of actions) {
      run[each.does](each as never);
      if (!written) await expectVisible();
    }
    while (open.length > 0) close(0);
  }

  it("shows after every step of any sequence what refolding from the original gives", () =>
    fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 14 }), (actions) =>
        onModel(harness, (session) => play(session, actions)),
      ),
      { numRuns: 100 },
    ));
}
