/** The tree that a theater is opened on is never touched, whatever happens inside. */
import { grad, jit, numpy as np, tree } from "@jax-js/jax";
import { describe, expect, it } from "vitest";
import { custom, disable, scale, surgicalTheater, withTheater, withTheaterAsync } from "../../src/jax.ts";
import { smallFloats } from "../support/bits.ts";
import { arrayOf } from "../support/jax.ts";
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

describe("a theater in a function that is being traced", () => {
  it("is refused: what it frees would be part of the program", () => {
    const params = { layers: [arrayOf(smallFloats(200, 1), [200])] };
    const inside = ({ layers }: typeof params): np.Array =>
      withTheater({ layers }, all, (modified) => np.sum(modified.layers[0]!));
    const refused = expect.objectContaining({ name: "UnsupportedError", code: "engine" });
    const traced = jit(inside as never) as unknown as typeof inside;
    const derived = grad(inside as never) as unknown as typeof inside;
    expect(() => traced(tree.ref(params))).toThrow(refused);
    expect(() => derived(tree.ref(params))).toThrow(refused);
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

  it("a fingerprint of what was freed is the one it had", () => {
    const params = makeParams();
    const theater = surgicalTheater(params, { ...all, verify: "fingerprint" });
    theater.take();
    tree.dispose(params);
    const receipt = theater.close();
    expect(receipt.identical).toBe(true);
    expect([...receipt.parameters.values()].every(({ by }) => by === "fingerprint")).toBe(true);
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
