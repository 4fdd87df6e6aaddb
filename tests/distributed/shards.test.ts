import { beforeAll, describe, expect, it } from "vitest";
import { layoutsFor } from "./shard-models.ts";
import { bundle, openMpiRuns, onRanks, stillRunning } from "./ranks.ts";

/** Digests of all that showed, by dtype and layout: the same for each number of ranks. */
const digests = new Map<string, string>();

describe.skipIf(!openMpiRuns())("theaters on shards show what they show on whole parameters", () => {
  let program: string;
  beforeAll(async () => {
    program = await bundle("shards-program");
  });

  // Each rank compares with the unsharded store, state by state; here are the digests of all states.
  it.each([1, 2, 3, 4])("on %i ranks", { timeout: 120_000 }, async (ranks) => {
    const { code, output, reports, pids } = await onRanks(ranks, program, "everything");
    expect(output).toBe("");
    expect(code).toBe(0);
    expect(await stillRunning(pids)).toEqual([]);
    const { digests: found, shown } = reports[0] as { digests: Record<string, string>; shown: number };
    expect(reports).toHaveLength(ranks);
    for (const report of reports) expect(report).toEqual(reports[0]);
    const layouts = Object.keys(layoutsFor(ranks));
    expect(Object.keys(found).filter((key) => key.startsWith("float32, "))).toHaveLength(layouts.length);
    expect(shown).toBeGreaterThan(300);
    for (const [key, digest] of Object.entries(found)) {
      const dtype = key.split(",")[0]!;
      if (!digests.has(dtype)) digests.set(dtype, digest);
      expect([key, digest]).toEqual([key, digests.get(dtype)]);
    }
  });
});
