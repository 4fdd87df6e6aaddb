import { spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { readResults } from "../../src/sweep.ts";
import { openMpiRuns } from "../distributed/ranks.ts";
import { command, configuration, file } from "./command.ts";

const main = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

/** Runs a configuration, with its results and report beside it. */
async function sweep(config: string, ...options: readonly string[]) {
  const results = config.replace(/\.[^.]+$/, ".jsonl");
  const report = config.replace(/\.[^.]+$/, ".html");
  return {
    results,
    report,
    ...(await command("sweep", config, "--results", results, "--report", report, ...options)),
  };
}

describe("sweep", () => {
  it("runs the trials of a configuration and writes a report", async () => {
    const { code, stdout, results, report } = await sweep(file("sweep.mjs", configuration()));
    expect(code).toBe(0);
    expect(stdout).toContain("two layers: sum (more is better) of the model as it is: 4.000");
    expect(stdout).toContain("3 of 3 trials brought the model back bit for bit; at the end it is identical");
    expect((await readResults(results)).trials.map(({ name: trial }) => trial)).toEqual([
      "without first",
      "without second",
      "half",
    ]);
    expect(readFileSync(report, "utf8")).toContain("two layers");
  });

  it("goes on where it stopped, and says so", async () => {
    const config = file("sweep.mjs", configuration());
    const { results } = await sweep(config);
    const lines = readFileSync(results, "utf8").split("\n");
    const torn = lines.findIndex((line) => line.includes('"half"'));
    writeFileSync(results, `${lines.slice(0, torn).join("\n")}\n${lines[torn]!.slice(0, 20)}`);
    const { code, stderr } = await sweep(config);
    expect(code).toBe(0);
    expect(stderr).toContain("was never finished, 20 bytes, and was cut off");
    expect(stderr).toContain("2 of 3 trials were finished before");
    expect((await readResults(results)).trials).toHaveLength(3);
  });

  it("prints the summary as JSON, alone on stdout", async () => {
    const { stdout } = await sweep(file("sweep.mjs", configuration()), "--json");
    expect(JSON.parse(stdout)).toMatchObject({ header: { name: "two layers" } });
  });

  it("records a failing trial, runs the rest, and ends with 1", async () => {
    const broken = `evaluate: (shown) => {
      if (shown["first.w"][0] === 0) throw new Error("no \\u{1b}[31mlayers");
      return { sum: shown["first.w"][0] };
    },`;
    const { code, stdout, results } = await sweep(file("sweep.mjs", configuration(broken)));
    expect(code).toBe(1);
    expect(stdout).toContain("Failed: without first: no \\u{1b}[31mlayers");
    expect((await readResults(results)).trials).toHaveLength(2);
  });

  it("ends with 3 where a model may not be what it was", async () => {
    const lossy = `evaluate: (shown) => {
      if (shown["first.w"][0] === 0.5) shown["first.w"][0] = 7;
      return { sum: 1 };
    },
    trials: [{ name: "half", modification: scale(0.5), layers: "all", technique: "reversible" }],`;
    const { code, stderr } = await sweep(file("sweep.mjs", configuration(lossy)));
    expect(code).toBe(3);
    expect(stderr).toContain("first.w");
    expect(stderr).toContain("docs/errors/original_lost.md");
  });

  it.each(["SIGINT", "SIGTERM"] as const)(
    "closes, saves and ends with 130 at %s, and goes on later",
    async (signal) => {
      const slow = `evaluate: async (shown) => {
      process.stderr.write("evaluating\\n");
      await new Promise((done) => setTimeout(done, 300));
      return { sum: shown["first.w"][0] };
    },`;
      const config = file("sweep.mjs", configuration(slow));
      const results = file("slow.jsonl", "", config);
      const args = ["--import", "tsx", main, "sweep", config, "--results", results];
      const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "pipe"] });
      let said = "";
      const code = await new Promise((done) => {
        child.stderr.on("data", (chunk: Buffer) => {
          said += chunk.toString();
          // In the second evaluation: the first trial.
          if (!child.killed && said.split("evaluating").length === 3) child.kill(signal);
        });
        child.on("close", done);
      });
      expect(code).toBe(130);
      expect(said).toContain("Run the same command again to go on");
      expect(existsSync(results.replace("jsonl", "html"))).toBe(false);
      const { trials, end } = await readResults(results);
      expect([trials.length, end]).toEqual([1, undefined]);
      const again = await command("sweep", config, "--results", results, "--report", `${results}.html`);
      expect(again.code).toBe(0);
      expect((await readResults(results)).trials).toHaveLength(3);
    },
    30_000,
  );

  it("goes on, and ends with 0, where nobody reads what it prints any more", async () => {
    const config = file("sweep.mjs", configuration());
    const results = `${config}.jsonl`;
    const args = ["--import", "tsx", main, "sweep", config, "--results", results];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
    child.stdout.destroy();
    child.stderr.destroy();
    expect(await new Promise((done) => child.on("close", done))).toBe(0);
    expect((await readResults(results)).end?.identical).toBe(true);
  }, 30_000);

  it("says first what failed, where nothing was completed", async () => {
    const none = `trials: [{ name: "no attention", modification: scale(0.5) }],`;
    const { code, stdout } = await sweep(file("sweep.mjs", configuration(none)));
    expect(code).toBe(1);
    expect(stdout).toMatch(/^Failed: no attention: layers: this model has no attention/);
    expect(stdout).toContain("No trial was completed.");
  });

  it("makes the folders of what it writes", async () => {
    const config = file("sweep.mjs", configuration());
    const at = `${config}.d/deep/`;
    const { code } = await command(
      "sweep",
      config,
      "--results",
      `${at}r.jsonl`,
      "--report",
      `${at}pages/r.html`,
    );
    expect(code).toBe(0);
    expect(existsSync(`${at}pages/r.html`)).toBe(true);
  });

  it.skipIf(!openMpiRuns())(
    "divides trials among the ranks of an MPI launcher, and ends with 0 on each",
    async () => {
      const config = file("sweep.mjs", configuration());
      const results = `${config}.jsonl`;
      const program = [process.execPath, "--import", "tsx", main, "sweep", config, "--results", results];
      const args = ["--allow-run-as-root", "--oversubscribe", "-n", "2", ...program];
      const child = spawn("mpirun.openmpi", args, { stdio: ["ignore", "pipe", "pipe"] });
      let [output, said] = ["", ""];
      child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
      child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
      const code = await new Promise((done) => child.on("close", done));
      if (code !== 0) expect.fail(`it ended with ${String(code)}:\n${said}`);
      expect(output.match(/3 of 3 trials brought the model back bit for bit/g)).toHaveLength(1);
      const { trials } = await readResults(results);
      expect(new Set(trials.map(({ rank }) => rank))).toEqual(new Set([0, 1]));
    },
    60_000,
  );
});
