/** `surgical-theater demo`: trains a small classifier, sweeps it, and reports. It needs nothing but the package. */
import { join } from "node:path";
import { demoSweep } from "../demo/sweep.ts";
import type { ExitCode } from "../exit.ts";
import { assertWritable } from "../files.ts";
import { note } from "../output.ts";
import { sweepInto } from "./sweep.ts";

export async function demoCommand({ out }: { readonly out: string }): Promise<ExitCode> {
  // Before it trains for nothing.
  const results = join(out, "digits.jsonl");
  assertWritable(results, "Name another folder with --out");
  note("Training a digit classifier in typed arrays, and adapters for digits that have moved …");
  const sweep = demoSweep(note);
  return sweepInto(sweep, { results, report: join(out, "digits.html"), json: false });
}
