/** The WASM that is embedded, and what takes its place where it is refused. */
import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, it, vi } from "vitest";
import { compileKernels, embed } from "../../../scripts/build-kernels.mjs";
import { readFileSync } from "node:fs";

const path = new URL("../../../src/reversible/wasm-bytes.ts", import.meta.url);

describe("the embedded kernels", () => {
  it("are those of the sources, and at most 16 kB compressed", async () => {
    const wasm = await compileKernels("src/reversible/kernels/index.as.ts");
    expect(readFileSync(path, "utf8")).toBe(embed(wasm));
    expect(gzipSync(wasm, { level: 9 }).length).toBeLessThanOrEqual(16 * 1024);
  }, 60_000);
});

describe("where WASM is refused", () => {
  afterEach(() => {
    vi.unstubAllGlobals();
    vi.resetModules();
  });

  it("plain TypeScript shows the same bits, holds the same bytes, and brings every bit back", async () => {
    const run = async (): Promise<unknown> => {
      vi.resetModules();
      const { surgicalTheater, noise, scale } = await import("../../../src/index.ts");
      const { kernels } = await import("../../../src/reversible/wasm.ts");
      const w = new Float32Array(3000).map((_, i) => Math.sin(i) / 50);
      const before = w.slice();
      const modification = [scale(0.9), noise({ std: 0.01, seed: 1 })];
      const theater = surgicalTheater({ w }, { modification, layers: "all", technique: "reversible" });
      const shown = w.slice();
      const { heldBytes } = theater.report();
      theater.close();
      expect(w).toEqual(before);
      return { by: kernels().name, shown, heldBytes };
    };
    const withWasm = await run();
    vi.stubGlobal("WebAssembly", undefined);
    const without = await run();
    expect(withWasm).toMatchObject({ by: "wasm" });
    expect(without).toEqual({ ...(withWasm as object), by: "reference" });
  });
});
