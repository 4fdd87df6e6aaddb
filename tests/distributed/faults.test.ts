import { beforeAll, describe, expect, it } from "vitest";
import { bundle, openMpiRuns, onRanks, type Outcome, stillRunning } from "./ranks.ts";

/** What a rank found: what was thrown there, and whether its shards, padding included, are what they were. */
interface Found {
  readonly code?: string;
  readonly peerCode?: string;
  readonly message?: string;
  readonly ranks?: readonly number[];
  readonly cause?: string;
  readonly exact: boolean;
}

const RANKS = 3;
/** Something is wrong on this one. */
const ODD = 1;

const nothing = { code: "nothing was thrown" };
const everywhere = (code: string, peerCode?: string): readonly object[] =>
  Array.from({ length: RANKS }, () => ({ code, ...(peerCode !== undefined && { peerCode }), exact: true }));
const disagree = everywhere("ranks_disagree");
const failed = (peerCode?: string): readonly object[] => everywhere("peer_failed", peerCode);

const expected: Readonly<Record<string, readonly object[]>> = {
  "an unknown option": failed(),
  "another factor": disagree,
  "another seed": disagree,
  "other layers": disagree,
  "other code": disagree,
  "another layout": disagree,
  "another engine": disagree,
  "a wrong array length": failed(),
  "a missing parameter": failed(),
  "a function that throws": failed("modification_threw"),
  "a function that throws, asynchronously": failed("modification_threw"),
  "a result of a wrong length": failed("shape_mismatch"),
  "too small a budget": failed("over_budget"),
  "an aborted signal": failed(),
  "a NaN": everywhere("non_finite"),
  "a NaN among what is pruned": everywhere("non_finite"),
  "a failure of an inner theater": failed("shape_mismatch"),
  "a plan instead of a theater": disagree,
  "a body that throws": [nothing, { message: "bad body" }, nothing].map((each) => ({ ...each, exact: true })),
  // The rank on which something did not come back must hear of it.
  "a buffer that is transferred": failed("original_lost").map((each, rank) =>
    rank === ODD ? { code: "original_lost", exact: false } : each,
  ),
};

/** What differs between the ranks, in messages. */
const named: Readonly<Record<string, RegExp>> = {
  "another factor":
    /about modifications: "scale\(factor=0\.5\)" on rank 0, "scale\(factor=0\.25\)" on rank 1/,
  "another seed": /about seed: "1" on rank 0, "2" on rank 1/,
  "other layers": /about layers: "attn" on rank 0, "embed" on rank 1/,
  "another layout": /about the parameters: .*flatPadded.* on rank 0, .*shard.* on rank 1/,
  "another engine": /about the engine: .* on rank 0, "format 1, V8 1\.2\.3" on rank 1/,
};

describe.skipIf(!openMpiRuns())("a failure on one of three ranks", () => {
  let program: string;
  beforeAll(async () => {
    program = await bundle("faults-program");
  });

  async function run(task: string): Promise<Outcome> {
    const outcome = await onRanks(RANKS, program, task);
    expect(await stillRunning(outcome.pids)).toEqual([]);
    return outcome;
  }

  describe("that all hear of", { timeout: 60_000 }, () => {
    let outcome: Outcome;
    let found: readonly Readonly<Record<string, Found>>[];
    beforeAll(async () => {
      outcome = await run("agreeing");
      found = outcome.reports as unknown as typeof found;
    }, 60_000);

    it("leaves a communicator that works to the end", () => {
      const { code, output } = outcome;
      expect({ code, output }).toMatchObject({ code: 0 }); // shows the output of one that fails
    });

    it.each(Object.entries(expected))("is %s: all ranks stop, and have their shards", (name, ranks) => {
      const here = found.map((report) => report[name]);
      expect(here).toEqual(ranks.map((rank) => expect.objectContaining(rank)));
    });

    it.each(Object.entries(named))("says what differs: %s", (name, message) => {
      for (const report of found) expect(report[name]!.message).toMatch(message);
    });

    it("says which rank failed, with its message, and that nothing was changed", () => {
      for (const report of found) {
        const { message, ranks } = report["a function that throws"]!;
        expect(ranks).toEqual([ODD]);
        expect(message).toMatch(/Rank 1 failed.*custom, for "attn\.weight", threw: bad function/);
        expect(message).toMatch(/Every parameter of this rank is as it was before the call\.$/);
      }
      expect(found[ODD]!["a function that throws"]!.cause).toBe("ModificationError");
    });

    it("tries all that the program has", () => {
      expect(Object.keys(found[0]!)).toEqual(Object.keys(expected));
    });
  });

  /** After these the job ends. The survivors have looked at their shards before. */
  const ends: readonly (readonly [task: string, survivors: Partial<Found>, message: RegExp])[] = [
    ["hangs while opening", { code: "timed_out" }, /was to gather attn\.bias.*within 700 ms/],
    ["is killed while opening", { code: "timed_out" }, /before the call\.$/],
    ["exits while opening", { code: "timed_out" }, /before the call\.$/],
    ["never opens", { code: "timed_out" }, /was to compare the plan/],
    ["hangs in the body", nothing, /^$/],
    ["hangs in the body, and others wait for it", { code: "timed_out" }, /allReduce/],
    ["is killed in the body", nothing, /^$/],
    ["exits in the body", nothing, /^$/],
    ["throws in the body, and nobody catches it", nothing, /^$/],
  ];

  it.each(ends)("that %s", { timeout: 60_000 }, async (task, survivors, message) => {
    const { code, reports, milliseconds } = await run(task);
    for (const rank of [0, 2]) {
      const report = reports[rank] as unknown as Found;
      expect(report).toMatchObject({ ...survivors, exact: true });
      expect(report.message ?? "").toMatch(message);
    }
    // In the asynchronous form timers run meanwhile.
    if (task === "never opens") expect(reports[0]!["ticks"]).toBeGreaterThan(5);
    expect(reports[ODD]).toBeUndefined();
    expect(code).not.toBe(0); // never like success
    // The deadline is 700 ms at most; starting and ending a job takes some time on a busy machine.
    expect(milliseconds).toBeLessThan(15_000);
  });
});
