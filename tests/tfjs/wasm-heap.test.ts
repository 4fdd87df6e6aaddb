import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";

interface Figures {
  readonly opened: number;
  readonly used: number;
  readonly closed: number;
  readonly heldBytes: number;
  readonly transientBytes: number;
  readonly engineBytes: number;
}

const program = fileURLToPath(new URL("../support/wasm-heap.ts", import.meta.url));

async function measure(part: string, modification: string): Promise<Figures> {
  const args = ["--import", "tsx", program, part, modification];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return JSON.parse(stdout) as Figures;
}

const near = (measured: number, planned: number): boolean => Math.abs(measured - planned) <= 0.05 * planned;

describe("the wasm heap", { timeout: 60_000 }, () => {
  it.each(["scale", "disable", "interpolate"])(
    "grows by what the plan says is held and packed, and by nothing at closing: %s",
    async (modification) => {
      const { opened, used, closed, heldBytes, engineBytes } = await measure("kernel", modification);
      const packed = 4 * 4096 * 4096;
      expect(near(packed, engineBytes)).toBe(true);
      expect(heldBytes).toBe(modification === "interpolate" ? 0 : packed);
      expect(near(opened, heldBytes)).toBe(true);
      expect(near(used, heldBytes + engineBytes)).toBe(true);
      expect(closed).toBe(used);
    },
  );

  it("grows while opening by what the plan says is needed for a moment: noise", async () => {
    const { opened, heldBytes, transientBytes } = await measure("kernel", "noise");
    expect(near(opened, heldBytes + transientBytes)).toBe(true);
  });

  it("packs a kernel anew when only its bias is modified, as the plan says", async () => {
    const { opened, used, closed, engineBytes } = await measure("bias", "scale");
    expect(opened).toBe(0);
    expect(near(used, engineBytes)).toBe(true);
    expect(closed).toBe(used);
  });
});
