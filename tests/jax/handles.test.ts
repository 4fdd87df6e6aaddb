/** The ways to the modified tree, and what is said where nobody takes one. */
import { jit, numpy as np, tree } from "@jax-js/jax";
import { describe, expect, it } from "vitest";
import {
  type Options,
  scale,
  surgicalTheater,
  surgicalTheaterAsync,
  withTheater,
  withTheaterAsync,
} from "../../src/jax.ts";
import { leavingNoTrace, lossOf, makeParams, meter, numbersOf } from "./params.ts";

const options: Options<np.Array> = { modification: scale(2), layers: "all" };
const params = makeParams();

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

it("ready waits until everything is computed: until then kernels may wait for who reads", () =>
  leavingNoTrace(params, async () => {
    const before = meter.kernels();
    await using theater = await surgicalTheaterAsync(params, options);
    expect(meter.kernels()).toBe(before);
    await theater.ready();
    expect(meter.kernels() - before).toBe(7);
    expect(numbersOf(theater.params.head)[0]).toBe(2 * numbersOf(params.head)[0]!);
  }));
