import { type ChildProcess, spawn } from "node:child_process";
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

// One file, with the engine: it starts eight times.
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

interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly output: string;
  readonly errors: string;
}

/** Starts the program. */
function start(results: string): { readonly child: ChildProcess; readonly ended: Promise<Ended> } {
  const child = spawn(process.execPath, [program, results, join(root, "data", "digits.csv.gz"), wasm], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [output, errors] = ["", ""];
  child.stdout.on("data", (text) => (output += String(text)));
  child.stderr.on("data", (text) => (errors += String(text)));
  const ended = new Promise<Ended>((resolve) =>
    child.on("close", (code, signal) => resolve({ code, signal, output, errors })),
  );
  return { child, ended };
}

/** Sends a signal when the file has more than `bytes`, and `delay` milliseconds have passed. */
async function signalAt(
  child: ChildProcess,
  signal: NodeJS.Signals,
  results: string,
  { bytes, delay }: { readonly bytes: number; readonly delay: number },
): Promise<void> {
  while (!existsSync(results) || statSync(results).size <= bytes) {
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  await new Promise((resolve) => setTimeout(resolve, delay));
  child.kill(signal);
}

/** The fingerprints that the program ends with. */
function fingerprintsOf({ output, ...end }: Ended): unknown {
  expect(end).toEqual({ code: 0, signal: null, errors: "" });
  return JSON.parse(output);
}

it("is killed five times at random, goes on each time, and finds what it finds undisturbed", async () => {
  const undisturbed = freshPath();
  const first = start(undisturbed);
  await signalAt(first.child, "SIGSTOP", undisturbed, { bytes: 0, delay: 0 });
  // While it has the file a second process is refused, and changes nothing.
  const second = await start(undisturbed).ended;
  expect(second).not.toMatchObject({ code: 0 });
  expect(second.errors).toContain("results_in_use");
  first.child.kill("SIGCONT");
  const parameters = fingerprintsOf(await first.ended);
  const expected = await readResults(undisturbed);
  expect([expected.trials.length, expected.failures]).toEqual([150, []]);

  const results = freshPath();
  const size = statSync(undisturbed).size;
  const kills = Array.from({ length: 5 }, () => ({
    bytes: Math.floor(Math.random() * 0.6 * size),
    delay: Math.random() * 15,
  })).sort((a, b) => a.bytes - b.bytes);
  const finished: number[] = [];
  for (const kill of kills) {
    const { child, ended } = start(results);
    await signalAt(child, "SIGKILL", results, kill);
    expect((await ended).signal).toBe("SIGKILL");
    finished.push((await readResults(results)).trials.length);
  }
  const after = fingerprintsOf(await start(results).ended);
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
