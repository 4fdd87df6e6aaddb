/**
 * Runs programs under an MPI launcher. They are bundled into one file of JavaScript: each rank would otherwise compile
 * the library for itself.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { enginesRequired } from "../support/tensorflow.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** What a rank wrote with `report`. */
export type Report = Readonly<Record<string, unknown>>;

export interface Outcome {
  readonly code: number | null;
  readonly output: string;
  readonly milliseconds: number;
  /** By rank; undefined for a rank that reported nothing. */
  readonly reports: readonly (Report | undefined)[];
  /** Process ids by rank. */
  readonly pids: readonly number[];
}

function launcher(): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return folders.map((folder) => join(folder, "mpirun.openmpi")).find((path) => existsSync(path));
}

/**
 * Whether Open MPI is here, for `describe.skipIf(!openMpiRuns())`.
 *
 * Where engines are required (`CI=true` or `REQUIRE_ENGINES=1`) a missing one is an error, not a skip.
 */
export function openMpiRuns(): boolean {
  if (launcher() !== undefined) return true;
  const hint = "Open MPI is not installed (Debian package openmpi-bin)";
  if (enginesRequired()) throw new Error(hint);
  console.warn(`Skipping tests on MPI: ${hint}`);
  return false;
}

/** Bundles a program of this folder. It stays inside the repository, where koffi is found. */
export async function bundle(name: string): Promise<string> {
  const folder = join(root, "node_modules", ".cache", "surgical-theater", "mpi");
  mkdirSync(folder, { recursive: true });
  const outfile = join(folder, `${name}.mjs`);
  await build({
    entryPoints: [join(root, "tests", "distributed", `${name}.ts`)],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    external: ["koffi"],
    logLevel: "warning",
  });
  return outfile;
}

/** Runs `program task` on `ranks` ranks, or alone and without a launcher for `"alone"`, and waits for its end. */
export async function onRanks(
  ranks: number | "alone",
  program: string,
  task: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), "surgical-theater-ranks-"));
  const node = [process.execPath, program, task, folder];
  const mpirun = [launcher() ?? "mpirun.openmpi", "--allow-run-as-root", "--oversubscribe"];
  const [command, ...args] = ranks === "alone" ? node : [...mpirun, "-n", String(ranks), ...node];
  const begin = performance.now();
  const settings = {
    // What a launcher leaves behind when it is killed goes with the folder.
    TMPDIR: folder,
    // In containers a process may not read the memory of another; Open MPI tries, and complains.
    OMPI_MCA_btl_vader_single_copy_mechanism: "none",
  };
  const child = spawn(command!, args, {
    env: { ...process.env, ...settings, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (output += String(text)));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  const milliseconds = performance.now() - begin;
  const read = (name: string): Report | undefined => {
    const path = join(folder, name);
    return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as Report) : undefined;
  };
  const size = ranks === "alone" ? 1 : ranks;
  const reports = Array.from({ length: size }, (_, rank) => read(`${rank}.report`));
  const pids = readdirSync(folder)
    .filter((name) => name.endsWith(".pid"))
    .sort()
    .map((name) => Number(readFileSync(join(folder, name), "utf8")));
  rmSync(folder, { recursive: true, force: true });
  return { code, output, milliseconds, reports, pids };
}

/** Those of `pids` that still run, after a moment in which the launcher's signals arrive. */
export async function stillRunning(pids: readonly number[], within = 2000): Promise<readonly number[]> {
  const end = performance.now() + within;
  for (;;) {
    const alive = pids.filter(isRunning);
    if (alive.length === 0 || performance.now() > end) return alive;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** A process that has ended but was not waited for counts as ended. */
function isRunning(pid: number): boolean {
  try {
    const state = /^State:\s+(\S)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return state !== "Z" && state !== "X";
  } catch {
    return false;
  }
}
