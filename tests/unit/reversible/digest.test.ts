/** The digest of a window: the same in both sets of kernels, and no change of one word escapes it. */
import { describe, expect, it } from "vitest";
import type { Kernels } from "../../../src/reversible/kernels.ts";
import { DIGEST, WINDOW, WINDOW_BYTES } from "../../../src/reversible/layout.ts";
import { referenceKernels } from "../../../src/reversible/reference.ts";
import { wasmKernels } from "../../../src/reversible/wasm.ts";

const all = [wasmKernels(), referenceKernels()];

/** Digest of these bytes, with garbage in the last, partial 128. */
function digestOf(kernels: Kernels, bytes: Uint8Array): string {
  const window = new Uint8Array(kernels.buffer, WINDOW, WINDOW_BYTES);
  window.set(bytes);
  window.fill(0x77, bytes.length);
  kernels.digest(bytes.length);
  return [...new Uint32Array(kernels.buffer, DIGEST, 2)].join();
}

/** Bytes without a pattern, the same in every run. */
function someBytes(length: number): Uint8Array<ArrayBuffer> {
  let state = 0x9e3779b9;
  return Uint8Array.from({ length }, () => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 1;
    return state >>> 16;
  });
}

const LENGTHS = [0, 1, 2, 4, 63, 64, 65, 127, 128, 129, 4096, 5000, WINDOW_BYTES];

describe("digest", () => {
  it.each(LENGTHS)("of %i bytes is the same in both kernels", (length) => {
    const [first, second] = all.map((kernels) => digestOf(kernels, someBytes(length)));
    expect(second).toBe(first);
  });

  it("of the same bytes does not change, whatever was digested before", () => {
    for (const kernels of all) {
      const first = digestOf(kernels, someBytes(1000));
      digestOf(kernels, someBytes(4096));
      expect(digestOf(kernels, someBytes(1000))).toBe(first);
    }
  });

  it("tells lengths of zeros apart", () => {
    const digests = new Set(LENGTHS.map((length) => digestOf(all[0]!, new Uint8Array(length))));
    expect(digests.size).toBe(LENGTHS.length);
  });

  it("changes with every single bit", () => {
    const bytes = someBytes(512);
    for (const kernels of all) {
      const before = digestOf(kernels, bytes);
      const digests = new Set([before]);
      for (let bit = 0; bit < 8 * bytes.length; bit++) {
        bytes[bit >> 3]! ^= 1 << (bit & 7);
        digests.add(digestOf(kernels, bytes));
        bytes[bit >> 3]! ^= 1 << (bit & 7);
      }
      expect(digests.size).toBe(8 * bytes.length + 1);
    }
  });

  it("changes when two signs flip, and when two words change places", () => {
    const bytes = someBytes(1024);
    const words = new Uint32Array(bytes.buffer);
    const digests = new Set([digestOf(all[0]!, bytes)]);
    let variants = 1;
    for (let i = 0; i < words.length; i++) {
      for (const j of [i + 1, i + 4, i + 32, i + 64, i + 96].filter((other) => other < words.length)) {
        const [a, b] = [words[i]!, words[j]!];
        words[i] = a ^ 0x80000000;
        words[j] = b ^ 0x80000000;
        digests.add(digestOf(all[0]!, bytes));
        words[i] = b;
        words[j] = a;
        digests.add(digestOf(all[0]!, bytes));
        words[i] = a;
        words[j] = b;
        variants += 2;
      }
    }
    expect(digests.size).toBe(variants);
  });

  it("changes when all of a window is filled with something else", () => {
    const digests = new Set<string>();
    for (let value = 0; value < 65536; value++) {
      digests.add(digestOf(all[0]!, new Uint8Array(new Uint16Array(512).fill(value).buffer)));
    }
    expect(digests.size).toBe(65536);
  });

  it("changes when the signs of every run of elements flip, of whatever length and period", () => {
    const bytes = someBytes(8192);
    const digests = new Set([digestOf(all[0]!, bytes)]);
    let variants = 1;
    for (let period = 2; period <= 2048; period *= 2) {
      for (let run = 1; run < period; run++) {
        const words = new Uint32Array(bytes.slice().buffer);
        for (let i = 0; i < words.length; i++) if (i % period < run) words[i]! ^= 0x80000000;
        digests.add(digestOf(all[0]!, new Uint8Array(words.buffer)));
        variants++;
      }
    }
    expect(digests.size).toBe(variants);
  });

  it("sets the window to zero behind the bytes, up to a multiple of 128, and leaves the bytes", () => {
    for (const kernels of all) {
      digestOf(kernels, someBytes(130));
      const window = new Uint8Array(kernels.buffer, WINDOW, 257);
      expect(window.subarray(0, 130)).toEqual(someBytes(130));
      expect(window.subarray(130, 256).every((byte) => byte === 0)).toBe(true);
      expect(window[256]).toBe(0x77);
    }
  });
});
