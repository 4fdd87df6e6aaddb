import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { readResults, type Results } from "../../src/sweep.ts";
import { bundle, onRanks, openMpiRuns } from "../distributed/ranks.ts";
import { essence, freshPath, linesOf, sweepError } from "./subject.ts";

type Found = { readonly found: Results; readonly told: readonly (readonly [number, number])[] };

describe.skipIf(!openMpiRuns())("a sweep on MPI ranks", () => {
  let program = "";
  beforeAll(async () => {
    program = await bundle("../sweep/ranks-program");
  }, 60_000);

  const sweep = async (ranks: number | "alone", results: string): Promise<readonly Found[]> => {
    const { code, output, reports } = await onRanks(ranks, program, "a whole sweep", {
      SWEEP_RESULTS: results,
    });
    expect({ code, output }).toMatchObject({ code: 0 });
    return reports as unknown as readonly Found[];
  };
  /** How many records each rank has. */
  const perRank = (records: readonly { readonly rank: number }[]): readonly number[] =>
    [0, 1, 2].map((rank) => records.filter((record) => record.rank === rank).length);
  const trialsIn = (path: string): readonly string[] =>
    linesOf(path).filter((line) => line.startsWith('{"record":"trial"'));

  it("divides the trials, gives the same to all, and goes on with any number of ranks", async () => {
    const [alone] = await sweep("alone", freshPath());
    const expected = essence(alone!.found);

    const results = freshPath("digits.jsonl");
    const folder = dirname(results);
    const three = await sweep(3, results);
    expect(three.map(({ found }) => found)).toEqual([three[0]!.found, three[0]!.found, three[0]!.found]);
    expect(essence(three[0]!.found)).toEqual(expected);
    expect(perRank(three[0]!.found.trials)).toEqual([4, 4, 4]);
    expect(perRank(three[0]!.found.baselines)).toEqual([2, 2, 2]);
    for (const { told } of three) expect(told.at(-1)).toEqual([4, 4]);
    const files = ["digits.jsonl", "digits.rank-1.jsonl", "digits.rank-2.jsonl"];
    expect(readdirSync(folder).sort()).toEqual(files);
    expect(files.map((name) => trialsIn(join(folder, name)).length)).toEqual([4, 4, 4]);
    expect(essence(await readResults(results))).toEqual(expected);

    // Two trials of rank 2 are lost, and half of a line of rank 1.
    const [second, third] = [join(folder, files[1]!), join(folder, files[2]!)];
    writeFileSync(third, `${linesOf(third).slice(0, 4).join("\n")}\n`);
    writeFileSync(
      second,
      readFileSync(second).subarray(0, linesOf(second).slice(0, 5).join("\n").length + 50),
    );
    writeFileSync(results, `${linesOf(results).slice(0, -2).join("\n")}\n`);
    const two = await sweep(2, results);
    expect(two.map(({ found }) => essence(found))).toEqual([expected, expected]);
    expect(two.map(({ told }) => told.at(-1))).toEqual([
      [11, 11],
      [10, 10],
    ]);
    expect(essence(await readResults(results))).toEqual(expected);
    const [one] = await sweep("alone", results);
    expect(one!.told.at(-1)).toEqual([12, 12]);
    expect(essence(one!.found)).toEqual(expected);
  }, 60_000);

  it("fails on all ranks where it fails on one, and keeps what was finished", async () => {
    const results = freshPath();
    const { code, output, reports } = await onRanks(3, program, "failures", { SWEEP_RESULTS: results });
    expect({ code, output }).toMatchObject({ code: 0 });
    const of = (name: string): readonly unknown[] => reports.map((report) => report?.[name]);
    const everywhere = (value: unknown): readonly unknown[] => [value, value, value];

    expect(of("another model")).toMatchObject(everywhere({ code: "ranks_disagree", ranks: [1] }));
    expect((of("another model")[0] as Error).message).toContain("about the values of second.kernel");
    expect(existsSync(`${results}.model`)).toBe(false);
    expect(of("no file on one rank")).toMatchObject(everywhere({ code: "ranks_disagree", ranks: [1] }));

    const elsewhere = (peerCode?: string): object => ({
      code: "peer_failed",
      ranks: [1],
      ...(peerCode !== undefined && { peerCode }),
    });
    expect(of("a wrong option")).toMatchObject([elsewhere(), { name: "TypeError" }, elsewhere()]);

    const [failed] = of("a trial that fails") as readonly Results[];
    expect([failed!.trials.length, failed!.failures.length]).toEqual([11, 1]);
    expect(failed!.failures[0]).toMatchObject({ rank: 1, error: { code: "bad_metrics" } });

    expect(of("a model that changes")).toMatchObject([
      elsewhere("original_lost"),
      { code: "original_lost" },
      elsewhere("original_lost"),
    ]);
    const moved = await readResults(`${results}.moved`);
    expect(perRank(moved.trials)).toEqual([4, 0, 4]);
    expect([moved.failures.length, moved.end]).toEqual([1, undefined]);

    expect(of("aborted")).toMatchObject([elsewhere(), { name: "AbortError" }, elsewhere()]);
    expect((await readResults(`${results}.aborted`)).trials.length).toBe(10);

    const memory = of("in memory") as readonly Results[];
    expect(memory).toEqual(everywhere(memory[0]));
    expect(memory[0]!.trials.length).toBe(12);
  }, 60_000);

  it("waits for no rank that hangs", async () => {
    const results = freshPath();
    const { code, reports } = await onRanks(3, program, "a rank hangs", { SWEEP_RESULTS: results });
    expect(code).not.toBe(0);
    expect(reports.map((report) => report?.["code"])).toEqual(["timed_out", undefined, "timed_out"]);
    expect((await readResults(results)).trials.length).toBe(9);
  }, 60_000);
});

it("does not mix files of ranks that do not belong together", async () => {
  const results = freshPath("a.jsonl");
  const header = (digest: string): string =>
    `${JSON.stringify({
      record: "sweep",
      version: 1,
      name: "x",
      objective: { metric: "sum", mode: "max" },
      repeats: 1,
      fingerprints: { w: digest.repeat(32) },
      modelBytes: 4,
      started: "2026-01-01T00:00:00.000Z",
    })}\n`;
  writeFileSync(results, header("0"));
  writeFileSync(results.replace("a.jsonl", "a.rank-1.jsonl"), header("0"));
  // Not those of ranks.
  for (const name of ["a.rank-x.jsonl", "a.rank-01.jsonl", "b.rank-1.jsonl", "a.rank-2.json"]) {
    writeFileSync(results.replace("a.jsonl", name), "something else");
  }
  expect((await readResults(results)).trials).toEqual([]);
  const odd = results.replace("a.jsonl", "a.rank-10.jsonl");
  writeFileSync(odd, header("1"));
  const error = await sweepError(readResults(results));
  expect([error.code, error.file, error.parameters]).toEqual(["other_model", odd, ["w"]]);
});
