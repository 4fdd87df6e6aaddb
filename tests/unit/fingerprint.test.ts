import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fingerprint } from "../../src/fingerprint.ts";

const bytesOf = (view: ArrayBufferView): Uint8Array =>
  new Uint8Array(view.buffer, view.byteOffset, view.byteLength);

/** The fingerprint with one bit of `view` flipped; the bit is flipped back. */
function withFlipped(view: ArrayBufferView, ...bits: readonly number[]): string {
  const bytes = bytesOf(view);
  const flip = (): void => {
    for (const bit of bits) bytes[bit >> 3]! ^= 1 << (bit & 7);
  };
  flip();
  const result = fingerprint(view);
  flip();
  return result;
}

/** Bytes of every length, also those that are no whole number of words. */
const anyBytes = fc.uint8Array({ minLength: 1, maxLength: 67 });

describe("fingerprint", () => {
  it("is 32 hexadecimal digits, the same for the same bytes", () => {
    fc.assert(
      fc.property(anyBytes, (bytes) => {
        expect(fingerprint(bytes)).toMatch(/^[0-9a-f]{32}$/);
        expect(fingerprint(bytes.slice())).toBe(fingerprint(bytes));
      }),
    );
  });

  it("changes with any one bit", () => {
    fc.assert(
      fc.property(anyBytes, (bytes) => {
        const before = fingerprint(bytes);
        for (let bit = 0; bit < 8 * bytes.length; bit++) expect(withFlipped(bytes, bit)).not.toBe(before);
      }),
    );
  });

  it("changes when the signs of any two floats flip", () => {
    const weights = Float32Array.from({ length: 64 }, (_, i) => (i % 7) - 3);
    const before = fingerprint(weights);
    const signs = [...weights.keys()].map((i) => 32 * i + 31);
    for (const first of signs) {
      for (const second of signs.filter((bit) => bit > first)) {
        expect(withFlipped(weights, first, second)).not.toBe(before);
      }
    }
  });

  it("changes when any two different words change places", () => {
    const weights = Float32Array.from({ length: 32 }, (_, i) => i + 0.5);
    const before = fingerprint(weights);
    for (const i of weights.keys()) {
      for (const j of weights.keys()) {
        if (i === j) continue;
        const swapped = weights.slice();
        [swapped[i], swapped[j]] = [weights[j]!, weights[i]!];
        expect(fingerprint(swapped)).not.toBe(before);
      }
    }
  });

  it("tells +0 from -0, and NaNs with other payloads apart", () => {
    expect(fingerprint(Float32Array.of(0))).not.toBe(fingerprint(Float32Array.of(-0)));
    const quiet = fingerprint(Uint32Array.of(0x7fc00000));
    expect(fingerprint(Uint32Array.of(0x7fc00001))).not.toBe(quiet);
    expect(fingerprint(Uint32Array.of(0x7f800001))).not.toBe(quiet);
  });

  it("depends on the length, also for zeros", () => {
    const lengths = Array.from({ length: 70 }, (_, length) => fingerprint(new Uint8Array(length)));
    expect(new Set(lengths).size).toBe(lengths.length);
  });

  it("does not depend on where the bytes lie", () => {
    fc.assert(
      fc.property(anyBytes, fc.integer({ min: 1, max: 9 }), (bytes, offset) => {
        const moved = new Uint8Array(bytes.length + 16).fill(0xa5);
        moved.set(bytes, offset);
        expect(fingerprint(moved.subarray(offset, offset + bytes.length))).toBe(fingerprint(bytes));
      }),
    );
  });

  it("does not depend on the kind of view", () => {
    const weights = Float32Array.of(1, -2, Number.NaN);
    const { buffer } = weights;
    for (const view of [new Uint8Array(buffer), new DataView(buffer), new Int16Array(buffer)]) {
      expect(fingerprint(view)).toBe(fingerprint(weights));
    }
  });

  it("only reads", () => {
    const weights = new Uint32Array([0x7f800001, 0x80000000]);
    fingerprint(new Float32Array(weights.buffer));
    expect([...weights]).toEqual([0x7f800001, 0x80000000]);
  });
});
