import { spawn } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { beforeAll, expect, it } from "vitest";
import { readResults } from "../../src/sweep.ts";
import { essence, freshPath, linesOf } from "./subject.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const program = join(root, "node_modules", ".cache", "surgical-theater", "sweep", "killed-program.mjs");
const wasm = join(root, "node_modules", "@tensorflow", "tfjs-backend-wasm", "dist", "/");

// One file, with the engine: it starts seven times.
beforeAll(async () => {
  await build({
    entryPoints: [join(root, "tests", "sweep", "killed-program.ts")],
    outfile: program,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    logLevel: "error",
    // Parts of the engine are CommonJS.
    banner: {
      js: [
        'import { createRequire } from "node:module";',
        "const require = createRequire(import.meta.url);",
        "const [__dirname, __filename] = [import.meta.dirname, import.meta.filename];",
      ].join("\n"),
    },
  });
}, 60_000);

/** Runs the program until it ends, or until its file has more than `bytes` and `delay` milliseconds have passed. */
async function run(
  results: string,
  kill?: { readonly bytes: number; readonly delay: number },
): Promise<string> {
  const child = spawn(process.execPath, [program, results, join(root, "data", "digits.csv.gz"), wasm], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [output, errors] = ["", ""];
  child.stdout.on("data", (text) => (output += String(text)));
  child.stderr.on("data", (text) => (errors += String(text)));
  const poll = setInterval(() => {
    if (kill === undefined || !existsSync(results) || statSync(results).size <= kill.bytes) return;
    clearInterval(poll);
    setTimeout(() => child.kill("SIGKILL"), kill.delay);
  }, 2);
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve) =>
    child.on("close", (...end) => resolve(end)),
  );
  clearInterval(poll);
  expect({ code, signal, errors: code === 0 ? "" : errors }).toEqual(
    kill === undefined ? { code: 0, signal: null, errors: "" } : { code: null, signal: "SIGKILL", errors },
  );
  return output;
}

it("is killed five times at random, goes on each time, and finds what it finds undisturbed", async () => {
  const undisturbed = freshPath();
  const parameters = JSON.parse(await run(undisturbed)) as readonly (readonly [string, string])[];
  const expected = await readResults(undisturbed);
  expect([expected.trials.length, expected.failures]).toEqual([150, []]);

  const results = freshPath();
  const size = statSync(undisturbed).size;
  const kills = Array.from({ length: 5 }, () => ({
    bytes: Math.floor(Math.random() * 0.9 * size),
    delay: Math.random() * 15,
  })).sort((a, b) => a.bytes - b.bytes);
  const finished: number[] = [];
  for (const kill of kills) {
    await run(results, kill);
    finished.push((await readResults(results)).trials.length);
  }
  const after = JSON.parse(await run(results)) as unknown;
  const found = await readResults(results);
  expect(essence(found), `killed at ${JSON.stringify(kills)}`).toEqual(essence(expected));
  // Finished trials were kept each time, and none was evaluated twice.
  expect([...finished].sort((a, b) => a - b)).toEqual(finished);
  const names = linesOf(results).filter((line) => line.startsWith('{"record":"trial"'));
  expect(names.length).toBe(150);
  // The model has the bits that it began with.
  expect(after).toEqual(parameters);
  expect(Object.entries(found.header.fingerprints)).toEqual(parameters);
  expect(found.end?.identical).toBe(true);
}, 120_000);
