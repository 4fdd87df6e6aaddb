import { describe, expect, it } from "vitest";
import { disable, scale } from "../../src/index.ts";
import { checkOptions, type Options } from "../../src/options.ts";

describe("checkOptions", () => {
  it("fills in the defaults", () => {
    expect(checkOptions({})).toEqual({
      modifications: [],
      layers: undefined,
      technique: "auto",
      budget: Infinity,
      onWrite: "error",
      onSave: undefined,
      verify: undefined,
      seed: undefined,
      alsoRestore: undefined,
      onReceipt: undefined,
      signal: undefined,
    });
  });

  it("hands on what it is given", () => {
    const given = {
      layers: ["head", 1],
      technique: "copy",
      budget: 1e6,
      onWrite: "discard",
      onSave: "original",
      verify: "fingerprint",
      seed: 7,
      alsoRestore: () => () => undefined,
      onReceipt: () => undefined,
      signal: new AbortController().signal,
    } as const;
    expect(checkOptions({ ...given, modification: scale(0.5) })).toEqual({
      ...given,
      modifications: [scale(0.5)],
    });
  });

  it("takes one modification for a list of one, and keeps the order of several", () => {
    const [half, none] = [scale(0.5), disable()];
    expect(checkOptions({ modification: half }).modifications).toEqual([half]);
    expect(checkOptions({ modification: [none, half] }).modifications).toEqual([none, half]);
  });

  it.each(Object.keys(checkOptions({})).filter((name) => name !== "modifications"))(
    "takes undefined for %s as if it were absent",
    (name) => {
      expect(checkOptions({ [name]: undefined })).toEqual(checkOptions({}));
    },
  );

  it.each([
    { name: "technique", values: ["auto", "swap", "stream", "side", "reversible", "plane", "copy"] },
    { name: "onWrite", values: ["error", "discard", "keep"] },
    { name: "onSave", values: ["error", "original"] },
    { name: "verify", values: ["fingerprint"] },
  ])("knows $values for $name, and nothing else", ({ name, values }) => {
    for (const value of values) expect(checkOptions({ [name]: value })).toMatchObject({ [name]: value });
    const listed = values.map((value) => JSON.stringify(value)).join(" or ");
    for (const value of ["", "other", 1, null, {}]) {
      const options = { [name]: value } as Options<unknown>;
      expect(() => checkOptions(options)).toThrow(TypeError);
      expect(() => checkOptions(options)).toThrow(`${name} must be ${listed}`);
    }
  });

  it.each([0, 1, 2 ** 32, Number.MAX_SAFE_INTEGER])("takes the seed %d", (seed) => {
    expect(checkOptions({ seed }).seed).toBe(seed);
  });

  it.each([0, 0.5, 1e12, Infinity])("takes a budget of %d bytes", (budget) => {
    expect(checkOptions({ budget }).budget).toBe(budget);
  });

  it.each(["alsoRestore", "onReceipt"])("calls nothing: %s", (name) => {
    const fail = (): never => {
      throw new Error("called");
    };
    expect(() => checkOptions({ [name]: fail })).not.toThrow();
  });

  it("refuses an unknown option even if it has no value", () => {
    const options: object = { onwrite: undefined };
    expect(() => checkOptions(options)).toThrow('unknown option "onwrite". Did you mean "onWrite"?');
  });

  it("lists the options to somebody who invents one", () => {
    const options: object = { dropout: 0 };
    const names = Object.keys(checkOptions({})).map((name) => name.replace("modifications", "modification"));
    expect(() => checkOptions(options)).toThrow(`Options: ${names.join(", ")}.`);
  });

  it("leaves what it is given alone", () => {
    const options = Object.freeze({
      modification: Object.freeze([scale(0.5)]),
      layers: Object.freeze(["a"]),
    });
    expect(checkOptions(options).layers).toBe(options.layers);
  });
});
