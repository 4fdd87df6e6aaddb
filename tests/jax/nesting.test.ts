/** Theaters on what another theater shows. */
import type { numpy as np } from "@jax-js/jax";
import { describe, expect, it } from "vitest";
import { type Options, scale, surgicalTheater } from "../../src/jax.ts";
import { leavingNoTrace, lossOf, makeParams, numbersOf } from "./params.ts";

const options: Options<np.Array> = { modification: scale(2), layers: "all" };
const params = makeParams();

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
