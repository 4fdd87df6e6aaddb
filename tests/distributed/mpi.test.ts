/** Real ranks on Open MPI. Each test is a job of its own; see `program.ts` for what its ranks do. */
import { beforeAll, describe, expect, it } from "vitest";
import { bundle, onRanks, openMpiRuns, type Outcome, type Report, stillRunning } from "./ranks.ts";

const TIMEOUT = 60_000;

describe.skipIf(!openMpiRuns())("on Open MPI", () => {
  let program: string;
  beforeAll(async () => {
    program = await bundle("program");
  });

  async function job(
    ranks: number | "alone",
    task: string,
    env: Readonly<Record<string, string>> = {},
  ): Promise<Outcome> {
    const outcome = await onRanks(ranks, program, task, env);
    expect(outcome.pids).toHaveLength(outcome.reports.length);
    // Longer than any deadline in these jobs that may still run.
    expect(await stillRunning(outcome.pids, 3000)).toEqual([]);
    return outcome;
  }

  /** A job in which nothing fails. */
  async function goodJob(ranks: number | "alone", task: string): Promise<readonly (Report | undefined)[]> {
    const { code, reports, output } = await job(ranks, task);
    if (code !== 0) expect.fail(`${task} on ${ranks} ranks ended with ${code}:\n${output}`);
    return reports;
  }

  it.each([1, 2, 3, 4])("every collective is right on %i ranks", { timeout: TIMEOUT }, async (ranks) => {
    const reports = await goodJob(ranks, "collectives");
    for (const report of reports) {
      expect(report).toMatchObject({ size: ranks, after: "communicator_closed" });
      expect(report!["library"]).toMatch(/Open MPI/);
      expect(Number(report!["bytes"]) > 0).toBe(ranks > 1);
    }
  });

  it("cuts what is too large for one request", { timeout: TIMEOUT }, async () => {
    const reports = await goodJob(3, "chunks");
    expect(reports).toEqual([{ done: true }, { done: true }, { done: true }]);
  });

  it("lets all ranks fail alike when one has failed, or differs", { timeout: TIMEOUT }, async () => {
    const reports = await goodJob(3, "agreement");
    for (const [rank, report] of reports.entries()) {
      expect(report).toMatchObject({
        one: { code: "peer_failed", ranks: [2], peerCode: "modification_threw" },
        all: { code: "modification_threw", message: "bad function on l1.w" },
        bytes: 64,
        seed: { code: "ranks_disagree", ranks: [1] },
        missing: { code: "ranks_disagree", ranks: [1] },
        overlap: { code: "bad_layout", element: 2, ranks: [0, 1] },
        gap: { code: "bad_layout", element: 4, ranks: [] },
        short: { code: "peer_failed", ranks: [2] },
      });
      const { one, seed, missing, short } = report as Record<string, { message: string; cause?: string }>;
      expect(one!.message).toContain("bad function on l1.w");
      expect(one!.cause).toBe(rank === 2 ? "bad function on l1.w" : undefined);
      expect(seed!.message).toContain('about seed: "1" on rank 0, "2" on rank 1');
      expect(missing!.message).toContain('about budget: "3" on rank 0, nothing on rank 1');
      expect(short!.message).toContain("the array has 1 elements");
    }
  });

  it.each(["collective", "barrier", "length", "root", "counts"])(
    "all ranks are told when one differs in its %s",
    { timeout: TIMEOUT },
    async (call) => {
      const { code, reports } = await job(2, "differs", { TEST_CALL: call });
      expect(code).toBe(7);
      for (const report of reports) expect(report).toMatchObject({ code: "ranks_disagree", ranks: [1] });
    },
  );

  it("ends the job when a rank throws, and shows why", { timeout: TIMEOUT }, async () => {
    const { code, output } = await job(2, "throws");
    expect(code).toBe(1);
    expect(output).toContain("an uncaught error");
  });

  it("gives up on a rank that does not come, at the deadline", { timeout: TIMEOUT }, async () => {
    const { code, reports } = await job(3, "hangs");
    expect(code).toBe(7);
    for (const report of [reports[0], reports[2]]) {
      expect(report).toMatchObject({
        first: { code: "timed_out" },
        next: { code: "communicator_closed" },
        last: { code: "communicator_closed" },
        finalized: true,
      });
      expect(report!["took"]).toBeGreaterThanOrEqual(500);
      expect(report!["took"]).toBeLessThan(3000);
    }
  });

  it("lets other code run while it waits asynchronously", { timeout: TIMEOUT }, async () => {
    const { reports } = await job(2, "hangsAsync");
    expect(reports[0]).toMatchObject({ first: { code: "timed_out" } });
    expect(reports[0]!["ticks"]).toBeGreaterThan(10);
  });

  it("does not let a rank leave with success in the middle of the job", { timeout: TIMEOUT }, async () => {
    const { code, output, milliseconds } = await job(3, "leaves");
    expect(code).toBe(1);
    expect(output).toContain("ended without finalize()");
    expect(milliseconds).toBeLessThan(15_000);
  });

  it("ends with a rank that is killed", { timeout: TIMEOUT }, async () => {
    const { code, milliseconds } = await job(3, "isKilled");
    expect(code).not.toBe(0);
    expect(milliseconds).toBeLessThan(15_000);
  });

  it("ends with a launcher that is killed", { timeout: TIMEOUT }, async () => {
    expect((await job(2, "orphans")).code).not.toBe(0);
  });

  it.each(["split", "finalize"])(
    "gives up on a rank that never comes to %s",
    { timeout: TIMEOUT },
    async (name) => {
      const { code, reports } = await job(2, name === "split" ? "splitsAlone" : "finalizesAlone");
      expect(code).toBe(7);
      expect(reports[0]).toMatchObject({ code: "timed_out" });
      expect(reports[0]!["message"]).toMatch(new RegExp(`^${name} on rank 0: `));
    },
  );

  it("kills itself when MPI blocks at its start", { timeout: TIMEOUT }, async () => {
    const { code, output } = await job(2, "startsAlone");
    expect(code).toBe(137);
    expect(output).toContain("took more than 500 ms");
  });

  it("does not take a launcher and a library that do not belong together", { timeout: TIMEOUT }, async () => {
    const { reports } = await job("alone", "mismatch", { OMPI_COMM_WORLD_SIZE: "2" });
    expect(reports[0]).toMatchObject({ code: "size_mismatch" });
    const hydra = await job("alone", "mismatch", { PMI_SIZE: "3", MPI_LIBRARY: "libmpi.so.40" });
    expect(hydra.reports[0]).toMatchObject({ code: "size_mismatch" });
    expect(hydra.reports[0]!["message"]).toContain("(mpich) has started 3 processes");
  });

  it("says what is wrong with a library that is none", { timeout: TIMEOUT }, async () => {
    const { reports } = await job("alone", "options", { TEST_LIBRARY: "libc.so.6" });
    expect(reports[0]).toMatchObject({ code: "engine" });
    expect(reports[0]!["message"]).toContain("libc.so.6");
  });

  it("is one process without a launcher, which may end as it likes", { timeout: TIMEOUT }, async () => {
    const reports = await goodJob("alone", "alone");
    expect(reports[0]).toEqual({ size: 1, sum: [1, 2] });
  });
});
