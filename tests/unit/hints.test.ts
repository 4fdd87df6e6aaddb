import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { didYouMean, nearMisses } from "../../src/hints.ts";

const options = ["modification", "layers", "technique", "budget", "onWrite", "verify", "seed"];

describe("nearMisses", () => {
  it.each([
    ["a letter that is missing", "modificaton", "modification"],
    ["a letter too many", "layerss", "layers"],
    ["another letter", "techniqqe", "technique"],
    ["two letters in the wrong order", "vreify", "verify"],
    ["another case", "onwrite", "onWrite"],
    ["the beginning alone", "modif", "modification"],
    ["the end alone", "nique", "technique"],
  ])("sees %s", (_, word, meant) => {
    expect(nearMisses(word, options)).toEqual([meant]);
  });

  it.each(["dropout", "x", "", "learningRate"])("has nothing to say about %j", (word) => {
    expect(nearMisses(word, options)).toEqual([]);
  });

  it("puts the nearest first, and at most three", () => {
    const names = ["kernel_1", "kernelss_2", "kernels_1", "kernelss_3", "bias"];
    expect(nearMisses("kernelss_1", names)).toEqual(["kernelss_2", "kernels_1", "kernelss_3"]);
    expect(nearMisses("kernelss_1", ["kernel_1", "kernels_1"])).toEqual(["kernels_1", "kernel_1"]);
  });

  it("names each candidate once", () => {
    expect(nearMisses("sed", ["seed", "seed"])).toEqual(["seed"]);
  });

  it("prefers a name that is right but for its case to one that contains the word", () => {
    expect(nearMisses("Bias", ["bias_correction", "bias"])).toEqual(["bias", "bias_correction"]);
  });

  it("finds a word of six letters or more with one letter changed, dropped or doubled", () => {
    const word = fc.string({ unit: fc.constantFrom("a", "b", "c", "d", "e"), minLength: 6, maxLength: 12 });
    const slip = fc.constantFrom("change", "drop", "double");
    fc.assert(
      fc.property(word, fc.nat(), slip, (meant, position, kind) => {
        const at = position % meant.length;
        const middle = { change: "z", drop: "", double: `${meant[at]}${meant[at]}` }[kind];
        const written = meant.slice(0, at) + middle + meant.slice(at + 1);
        expect(nearMisses(written, [meant])).toEqual([meant]);
      }),
    );
  });
});

describe("didYouMean", () => {
  it("is a question that follows a sentence", () => {
    expect(didYouMean("sed", options)).toBe(' Did you mean "seed"?');
  });

  it("offers a choice", () => {
    expect(didYouMean("kernel", ["kernel_1", "kernel_2"])).toBe(' Did you mean "kernel_1" or "kernel_2"?');
  });

  it("is empty where nothing is near", () => {
    expect(didYouMean("dropout", options)).toBe("");
  });
});
