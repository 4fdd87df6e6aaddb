/** The tree that a theater is opened on is never touched, whatever happens inside. */
import { jit, numpy as np, tree } from "@jax-js/jax";
import { describe, expect, it } from "vitest";
import {
  custom,
  disable,
  type Modification,
  noise,
  scale,
  surgicalTheater,
  withTheater,
  withTheaterAsync,
} from "../../src/jax.ts";
import { failing, faultPoint } from "../support/failing.ts";
import { smallFloats } from "../support/bits.ts";
import { arrayOf, backendOf, stateOf } from "../support/jax.ts";
import { forward, leavingNoTrace, lossOf, makeAnyParams, makeParams, meter, type Params } from "./params.ts";

const all = { modification: scale(0.5), layers: "all" } as const;
const mine = new Error("mine");

describe("the original arrays have their bits, and their references,", () => {
  const params = makeAnyParams();

  it("after the function has returned", () =>
    leavingNoTrace(params, () => {
      const x = withTheater(params, all, (modified) => lossOf(modified));
      expect(x).toBeNaN();
    }));

  it("after it has thrown before it looked at anything", () =>
    leavingNoTrace(params, () => {
      const body = (): never => {
        throw mine;
      };
      expect(() => withTheater(params, all, body)).toThrow(mine);
    }));

  it("after it has thrown in the middle of what it computes, with references it was given", () =>
    leavingNoTrace(params, () => {
      expect(() =>
        withTheater(params, all, ({ attn, head }) => {
          const kept = [head.ref, head.ref, attn.q.ref];
          throw new Error(`${kept.length}`, { cause: mine });
        }),
      ).toThrow("3");
    }));

  it("after a compiled function has thrown while it was traced", () =>
    leavingNoTrace(params, () => {
      const broken = jit(((modified: Params) => {
        np.matmul(modified.attn.q.ref, modified.attn.q.ref);
        return modified.head;
      }) as never) as unknown as (modified: Params) => np.Array;
      expect(() => withTheater(params, all, (modified) => broken(modified))).toThrow(
        /incompatible|shape|matmul|dot/i,
      );
      const theater = surgicalTheater(params, all);
      expect(() => broken(theater.take())).toThrow(/incompatible|shape|matmul|dot/i);
      expect(theater.close().identical).toBe(true);
    }));

  it("after an awaited function has rejected", () =>
    leavingNoTrace(params, async () => {
      const rejecting = withTheaterAsync(params, all, async ({ head }) => {
        await head.ref.data();
        throw mine;
      });
      await expect(rejecting).rejects.toBe(mine);
    }));

  it("after modified arrays were freed inside, or given away", () =>
    leavingNoTrace(params, () => {
      withTheater(params, { modification: disable(), layers: "attention" }, (modified) => {
        tree.dispose(modified);
      });
      withTheater(params, all, ({ attn, head }) => {
        attn.q.mul(2).dispose();
        head.dispose();
      });
    }));
});

describe("a theater that cannot open changes nothing, when", () => {
  const params = makeParams();
  const wrong = (fn: (w: np.Array) => unknown): Modification<np.Array> =>
    custom(fn as (w: np.Array) => np.Array, { returns: "value" });
  const cases: readonly {
    readonly when: string;
    readonly fn: (w: np.Array) => unknown;
    readonly code: string;
  }[] = [
    { when: "throws", fn: () => thrower(), code: "modification_threw" },
    {
      when: "consumes its argument and throws",
      fn: (w) => (w.dispose(), thrower()),
      code: "modification_threw",
    },
    { when: "returns nothing", fn: () => undefined, code: "dtype_mismatch" },
    { when: "returns a number", fn: () => 1, code: "dtype_mismatch" },
    { when: "returns a promise of an array", fn: async (w) => w, code: "dtype_mismatch" },
    { when: "returns what it has freed", fn: (w) => (w.dispose(), w), code: "dtype_mismatch" },
    { when: "returns another shape", fn: () => np.zeros([3]), code: "shape_mismatch" },
    { when: "returns another dtype", fn: (w) => w.astype(np.int32), code: "dtype_mismatch" },
    {
      when: "returns an array on another device",
      fn: ({ shape }) => np.ones(shape, { device: "cpu" }),
      code: "dtype_mismatch",
    },
  ];
  const thrower = (): never => {
    throw mine;
  };

  it.each(cases)("its custom function $when", ({ fn, code }) =>
    leavingNoTrace(params, () => {
      for (const at of [1, 4]) {
        let calls = 0;
        const late = wrong((w) => (++calls < at ? w.mul(2) : fn(w)));
        for (const modification of [late, [scale(2), late, noise({ std: 1, seed: 1 })]]) {
          calls = 0;
          expect(() => surgicalTheater(params, { modification, layers: "all" })).toThrow(
            expect.objectContaining({ name: "ModificationError", code }),
          );
        }
      }
    }),
  );

  it("the device runs out of memory, at whichever allocation", () => {
    const point = faultPoint(backendOf("wasm"), "malloc");
    const before = stateOf(params);
    for (let n = 1; ; n++) {
      const { thrown, fired } = failing(point, n, () => {
        const modification = [scale(2), noise({ std: 1, seed: 1 })];
        surgicalTheater(params, { modification, layers: "all" }).close();
      });
      expect(stateOf(params)).toEqual(before);
      if (!fired) {
        expect(thrown).toMatchObject({ code: "unused" });
        break;
      }
      expect(thrown).toMatchObject({ name: "Fault" });
    }
  });
});

describe("a custom function", () => {
  const params = makeParams();

  it("may return an array that it keeps: closing frees the theater's reference only", () => {
    const kept = arrayOf(smallFloats(16 * 24, 9), [16, 24]);
    const modification = custom(() => kept.ref, { returns: "value" });
    for (let time = 0; time < 3; time++) {
      const first = withTheater(params, { modification, layers: "head" }, ({ head }) =>
        head.ref.slice(0, 0).item(),
      );
      expect(first).toBe(Math.fround(smallFloats(1, 9)[0]!));
      expect(kept.refCount).toBe(1);
    }
    kept.dispose();
  });

  it("may keep its argument by a reference, which dies when the function has run", () =>
    leavingNoTrace(params, () => {
      let kept: np.Array | undefined;
      const modification = custom((w: np.Array) => ((kept = w.ref), w), { returns: "value" });
      withTheater(params, { modification, layers: "head" }, forward).dispose();
      expect(kept!.refCount).toBe(0);
    }));
});

describe("while a theater is open", () => {
  it("the originals may be freed: the modified tree lives on", () => {
    const params = makeParams();
    const live = meter.bytes();
    const theater = surgicalTheater(params, { modification: scale(0.5), layers: "attention" });
    const expected = withTheater(params, { modification: scale(0.5), layers: "attention" }, (modified) =>
      lossOf(modified),
    );
    tree.dispose(params);
    expect(lossOf(theater.take())).toBe(expected);
    expect(theater.close().identical).toBe(true);
    expect(meter.bytes()).toBeLessThan(live - 4000);
    expect(() => surgicalTheater(params, all)).toThrow(/"attn\.q" is freed.*tree\.ref\(params\)/);
  });

  it("a training step may make new parameters: the theater shows what it was opened on", () => {
    let params = makeParams();
    const theater = surgicalTheater(params, { modification: scale(2), layers: "head" });
    const before = lossOf(theater.take());
    params = tree.map((w: np.Array) => w.mul(0.9), params as never);
    expect(lossOf(theater.take())).toBe(before);
    theater.close();
    const after = withTheater(params, { modification: scale(2), layers: "head" }, (modified) =>
      lossOf(modified),
    );
    expect(after).not.toBe(before);
    tree.dispose(params);
  });
});
