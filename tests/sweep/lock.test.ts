import { spawn } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { expect, it } from "vitest";
import { runSweep } from "../../src/sweep.ts";
import { lock } from "../../src/sweep/lock.ts";
import { freshPath, rejection, sweepError, sweepOf } from "./subject.ts";

const locksBeside = (path: string): readonly string[] =>
  readdirSync(dirname(path)).filter((name) => name.endsWith(".lock"));

/** A process that does nothing; ends with the test. */
async function idle(): Promise<{ readonly pid: number; end(): Promise<void> }> {
  const child = spawn(process.execPath, ["--eval", "setInterval(() => {}, 1000)"], { stdio: "ignore" });
  const closed = new Promise<void>((resolve) => child.on("close", () => resolve()));
  return {
    pid: child.pid!,
    end: () => {
      child.kill("SIGKILL");
      return closed;
    },
  };
}

it("refuses a second sweep on the same file, and leaves no lock behind", async () => {
  const results = freshPath();
  const both = await Promise.allSettled([1, 2].map(() => runSweep(sweepOf({ evaluate: slow }), { results })));
  // Whichever of them was first.
  const ended = both.find(({ status }) => status === "fulfilled");
  const refused = both.find(({ status }) => status === "rejected");
  expect(ended).toMatchObject({ value: { trials: { length: 9 } } });
  expect(refused).toMatchObject({ reason: { code: "results_in_use", file: results } });
  expect(locksBeside(results)).toEqual([]);
});

async function slow(): Promise<{ sum: number }> {
  await new Promise((resolve) => setTimeout(resolve, 5));
  return { sum: 1 };
}

it("refuses where another process has the lock, and goes on when it is gone", async () => {
  const results = freshPath();
  const other = await idle();
  const path = `${results}.${other.pid}@${hostname()}.lock`;
  writeFileSync(path, "");
  const error = await sweepError(runSweep(sweepOf(), { results }));
  expect(error.code).toBe("results_in_use");
  expect(error.message).toContain(`delete ${path}`);
  expect(locksBeside(results).length).toBe(1);
  await other.end();
  expect((await runSweep(sweepOf(), { results })).trials.length).toBe(9);
  expect(locksBeside(results)).toEqual([]);
});

it("cannot know about processes of another machine, and refuses", async () => {
  const results = freshPath();
  writeFileSync(`${results}.1@elsewhere.lock`, "");
  expect((await sweepError(runSweep(sweepOf(), { results }))).code).toBe("results_in_use");
});

it("takes the lock of an earlier process with the same number", async () => {
  const results = freshPath();
  writeFileSync(`${results}.${process.pid}@${hostname()}.lock`, "");
  expect((await runSweep(sweepOf(), { results })).trials.length).toBe(9);
});

it("minds no other file's lock", async () => {
  const results = freshPath();
  writeFileSync(`${results}.old.1@elsewhere.lock`, "");
  writeFileSync(results.replace("results.jsonl", "more-results.jsonl.1@elsewhere.lock"), "");
  expect((await runSweep(sweepOf(), { results })).trials.length).toBe(9);
});

it("gives the lock back when the sweep fails", async () => {
  const results = freshPath();
  await rejection(runSweep(sweepOf({ evaluate: () => ({ sum: NaN }) }), { results }));
  writeFileSync(results, "something else");
  await rejection(runSweep(sweepOf(), { results }));
  expect(locksBeside(results)).toEqual([]);
  expect(readFileSync(results, "utf8")).toBe("something else");
});

it("is never had by two of those that begin at the same moment", async () => {
  const path = freshPath();
  const all = await Promise.all([lock(path), lock(path), lock(path)]);
  const releases = all.filter((each) => typeof each === "function");
  expect(releases.length).toBe(1);
  await releases[0]!();
  expect(locksBeside(path)).toEqual([]);
});
