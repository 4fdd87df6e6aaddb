import { describe, expect, it } from "vitest";
import { formatBytes, formatReceipt, type Proof, type Receipt } from "../../src/receipt.ts";

describe("formatBytes", () => {
  it.each([
    [0, "0 B"],
    [1, "1 B"],
    [312, "312 B"],
    [999, "999 B"],
    [1000, "1.00 kB"],
    [1250, "1.25 kB"],
    [12_345, "12.3 kB"],
    [123_456, "123 kB"],
    [999_499, "999 kB"],
    [1_000_000, "1.00 MB"],
    [1_250_000, "1.25 MB"],
    [1_000_000_000, "1.00 GB"],
    [1_000_000_000_000, "1.00 TB"],
    [123_000_000_000_000, "123 TB"],
  ])("writes %d as %s", (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });

  it.each([
    [999_500, "1.00 MB"],
    [999_999, "1.00 MB"],
    [999_500_000, "1.00 GB"],
    [999_999_999, "1.00 GB"],
    [999_999_999_999, "1.00 TB"],
  ])("writes %d, which rounds up to the next unit, as %s", (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });

  it("needs no exponent beyond the largest unit", () => {
    expect(formatBytes(5e15)).toMatch(/^5000 TB$|^5\.00 PB$/);
  });
});

function receiptOf(proofs: Readonly<Record<string, Proof>>): Receipt {
  return {
    identical: Object.values(proofs).every(({ identical }) => identical),
    parameters: new Map(Object.entries(proofs)),
    written: [],
    technique: "copy" as const,
    modifications: ["scale(factor=0.5)"],
    heldBytes: 1250,
    targetBytes: 1250,
    modelBytes: 2_500_000,
    openMs: 1.234,
    closeMs: 0.5,
  };
}

describe("formatReceipt", () => {
  it("says how many parameters are back, how that is known, and what it cost", () => {
    const proofs = {
      a: { identical: true, by: "identity" },
      b: { identical: true, by: "identity" },
    } as const;
    expect(formatReceipt(receiptOf(proofs))).toBe(
      "2 of 2 parameters bit-identical (identity); 1.25 kB held, a copy of the model is 2.50 MB; " +
        "opened in 1.23 ms, closed in 0.50 ms",
    );
  });

  it("names every way once, and does not count what was kept", () => {
    const proofs = {
      a: { identical: true, by: "copy" },
      b: { identical: true, by: "fingerprint" },
      c: { identical: true, by: "copy" },
      d: { identical: false, by: "kept" },
    } as const;
    expect(formatReceipt(receiptOf(proofs))).toContain(
      "3 of 4 parameters bit-identical (copy, fingerprint, kept);",
    );
  });

  it("is one line", () => {
    expect(formatReceipt(receiptOf({}))).not.toContain("\n");
  });
});
