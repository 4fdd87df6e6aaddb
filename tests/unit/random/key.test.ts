import { describe, expect, it } from "vitest";
import { noiseKey } from "../../../src/random/key.ts";
import { hex } from "./support.ts";

describe("noiseKey", () => {
  it("keeps the whole seed in words 0 and 1", () => {
    expect(noiseKey(0, "w").slice(0, 2)).toEqual([0, 0]);
    expect(noiseKey(-0, "w")).toEqual(noiseKey(0, "w"));
    expect(noiseKey(2 ** 32, "w").slice(0, 2)).toEqual([0, 1]);
    expect(noiseKey(Number.MAX_SAFE_INTEGER, "w").slice(0, 2)).toEqual([0xffffffff, 0x1fffff]);
  });

  // recorded; also computed by a Python program written from the doc comment of `noiseKey`
  it.each([
    ["", "9c6ca96a e17eae66"],
    ["a", "669eeeab a23c0176"],
    ["0123456789abcdef", "89075054 193a5e1a"],
    ["model.layers.0.self_attn.q_proj.weight", "f180523f c353db1e"],
    ["Größe/重み", "3560a64b 5ea1943d"],
  ])("digests the name %j as documented", (name, expected) => {
    expect(hex(noiseKey(1, name))).toBe(`00000001 00000000 ${expected}`);
  });

  it("gives the same digest under every seed", () => {
    expect(noiseKey(1, "w").slice(2)).toEqual(noiseKey(2 ** 40, "w").slice(2));
  });

  it("gives different keys to names that differ in padding, length or one character", () => {
    const names = ["", "\0", "\0\0", "\0".repeat(16), "\0".repeat(17)];
    for (let i = 0; i < 5000; i++) names.push(`layers.${i}.weight`, `layers.${i}.bias`);
    expect(new Set(names.map((name) => hex(noiseKey(0, name)))).size).toBe(names.length);
  });

  it.each([-1, 0.5, 2 ** 53, Number.NaN, Infinity])("refuses seed %d with a RangeError", (seed) => {
    expect(() => noiseKey(seed, "w")).toThrow(RangeError);
    expect(() => noiseKey(seed, "w")).toThrow(/^noise: seed/);
  });

  it.each<unknown>(["1", undefined, null, 1n])(
    "refuses seed %s, which is no number, with a TypeError",
    (seed) => {
      expect(() => noiseKey(seed as number, "w")).toThrow(TypeError);
      expect(() => noiseKey(seed as number, "w")).toThrow(/^noise: seed/);
    },
  );

  it("refuses a name that is no string", () => {
    expect(() => noiseKey(0, undefined as unknown as string)).toThrow(/^noise: name must be a string/);
  });
});
