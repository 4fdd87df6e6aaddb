import { describe, expect, it } from "vitest";
import { RestoreError, scale, surgicalTheater, TheaterStateError, withTheater } from "../../src/index.ts";
import { anyFloats, anyWeights, bits } from "../support/bits.ts";
import { thrownBy } from "../support/thrown.ts";

const all = { modification: scale(0.5), layers: "all" };

/** The names that a RestoreError says are not back. */
function notBack(error: unknown): readonly string[] {
  expect(error).toBeInstanceOf(RestoreError);
  return [...(error as RestoreError).failures.keys()];
}

describe("a guard of typed arrays", () => {
  it.each(["error", "discard"] as const)(
    "detects a write and says that it cannot undo it, onWrite: %s",
    (onWrite) => {
      const model = anyWeights();
      const guard = surgicalTheater(model, { onWrite });
      model["head.gain"]![0] = 42;
      const error = thrownBy(() => guard.close());
      expect(notBack(error)).toEqual(["head.gain"]);
      expect(error).toMatchObject({ code: "original_lost" });
      expect((error as Error).message).toMatch(/overwritten in place/);
    },
  );

  it("sees a single flipped bit, wherever it is", () => {
    const w = anyFloats(1030, 4);
    const bytes = new Uint8Array(w.buffer);
    for (let at = 0; at < bytes.length; at += 101) {
      const guard = surgicalTheater({ w }, {});
      bytes[at]! ^= 1 << (at % 8);
      expect(notBack(thrownBy(() => guard.close()))).toEqual(["w"]);
    }
  });

  it("accepts a write that was taken back", () => {
    const w = anyFloats(30, 1);
    const guard = surgicalTheater({ w }, {});
    const before = w.slice();
    w.fill(7);
    w.set(before);
    expect(guard.close()).toMatchObject({ identical: true, written: [] });
  });

  it("leaves what was written where onWrite is keep, and reports it", () => {
    const model = { a: Float32Array.of(1), b: Float32Array.of(2) };
    const guard = surgicalTheater(model, { onWrite: "keep" });
    model.a[0] = 42;
    const receipt = guard.close();
    expect(receipt).toMatchObject({ identical: false, written: ["a"] });
    expect(Object.fromEntries(receipt.parameters)).toEqual({
      a: { identical: false, by: "kept" },
      b: { identical: true, by: "fingerprint" },
    });
    expect([model.a[0], model.b[0]]).toEqual([42, 2]);
  });

  it("under another guard tells of a write too, and never says that it came back", () => {
    const model = { w: Float32Array.of(1, 2) };
    const outer = surgicalTheater(model, {});
    const inner = surgicalTheater(model, {});
    model.w[0] = 42;
    const errors = [inner, outer].map((guard) => {
      try {
        return guard.close().identical;
      } catch (error) {
        return error;
      }
    });
    // Nobody holds the original, so nobody may claim that it is back.
    expect(errors).not.toContain(true);
    for (const error of errors) {
      if (error instanceof TheaterStateError) expect(error.message).not.toMatch(/original bytes are back/);
    }
  });

  it("never says that a lost parameter is back when it is closed again", () => {
    const model = { w: Float32Array.of(1), other: Float32Array.of(2) };
    const guard = surgicalTheater(model, {});
    model.w[0] = 42;
    expect(() => guard.close()).toThrow(RestoreError);
    try {
      expect(guard.close().identical).toBe(false);
    } catch (error) {
      expect(notBack(error)).toEqual(["w"]);
    }
  });

  it("loses nothing when the body that wrote threw as well", () => {
    const model = { w: Float32Array.of(1) };
    const mine = new Error("mine");
    const error = thrownBy(() =>
      withTheater(model, {}, () => {
        model.w[0] = 42;
        throw mine;
      }),
    );
    expect(notBack(error)).toEqual(["w"]);
    expect((error as Error).cause).toBe(mine);
  });
});

describe("a theater that holds a copy", () => {
  it.each(["error", "discard"] as const)("undoes what was written to a target, onWrite: %s", (onWrite) => {
    const w = anyFloats(30, 1);
    const before = bits(w);
    const theater = surgicalTheater({ w }, { ...all, onWrite });
    w.fill(3);
    if (onWrite === "error") {
      const error = thrownBy(() => theater.close());
      expect(error).toMatchObject({ code: "written_inside", parameters: ["w"] });
    } else expect(theater.close()).toMatchObject({ identical: true, written: ["w"] });
    expect(bits(w)).toBe(before);
  });

  it("keeps what was written where onWrite is keep, and brings the others back", () => {
    const model = { a: Float32Array.of(1), b: Float32Array.of(2) };
    const receipt = surgicalTheater(model, { ...all, onWrite: "keep" }).close();
    expect(receipt.identical).toBe(true);
    const theater = surgicalTheater(model, { ...all, onWrite: "keep" });
    expect(() => surgicalTheater(model, all)).toThrow(expect.objectContaining({ code: "already_open" }));
    model.a[0] = 42;
    expect(theater.close()).toMatchObject({ identical: false, written: ["a"] });
    expect([model.a[0], model.b[0]]).toEqual([42, 2]);
  });

  it("does not watch parameters that are not modified", () => {
    const model = { a: Float32Array.of(1), b: Float32Array.of(2) };
    const theater = surgicalTheater(model, { modification: scale(0.5), layers: "a" });
    model.b[0] = 42;
    expect([...theater.close().parameters.keys()]).toEqual(["a"]);
    expect(model.b[0]).toBe(42);
  });
});

describe("an ArrayBuffer that is detached inside", () => {
  const detach = (array: Float32Array): void => {
    structuredClone(array, { transfer: [array.buffer as ArrayBuffer] });
  };

  it.each([
    { title: "a modification", options: all },
    { title: "a guard", options: {} },
  ])("is named as lost, and everything else is back: $title", ({ options }) => {
    const model = anyWeights();
    const theater = surgicalTheater(model, options);
    detach(model["block.mlp.kernel"]!);
    const error = thrownBy(() => theater.close());
    expect(notBack(error)).toEqual(["block.mlp.kernel"]);
    expect(error).toMatchObject({ code: "original_lost" });
    const original = anyWeights();
    for (const [name, value] of Object.entries(model)) {
      if (name !== "block.mlp.kernel") expect(bits(value)).toBe(bits(original[name]!));
    }
  });

  it("is named by each of the theaters that are open on it, and everything else is back", () => {
    const model = { w: Float32Array.of(1, 2), other: Float32Array.of(3) };
    const theaters = [surgicalTheater(model, all), surgicalTheater(model, all), surgicalTheater(model, {})];
    detach(model.w);
    for (const theater of theaters) {
      const error = thrownBy(() => theater.close());
      expect(notBack(error)).toEqual(["w"]);
      expect(error).toMatchObject({ code: "original_lost" });
    }
    expect(model.other[0]).toBe(3);
  });
});
