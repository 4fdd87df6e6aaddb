/** The library in a real browser: bundled, on its WebGPU and in its event loop. */
import { beforeAll, describe, expect, it } from "vitest";
import {
  type BackendResults,
  endAlike,
  isReproducible,
  type Results,
} from "../../examples/browser/results.ts";
import { chromiumRuns } from "./chromium.ts";
import { visitPage } from "./visit.ts";

const deadlineMs = 240_000;

describe.skipIf(!chromiumRuns())("in Chromium", () => {
  let results: Results;
  const on = (name: string): BackendResults => results.backends.find(({ backend }) => backend === name)!;

  beforeAll(async () => {
    results = await visitPage(deadlineMs);
  }, deadlineMs + 30_000);

  it("runs on webgpu and on wasm", () => {
    expect(results.missing).toEqual([]);
    expect(results.backends.map(({ backend }) => backend)).toEqual(["webgpu", "wasm"]);
    expect(results.steps).toBe(60);
  });

  describe.each(["webgpu", "wasm"])("on %s", (backend) => {
    it("shows other weights in every validation, of a model that learns", () => {
      const { rounds } = on(backend);
      expect(rounds.map(({ step }) => step)).toEqual([10, 20, 30, 40, 50, 60]);
      for (const { plain, noisy, scaled } of rounds) {
        expect(Math.abs(noisy - plain)).toBeGreaterThan(1e-3);
        expect(Math.abs(scaled - plain)).toBeGreaterThan(1e-3);
      }
      expect(rounds.at(-1)!.plain).toBeLessThan(rounds[0]!.plain / 2);
    });

    it("brings back every bit, in the very same buffers, after each validation", () => {
      const { compared } = on(backend);
      expect(compared.changes).toEqual([]);
      // Seven weights, and two slots for each of the five that are trained; before, between and after two validations.
      expect(compared).toMatchObject({ tensors: 17, buffers: 17, times: 12 });
    });

    it("proves it in the receipts, and holds nothing under stream", () => {
      const { swap, stream } = on(backend).receipts;
      expect(swap).toMatchObject({ count: 12, identical: 12 });
      expect(stream).toMatchObject({ count: 12, identical: 12, heldBytes: 0 });
      expect(swap.heldBytes).toBeGreaterThan(0);
    });

    it("leaves the course of training as it is without validations", () => {
      const results = on(backend);
      // On some GPUs no two trainings end alike; what a validation leaves behind is then all there is to compare.
      if (backend === "wasm" || isReproducible(results)) expect(results).toSatisfy(endAlike);
    });

    it("lets a timer tick while fit runs", () => {
      const { ticks, ms } = on(backend);
      const { count, longestGapMs } = ticks;
      // fit lets the page go on every 125 ms; the rest is patience with a busy machine.
      expect(count).toBeGreaterThanOrEqual(Math.floor(ms.validated / 250));
      expect(longestGapMs).toBeLessThan(5000);
    });
  });
});
