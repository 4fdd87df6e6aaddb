/** `surgical-theater sweep`: runs a sweep, or goes on with one, and reports on it. */
import { mkdirSync, writeFileSync } from "node:fs";
import { basename, dirname, extname, resolve } from "node:path";
import { launcherOf } from "../../distributed/mpi/launcher.ts";
import { mpi, solo } from "../../distributed.ts";
import { type AnySweep, type Results, runSweep } from "../../sweep.ts";
import { summarize } from "../../sweep/summary.ts";
import { loadConfig } from "../config.ts";
import { exitCodes, type ExitCode, UsageError } from "../exit.ts";
import { interruptible } from "../interrupt.ts";
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

/** Runs a sweep from its first or next trial to its end, and writes its report. */
export async function sweepInto(
  sweep: AnySweep,
  { results: path, report, json }: Outputs,
): Promise<ExitCode> {
  const isParallel = launcherOf(process.env).kind !== "none";
  const communicator = isParallel ? await mpi() : solo();
  const isFirst = communicator.rank === 0;
  for (const file of [path, report]) mkdirSync(dirname(file), { recursive: true });
  let results: Results;
  {
    using progress = new Progress();
    results = await interruptible((signal) =>
      runSweep(sweep, {
        results: path,
        signal,
        ...(isParallel && { communicator }),
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
}

/** The sweep, and what its results are named after. */
async function chosen(
  config: string | undefined,
  { model, data, divideBy = 1 }: SweepOptions,
): Promise<readonly [sweep: AnySweep, name: string]> {
  if (config !== undefined && model === undefined && data === undefined) {
    return [await loadConfig(config), basename(config, extname(config))];
  }
  if (config !== undefined || model === undefined || data === undefined) {
    throw new UsageError("sweep needs either a configuration, or --model with --data. Nothing was run");
  }
  // Loaded where it is needed: who sweeps something else need not have TensorFlow.js.
  const { layersSweep } = await import("../tfjs/layers-sweep.ts");
  return [await layersSweep({ model, data, divideBy }), basename(dirname(resolve(model)))];
}

export async function sweepCommand(config: string | undefined, options: SweepOptions): Promise<ExitCode> {
  const [sweep, name] = await chosen(config, options);
  const { results = `${name}.jsonl`, json = false } = options;
  const { report = `${results.replace(/\.jsonl$/, "")}.html` } = options;
  return sweepInto(sweep, { results, report, json });
}
