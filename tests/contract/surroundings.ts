/** What a theater does beside showing values: the user's own state, errors, receipts, signals. */
import { describe, expect, it } from "vitest";
import { RestoreError } from "../../src/errors.ts";
import { custom } from "../../src/modifications/custom.ts";
import { scale } from "../../src/modifications/scale.ts";
import { thrownBy } from "../support/thrown.ts";
import { type Harness, onModel } from "./harness.ts";

export function surroundingsContract<M, V>(harness: Harness<M, V>): void {
  const { api } = harness;
  const all = { layers: "all", modification: scale(0.9) };

  describe("what surrounds a theater", () => {
    it("is put back by what alsoRestore returned, also when the body or the opening fails", () =>
      onModel(harness, ({ model }) => {
        let flag = "mine";
        const alsoRestore = (): (() => void) => {
          const before = flag;
          flag = "evaluating";
          return () => void (flag = before);
        };
        expect(api.withTheater(model, { ...all, alsoRestore }, () => flag)).toBe("evaluating");
        expect(flag).toBe("mine");
        const signal = AbortSignal.abort();
        expect(() => api.surgicalTheater(model, { ...all, alsoRestore, signal })).toThrow(/abort/i);
        expect(flag).toBe("mine");
        const modification = custom<V>(() => {
          expect(flag).toBe("evaluating");
          throw new Error("custom failed");
        });
        expect(() => api.surgicalTheater(model, { ...all, modification, alsoRestore })).toThrow(
          /custom failed/,
        );
        expect(flag).toBe("mine");
      }));

    it("is reported when it cannot be put back, and tried again by the next close", () =>
      onModel(harness, async ({ model, expectOriginal }) => {
        let broken = true;
        const alsoRestore = () => (): void => {
          if (broken) throw new Error("not yet");
        };
        const theater = api.surgicalTheater(model, { ...all, alsoRestore });
        const failure = thrownBy(() => theater.close());
        expect(failure).toBeInstanceOf(RestoreError);
        expect(failure).toMatchObject({ code: "restore_failed" });
        expect([...(failure as RestoreError).failures.keys()]).toEqual(["alsoRestore"]);
        await expectOriginal();
        broken = false;
        expect(theater.close().identical).toBe(true);
      }));

    it("loses neither the body's error nor that of restoring", () =>
      onModel(harness, ({ model }) => {
        const mine = new Error("mine");
        const alsoRestore = () => (): void => {
          throw new Error("never");
        };
        const failure = thrownBy(() =>
          api.withTheater(model, { ...all, alsoRestore }, () => {
            throw mine;
          }),
        );
        expect(failure).toBeInstanceOf(RestoreError);
        expect((failure as RestoreError).cause).toBe(mine);
      }));

    it("loses neither the body's error nor that of onReceipt", () =>
      onModel(harness, ({ model }) => {
        const [ofBody, ofReceipt] = [new Error("of the body"), new Error("of onReceipt")];
        const onReceipt = (): void => {
          throw ofReceipt;
        };
        const thrown = thrownBy(() =>
          api.withTheater(model, { ...all, onReceipt }, () => {
            throw ofBody;
          }),
        ) as Error & { errors?: unknown[] };
        const found = [thrown, thrown.cause, ...(thrown.errors ?? [])];
        expect(found).toEqual(expect.arrayContaining([ofBody, ofReceipt]));
      }));

    it("is told by onReceipt, once", () =>
      onModel(harness, ({ model }) => {
        const receipts: unknown[] = [];
        const theater = api.surgicalTheater(model, {
          ...all,
          onReceipt: (receipt) => receipts.push(receipt),
        });
        expect(receipts).toEqual([]);
        const receipt = theater.close();
        theater.close();
        expect(receipts).toEqual([receipt]);
      }));

    it("is verified by fingerprint on request", () =>
      onModel(harness, async ({ model }) => {
        const options = { ...all, verify: "fingerprint" } as const;
        const verified = Array.from({ length: 5 }, () => ({ identical: true, by: "fingerprint" }));
        const theater = await api.surgicalTheaterAsync(model, options);
        expect([...(await theater.close()).parameters.values()]).toEqual(verified);
        const now = () => [...api.surgicalTheater(model, options).close().parameters.values()];
        if (harness.readsLater) expect(now).toThrow(expect.objectContaining({ code: "needs_async" }));
        else expect(now()).toEqual(verified);
      }));
  });

  describe("a signal", () => {
    it("that is aborted lets nothing open", () =>
      onModel(harness, async ({ model }) => {
        const signal = AbortSignal.abort();
        expect(() => api.surgicalTheater(model, { ...all, signal })).toThrow(signal.reason as Error);
        await expect(api.surgicalTheaterAsync(model, { ...all, signal })).rejects.toBe(signal.reason);
      }));

    it.each([1, 2, 3, 4, 5])("that is aborted at parameter %d of 5 rolls the opening back", (at) =>
      onModel(harness, ({ model }) => {
        const controller = new AbortController();
        let calls = 0;
        const modification = custom<V>((array) => {
          if (++calls === at) controller.abort();
          return harness.same(array);
        });
        const { signal } = controller;
        expect(() => api.surgicalTheater(model, { layers: "all", modification, signal })).toThrow(/abort/i);
        expect(calls).toBe(at);
      }),
    );

    it("that is aborted once it is open changes nothing", () =>
      onModel(harness, ({ model }) => {
        const controller = new AbortController();
        const theater = api.surgicalTheater(model, { ...all, signal: controller.signal });
        controller.abort();
        expect(theater.close().identical).toBe(true);
      }));
  });

  // Where theaters do not meet there is nothing to refuse.
  if (!harness.meets) return;
  describe("a custom function that opens or closes theaters", () => {
    const again = (act: () => void) =>
      custom<V>((array) => {
        act();
        return harness.same(array);
      });

    it("cannot open one on the parameter it is given", () =>
      onModel(harness, async ({ model, expectOriginal }) => {
        const modification = again(() => api.surgicalTheater(model, all));
        const error = thrownBy(() => api.surgicalTheater(model, { layers: "all", modification }));
        expect(error).toMatchObject({ code: "modification_threw", cause: { code: "busy" } });
        await expectOriginal();
      }));

    it("cannot close the one below", () =>
      onModel(harness, ({ model }) => {
        const below = api.surgicalTheater(model, all);
        let refusal: unknown;
        const modification = again(() => (refusal ??= thrownBy(() => below.close())));
        const above = api.surgicalTheater(model, { layers: "all", modification });
        expect(refusal).toMatchObject({ code: "busy" });
        expect(above.close().identical).toBe(true);
        expect(below.close().identical).toBe(true);
      }));
  });
}
