import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";

interface Figures {
  readonly opened: number;
  readonly used: number;
  readonly usedOften: number;
  readonly closed: number;
  readonly heldBytes: number;
  readonly transientBytes: number;
  readonly engineBytes: number;
}

const program = fileURLToPath(new URL("stream-heap.ts", import.meta.url));

/** Units of a dense layer, and as many inputs: its kernel has 16 MB. */
const SIDE = 2048;
const KERNEL = 4 * SIDE * SIDE;

async function measure(part: string, modification: string, uses: number): Promise<Figures> {
  const args = ["--import", "tsx", program, part, modification, String(SIDE), String(uses)];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return JSON.parse(stdout) as Figures;
}

/** The heap grows in steps. */
const near = (measured: number, planned: number): boolean => Math.abs(measured - planned) <= 0.06 * planned;

describe("the wasm heap", { timeout: 60_000 }, () => {
  it.each([
    { part: "kernel", modification: "scale", copies: 1, uses: 30 },
    { part: "bias", modification: "scale", copies: 0, uses: 30 },
    { part: "kernel", modification: "noise", copies: 2, uses: 3 },
    { part: "kernel", modification: "interpolate", copies: 3, uses: 10 },
  ])(
    "grows by what the plan says a use of $part makes and packs, not by opening, closing, or many uses: $modification",
    async ({ part, modification, copies, uses }) => {
      const { opened, used, usedOften, closed, ...plan } = await measure(part, modification, uses);
      const { heldBytes, transientBytes, engineBytes } = plan;
      expect([opened, heldBytes]).toEqual([0, 0]);
      expect(near(transientBytes + engineBytes, (copies + 1) * KERNEL)).toBe(true);
      expect(near(used, transientBytes + engineBytes)).toBe(true);
      // Later uses find gaps; one kernel may no longer fit any.
      expect(usedOften).toBeLessThanOrEqual(1.06 * (transientBytes + engineBytes + KERNEL));
      expect(closed).toBe(usedOften);
    },
  );
});
