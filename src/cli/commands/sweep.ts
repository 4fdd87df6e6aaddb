/** `surgical-theater sweep`: runs a sweep, or goes on with one, and reports on it. */
import { writeFileSync } from "node:fs";
import { basename, extname, resolve } from "node:path";
import { launcherOf } from "../../distributed/mpi/launcher.ts";
import { type Communicator, mpi, solo } from "../../distributed.ts";
import { type AnySweep, type Results, runSweep } from "../../sweep.ts";
import { summarize } from "../../sweep/summary.ts";
import { loadConfig } from "../config.ts";
import { exitCodes, type ExitCode, UsageError } from "../exit.ts";
import { interruptible } from "../interrupt.ts";
import { assertWritable, existingFile } from "../files.ts";
import { note, print } from "../output.ts";
import { Progress } from "../progress.ts";
import { conclusions } from "../conclusions.ts";

/** What the command line says. */
export interface SweepOptions {
  readonly model?: string;
  readonly data?: string;
  readonly divideBy?: number;
  readonly results?: string;
  readonly report?: string;
  readonly json?: boolean;
}

/** Where results and report go. */
export interface Outputs {
  readonly results: string;
  readonly report: string;
  readonly json: boolean;
}

/**
 * Where results and report go.
 *
 * @param name - what they are called by default
 * @throws UsageError where they cannot be written
 */
export function outputsOf(
  name: string,
  { results = `${name}.jsonl`, report, json = false }: SweepOptions,
): Outputs {
  const page = report ?? `${results.replace(/\.jsonl$/, "")}.html`;
  if (resolve(page) === resolve(results)) {
    throw new UsageError(`--results and --report are one file, ${JSON.stringify(results)}. Nothing was run`);
  }
  assertWritable(results, "Name another file with --results");
  assertWritable(page, "Name another file with --report");
  return { results, report: page, json };
}

/** Runs `fn` with all ranks of the job that this process belongs to, or alone. */
async function withRanks<R>(fn: (communicator: Communicator) => Promise<R>): Promise<R> {
  if (launcherOf(process.env).kind === "none") return fn(solo());
  const world = await mpi();
  let result: R;
  try {
    result = await fn(world);
  } catch (error) {
    // What went wrong is told, and not that others have gone too.
    await world.finalizeAsync().catch(() => {});
    throw error;
  }
  await world.finalizeAsync();
  return result;
}

/** Runs a sweep from its first or next trial to its end, and writes its report. */
export async function sweepInto(
  sweep: AnySweep,
  { results: path, report, json }: Outputs,
): Promise<ExitCode> {
  return withRanks(async (communicator) => {
    const isFirst = communicator.rank === 0;
    let results: Results;
    {
      using progress = new Progress();
      results = await interruptible((signal) =>
        runSweep(sweep, {
          results: path,
          signal,
          communicator,
          ...(isFirst && { onProgress: (event) => progress.update(event) }),
        }),
      );
    }
    if (isFirst) {
      const { render } = await import("../report/render.ts");
      writeFileSync(report, render("html", results));
      await print(json ? render("json", results) : conclusions(summarize(results)));
      note(`Report: ${report}\nResults: ${path}`);
    }
    return results.failures.length > 0 ? exitCodes.failed : exitCodes.done;
  });
}

export async function sweepCommand(config: string | undefined, options: SweepOptions): Promise<ExitCode> {
  const { model, data, divideBy } = options;
  if (config !== undefined && model === undefined && data === undefined && divideBy === undefined) {
    const path = existingFile(config, "The configuration");
    // Before it trains for nothing.
    const outputs = outputsOf(basename(path, extname(path)), options);
    return sweepInto(await loadConfig(config), outputs);
  }
  if (config !== undefined || model === undefined || data === undefined) {
    throw new UsageError(
      "sweep needs either a configuration, or --model with --data (and --divide-by). Nothing was run",
    );
  }
  // Loaded where it is needed: who sweeps something else need not have TensorFlow.js.
  const { layersSweep, nameOf } = await import("../tfjs/layers-sweep.ts");
  const sweep = await layersSweep({ model, data, divideBy: divideBy ?? 1 });
  return sweepInto(sweep, outputsOf(nameOf(model), options));
}
