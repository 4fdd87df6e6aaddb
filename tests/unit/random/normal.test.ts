import { describe, expect, it } from "vitest";
import { normalMagnitude, normalTable, upperTailQuantile } from "../../../src/random/normal.ts";

function crc32(bytes: Uint8Array): number {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return ~crc >>> 0;
}

describe("normalTable", () => {
  it("has the recorded bytes", () => {
    const table = normalTable();
    expect(table.length).toBe(31 * 64);
    const bytes = new DataView(new ArrayBuffer(4 * table.length));
    table.forEach((entry, i) => bytes.setUint32(4 * i, entry, true));
    expect(crc32(new TextEncoder().encode("123456789"))).toBe(0xcbf43926);
    expect(crc32(new Uint8Array(bytes.buffer))).toBe(0x19143913);
  });

  it("is made once", () => {
    expect(normalTable()).toBe(normalTable());
  });

  it("falls from entry to entry by the slope it states, to 0 at one half", () => {
    const table = normalTable();
    for (let i = 0; i < table.length; i++) {
      const next = i + 1 < table.length ? table[i + 1]! >>> 11 : 0;
      expect((table[i]! >>> 11) - (table[i]! & 2047)).toBe(next);
    }
  });
});

describe("upperTailQuantile", () => {
  // quantiles of the standard normal to 15 digits; AS 241 states about 1 part in 10^16, so 1e-14 is generous
  it.each([
    [0.5, 0],
    [0.25, 0.674489750196082],
    [0.025, 1.959963984540054],
    [1e-3, 3.090232306167813],
    [1e-9, 5.997807015007687],
  ])("of %d is %d", (u, z) => {
    expect(Math.abs(upperTailQuantile(u) - z)).toBeLessThan(1e-14 * Math.max(1, z));
  });
});

describe("normalMagnitude", () => {
  const z = (word: number): number => normalMagnitude(word, normalTable());

  it("goes from one unit, where the tail is one half, to 6.23 standard deviations, blind to the sign bit", () => {
    expect(z(0x7fffffff)).toBe(1);
    expect(z(0)).toBe(z(1));
    expect(z(1)).toBe(816613);
    expect(z(0xffffffff)).toBe(1);
    expect(z(-1)).toBe(1);
    expect(z(0x80000001)).toBe(816613);
  });

  it("ignores the low seven bits from 2^24 on, and only there", () => {
    for (const v of [0x1000000, 0x2345680, 0x7fffff80]) expect(z(v + 0x7f)).toBe(z(v));
    expect(z(0x4000)).not.toBe(z(0x407f));
  });

  it("never rises with the tail probability", () => {
    let last = Infinity;
    let rises = 0;
    for (let v = 1; v < 0x7fffffff; v = Math.ceil(v * 1.0003)) {
      const now = z(v);
      if (now > last) rises++;
      last = now;
    }
    expect(rises).toBe(0);
  });

  it("is the quantile within 3.2 units of 2^-17", () => {
    // T is rounded (0.5) and the product cut (1); a chord's sagitta is width² z''/8, at most near u = 1/4 in the
    // last octave: (2^-8)² · z / φ(z)² / 8 = 1.67 units for z = 0.674
    let worst = 0;
    for (let v = 1; v < 0x7fffff80; v = Math.ceil(v * 1.0003)) {
      const cut = v > 0xffffff ? v & ~0x7f : v;
      worst = Math.max(worst, Math.abs(z(v) - upperTailQuantile(cut * 2 ** -32) * 2 ** 17));
    }
    expect(worst).toBeLessThan(3.2);
  });
});
