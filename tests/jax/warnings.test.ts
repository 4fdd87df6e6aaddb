/** What is mostly not meant is told on the console. */
import { jit, numpy as np } from "@jax-js/jax";
import { afterEach, describe, expect, it, vi } from "vitest";
import { type Options, scale, surgicalTheater, withTheater } from "../../src/jax.ts";
import { smallFloats } from "../support/bits.ts";
import { arrayOf, useDevices } from "../support/jax.ts";

await useDevices("wasm", "cpu");

const options: Options<np.Array> = { modification: scale(2), layers: "all" };
const warned = vi.spyOn(console, "warn").mockImplementation(() => {});
afterEach(() => warned.mockClear());

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
      [expect.stringMatching(/somebody has a reference to "captured".*as an argument/)],
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
