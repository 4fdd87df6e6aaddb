import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { threefry4x32, threefryWords, type Words } from "../../../src/random/threefry.ts";
import { hex, wordOfElement, words } from "./support.ts";

const ZERO = "00000000 00000000 00000000 00000000";
const ONES = "ffffffff ffffffff ffffffff ffffffff";
const PI = "243f6a88 85a308d3 13198a2e 03707344";
const MORE_PI = "a4093822 299f31d0 082efa98 ec4e6c89";

const anyWords = fc.tuple(fc.nat(0xffffffff), fc.nat(0xffffffff), fc.nat(0xffffffff), fc.nat(0xffffffff));

describe("threefry4x32", () => {
  // tests/kat_vectors of Random123
  it.each([
    [13, ZERO, ZERO, "531c7e4f 39491ee5 2c855a92 3d6abf9a"],
    [13, ONES, ONES, "c4189358 1c9cc83a d5881c67 6a0a89e0"],
    [13, PI, MORE_PI, "4aa71d8f 734738c2 431fc6a8 ae6debf1"],
    [20, ZERO, ZERO, "9c6ca96a e17eae66 fc10ecd4 5256a7d8"],
    [20, ONES, ONES, "2a881696 57012287 f6c7446e a16a6732"],
    [20, PI, MORE_PI, "59cd1dbb b8879579 86b5d00c ac8b6d84"],
    [72, ZERO, ZERO, "93171da6 9220326d b392b7b1 ff58a002"],
    [72, ONES, ONES, "60743f3d 9961e684 aab21c34 8c65fb7d"],
  ])("gives the published words of %i rounds, counter %s, key %s", (rounds, counter, key, expected) => {
    expect(hex(threefry4x32(words(counter), words(key), rounds))).toBe(expected);
  });

  it("runs twelve rounds by default and injects the key after the last", () => {
    expect(hex(threefry4x32([5, 0, 0, 0], [1, 2, 3, 4]))).toBe("82ed3a01 12800f5c 27e422d8 adfa0931");
  });

  it("gives the words without the last injection when that is subtracted", () => {
    const [a, b, c, d] = threefry4x32([5, 0, 0, 0], [1, 2, 3, 4]);
    const parity = 1 ^ 2 ^ 3 ^ 4 ^ 0x1bd11bda;
    // third injection: schedule words 3, 4, 0, 1, and 3 on the last
    expect(hex([a - 4, b - parity, c - 1, d - 2 - 3])).toBe("82ed39fd f6aef37e 27e422d7 adfa092c");
  });
});

describe("threefryWords", () => {
  const layout = (key: Words, first: bigint, count: number): string => {
    const out = new Uint32Array(count);
    threefryWords(out, key, Number(first), count);
    return hex(out);
  };
  const definition = (key: Words, first: bigint, count: number): string =>
    hex(Array.from({ length: count }, (_, i) => wordOfElement(first + BigInt(i), key)));

  it("puts word k of counter 4g + lane at element 16g + 4k + lane", () => {
    const out = new Uint32Array(32);
    threefryWords(out, [1, 2, 3, 4], 0, 32);
    expect(hex([out[17]!, out[21]!, out[25]!, out[29]!])).toBe("82ed3a01 12800f5c 27e422d8 adfa0931");
  });

  it("gives the one-block words of any elements below 2^53", () => {
    fc.assert(
      fc.property(anyWords, fc.bigInt(0n, 2n ** 49n - 4n), (key, group) => {
        expect(layout(key, group * 16n, 48)).toBe(definition(key, group * 16n, 48));
      }),
    );
  });

  it("carries into counter word 1 where the counter passes 2^32, inside a call and between calls", () => {
    const first = 2n ** 34n - 32n;
    expect(layout([1, 2, 3, 4], first, 64)).toBe(definition([1, 2, 3, 4], first, 64));
    expect(layout([1, 2, 3, 4], 2n ** 34n, 16)).toBe(definition([1, 2, 3, 4], 2n ** 34n, 16));
    expect(layout([1, 2, 3, 4], 2n ** 34n, 16)).not.toBe(layout([1, 2, 3, 4], 0n, 16));
  });
});
