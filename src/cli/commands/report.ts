/** `surgical-theater report RESULTS`: a page, or tables, of what a sweep has found so far. */
import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { readResults } from "../../sweep.ts";
import { UsageError } from "../exit.ts";
import { assertWritable, existingFile } from "../files.ts";
import { note, print } from "../output.ts";
import type { Format } from "../report/formats.ts";

/** Writes `results` in `format`: to the file `output`, or to stdout for `-`. */
export async function reportCommand(
  results: string,
  { format, output }: { readonly format: Format; readonly output?: string },
): Promise<void> {
  const { render } = await import("../report/render.ts");
  const rendered = render(format, await readResults(existingFile(results, "The results")));
  const target = output ?? (format === "html" ? results.replace(/(\.jsonl)?$/, ".html") : "-");
  if (target === "-") return print(rendered);
  if (resolve(target) === resolve(results))
    throw new UsageError("The report would overwrite the results. Name another --output");
  assertWritable(target, "Name another one with --output");
  writeFileSync(target, rendered);
  note(`Wrote ${target}`);
}
