/** The ways to the modified tree, and what is said where nobody takes one. */
import { jit, numpy as np, tree } from "@jax-js/jax";
import { afterEach, describe, expect, it, vi } from "vitest";
import {
  type Options,
  scale,
  surgicalTheater,
  surgicalTheaterAsync,
  withTheater,
  withTheaterAsync,
} from "../../src/jax.ts";
import { smallFloats } from "../support/bits.ts";
import { arrayOf } from "../support/jax.ts";
import { leavingNoTrace, lossOf, makeParams, numbersOf } from "./params.ts";

const options: Options<np.Array> = { modification: scale(2), layers: "all" };
const params = makeParams();
const warned = vi.spyOn(console, "warn").mockImplementation(() => {});
afterEach(() => warned.mockClear());

describe("a modified tree that nobody looked at is an error after restoring:", () => {
  const unused = expect.objectContaining({ name: "TheaterStateError", code: "unused" });

  it("in withTheater", () =>
    leavingNoTrace(params, () => {
      expect(() => withTheater(params, options, () => lossOf(tree.ref(params)))).toThrow(unused);
      expect(() => withTheater(params, options, () => 1)).toThrow(/take them as an argument|must take them/);
    }));

  it("in withTheaterAsync", () =>
    leavingNoTrace(params, async () => {
      await expect(withTheaterAsync(params, options, async () => 1)).rejects.toEqual(unused);
    }));

  it("at close, and then no more", () =>
    leavingNoTrace(params, async () => {
      const theater = surgicalTheater(params, options);
      expect(() => theater.close()).toThrow(unused);
      expect(theater.close()).toMatchObject({ identical: true });
      const waiting = await surgicalTheaterAsync(params, options);
      await expect(waiting.close()).rejects.toEqual(unused);
      expect(await waiting.close()).toMatchObject({ identical: true });
    }));

  it("at the end of a block that uses it", () => {
    expect(() => {
      using theater = surgicalTheater(params, options);
      expect(theater.plan.technique).toBe("swap");
    }).toThrow(unused);
  });

  it("but the function's own error comes first", () => {
    const mine = new Error("mine");
    const body = (): never => {
      throw mine;
    };
    expect(() => withTheater(params, options, body)).toThrow(mine);
    // @ts-expect-error a promise is refused by the types as well
    const awaiting = (): unknown => withTheater(params, options, () => Promise.resolve(1));
    expect(awaiting).toThrow(expect.objectContaining({ code: "promise_returned" }));
  });
});

it("a guard without a modification need not be looked at", async () => {
  expect(withTheater(params, {}, () => 1)).toBe(1);
  expect(await withTheaterAsync(params, {}, () => 1)).toBe(1);
  surgicalTheater(params, {}).close();
});

describe("looking is", () => {
  const total = jit((({ head, ...others }: typeof params): np.Array => {
    tree.dispose(others);
    return np.sum(head);
  }) as never) as unknown as (modified: typeof params) => np.Array;

  it.each<readonly [string, (modified: typeof params) => unknown]>([
    ["reading a field", ({ head }) => head],
    ["tree.ref", (modified) => tree.dispose(tree.ref(modified))],
    ["tree.flatten", (modified) => tree.flatten(modified as never)],
    ["spreading", (modified) => ({ ...modified })],
    ["a compiled function", (modified) => total(modified).dispose()],
  ])("%s", (_, look) =>
    leavingNoTrace(params, () => {
      expect(() => withTheater(params, options, (modified) => void look(modified))).not.toThrow();
    }),
  );

  it("not asking for the keys alone", () => {
    expect(() => withTheater(params, options, (modified) => Object.keys(modified))).toThrow(
      expect.objectContaining({ code: "unused" }),
    );
  });

  it("asking a theater for a tree to give away", () => {
    const theater = surgicalTheater(params, options);
    theater.take();
    theater.close();
  });
});

describe("theater.params", () => {
  it("is one tree, lent; tree.ref gives it away any number of times", () =>
    leavingNoTrace(params, () => {
      using theater = surgicalTheater(params, options);
      expect(theater.params).toBe(theater.params);
      const losses = [1, 2, 3].map(() => lossOf(tree.ref(theater.params)));
      expect(new Set(losses).size).toBe(1);
      expect(losses[0]).not.toBe(lossOf(tree.ref(params)));
    }));

  it("that was consumed is told of by jax-js at its second use, and closing is fine", () =>
    leavingNoTrace(params, () => {
      using theater = surgicalTheater(params, options);
      lossOf(theater.params);
      expect(() => lossOf(theater.params)).toThrow(/freed/);
      expect(Number.isFinite(lossOf(theater.take()))).toBe(true);
    }));
});

describe("after closing", () => {
  it("params, take and ready are refused", async () => {
    const closed = expect.objectContaining({ name: "TheaterStateError", code: "closed" });
    const theater = surgicalTheater(params, options);
    theater.take();
    theater.close();
    expect(() => theater.params).toThrow(closed);
    expect(() => theater.take()).toThrow(closed);
    await expect(theater.ready()).rejects.toEqual(closed);
    const waiting = await surgicalTheaterAsync(params, options);
    waiting.take();
    await waiting.close();
    expect(() => waiting.params).toThrow(closed);
    expect(() => waiting.take()).toThrow(closed);
    await expect(waiting.ready()).rejects.toEqual(closed);
  });

  it("what was taken out is freed, and says so when it is used", () => {
    const taken = withTheater(params, options, ({ head }) => head.ref);
    expect(taken.refCount).toBe(0);
    expect(() => taken.mul(2)).toThrow(/freed/);
  });

  it("results that were computed inside live on", () => {
    const result = withTheater(params, options, ({ head }) => head.ref.add(1));
    expect((result.dataSync() as Float32Array)[1]).toBeCloseTo(2 * numbersOf(params.head)[1]! + 1, 6);
  });
});

it("ready waits until everything is computed", () =>
  leavingNoTrace(params, async () => {
    await using theater = await surgicalTheaterAsync(params, options);
    await theater.ready();
    expect(numbersOf(theater.params.head)[0]).toBe(2 * numbersOf(params.head)[0]!);
  }));

describe("an inner theater", () => {
  it("is opened on the outer one's tree, and folds over what that shows", () =>
    leavingNoTrace(params, () => {
      using outer = surgicalTheater(params, options);
      using inner = surgicalTheater(outer.params, { modification: scale(3), layers: "head" });
      expect(numbersOf(inner.params.head)[1]).toBe(Math.fround(6 * numbersOf(params.head)[1]!));
      expect(numbersOf(inner.params.attn.q)[1]).toBe(2 * numbersOf(params.attn.q)[1]!);
    }));

  it("keeps what it shows when the outer one closes first", () =>
    leavingNoTrace(params, () => {
      const outer = surgicalTheater(params, options);
      const inner = surgicalTheater(outer.params, { modification: scale(3), layers: "head" });
      const loss = lossOf(inner.take());
      outer.close();
      expect(lossOf(inner.take())).toBe(loss);
      inner.close();
    }));

  it("on the same tree knows nothing of the other", () =>
    leavingNoTrace(params, () => {
      using first = surgicalTheater(params, options);
      using second = surgicalTheater(params, { modification: scale(3), layers: "all" });
      expect(numbersOf(first.params.head)[1]).toBe(2 * numbersOf(params.head)[1]!);
      expect(numbersOf(second.params.head)[1]).toBe(Math.fround(3 * numbersOf(params.head)[1]!));
    }));
});

describe("a warning is given once", () => {
  it("for an array that somebody else has a reference to", () => {
    const captured = {
      captured: arrayOf(smallFloats(200, 1), [200]),
      alone: arrayOf(smallFloats(200, 2), [200]),
    };
    const forward = jit(((x: np.Array) => np.sum(x.mul(captured.captured.ref))) as never) as never as (
      x: np.Array,
    ) => np.Array;
    forward(np.ones([200])).dispose();
    for (let time = 0; time < 3; time++) withTheater(captured, options, ({ alone }) => alone);
    expect(warned.mock.calls).toEqual([
      [expect.stringMatching(/"captured" has 2 references.*as an argument/)],
    ]);
  });

  it("not for ties, and not for a theater's own tree", () => {
    const tied = arrayOf(smallFloats(200, 1), [200]);
    const both = { one: tied, two: tied.ref };
    const theater = surgicalTheater(both, options);
    surgicalTheater(theater.params, {}).close();
    theater.close();
    expect(warned.mock.calls).toEqual([]);
  });

  it("for parameters on several devices", () => {
    const mixed = { here: arrayOf(smallFloats(200, 1), [200]), there: np.ones([200], { device: "cpu" }) };
    for (let time = 0; time < 2; time++) withTheater(mixed, options, ({ here }) => here);
    expect(warned.mock.calls).toEqual([
      [expect.stringMatching(/several devices \("here" on wasm, "there" on cpu\)/)],
    ]);
  });
});
