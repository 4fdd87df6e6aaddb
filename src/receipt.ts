/** What `close()` returns: the proof, parameter by parameter, and what the theater cost. */

import type { Technique } from "./store.ts";

/** How one parameter came back. */
export interface Proof {
  /** Whether its bytes are what they would be had the theater never been opened. */
  readonly identical: boolean;
  /**
   * - `identity`: the very same buffer is back;
   * - `copy`: the kept bytes were written back;
   * - `inverse`: the inverse was computed from what was shown, which nothing had written to, and the parked bits;
   * - `fingerprint`: a digest of its bytes equals the one before;
   * - `refolded`: another theater is still open on it, and shows the original with its own layers alone;
   * - `kept`: it was written inside, and `onWrite: "keep"` left it so.
   */
  readonly by: "identity" | "copy" | "inverse" | "fingerprint" | "refolded" | "kept";
}

/** Evidence that a theater left its model as it was. */
export interface Receipt {
  /** Whether every parameter is identical. */
  readonly identical: boolean;
  /** By parameter name: those that were modified, and those that were watched. */
  readonly parameters: ReadonlyMap<string, Proof>;
  /** Parameters that something wrote inside, whatever `onWrite` made of it. */
  readonly written: readonly string[];
  /** One line per modification. */
  readonly modifications: readonly string[];
  /** That of the plan. */
  readonly technique: Technique;
  /** Bytes held while open, beyond the model itself: as planned, or as measured where the plan is an estimate. */
  readonly heldBytes: number;
  /** Bytes of the modified parameters. */
  readonly targetBytes: number;
  /** Bytes of the whole model: what a copy would have held. */
  readonly modelBytes: number;
  /** Milliseconds spent on opening and on closing. */
  readonly openMs: number;
  readonly closeMs: number;
}

/** One readable line: `6 of 6 parameters bit-identical (identity), 1.2 kB held …`. */
export function formatReceipt(receipt: Receipt): string {
  const proofs = [...receipt.parameters.values()];
  const ways = [...new Set(proofs.map(({ by }) => by))].join(", ");
  return (
    `${proofs.filter(({ identical }) => identical).length} of ${proofs.length} parameters bit-identical (${ways}); ` +
    `${formatBytes(receipt.heldBytes)} held, a copy of the model is ${formatBytes(receipt.modelBytes)}; ` +
    `opened in ${receipt.openMs.toFixed(2)} ms, closed in ${receipt.closeMs.toFixed(2)} ms`
  );
}

/** Bytes for people, in powers of 1000 and three digits: `312 B`, `1.25 MB`. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const units = ["kB", "MB", "GB", "TB", "PB"];
  let value = bytes / 1000;
  let unit = 0;
  // 999.5 and more would be written as 1.00e+3.
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${value >= 999.5 ? value.toFixed(0) : value.toPrecision(3)} ${units[unit]}`;
}
