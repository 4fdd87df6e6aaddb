/** Theaters that nobody closes. In a process of its own, because collecting garbage on demand needs a flag. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const script = fileURLToPath(new URL("../support/forget-theaters.ts", import.meta.url));

it("a theater that is collected while open is reported, with where it was opened; a closed one is not", async () => {
  const { stderr } = await promisify(execFile)(process.execPath, ["--expose-gc", "--import", "tsx", script]);
  const reports = stderr.split("\n").filter((line) => line.includes("garbage-collected while open"));
  expect(reports).toHaveLength(1);
  expect(reports[0]).toContain("1 parameters still show modified values");
  expect(stderr).toMatch(/forgetOne.*forget-theaters/);
  expect(stderr).not.toContain("closeOne");
});
