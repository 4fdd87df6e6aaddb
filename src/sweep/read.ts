/** Results on disk: the file of rank 0, and those of other ranks beside it. */
import { describeValue, listed, SweepError } from "../errors.ts";
import { otherRanks, readBytes } from "./files.ts";
import { type Lines, parseLines } from "./lines.ts";
import { type Entry, type Header, inOneOrder, type Results, resultsOf } from "./records.ts";

/** A file that is there. */
interface ReadFile extends Lines {
  readonly file: string;
}

async function readFile(file: string): Promise<readonly ReadFile[]> {
  const bytes = await readBytes(file);
  return bytes === undefined ? [] : [{ file, ...parseLines(file, bytes) }];
}

/** Parameters that two headers do not have alike. */
export function differing(a: Header, b: Header): readonly string[] {
  const names = new Set([...Object.keys(a.fingerprints), ...Object.keys(b.fingerprints)]);
  const of = ({ fingerprints }: Header, name: string): string | undefined =>
    Object.hasOwn(fingerprints, name) ? fingerprints[name] : undefined;
  return [...names].filter((name) => of(a, name) !== of(b, name));
}

/**
 * Makes sure that two headers begin the same sweep.
 *
 * @param file - where the first one is, and what is not touched
 * @param other - what has the second one: `this sweep`, or the name of a file
 * @throws SweepError `other_sweep`, `other_model`
 */
export function checkSame(file: string, header: Header, other: string, wanted: Header): void {
  const refuse = (what: string, there: unknown, here: unknown): SweepError =>
    new SweepError(
      "other_sweep",
      `${file} has results of another sweep: its ${what} is ${JSON.stringify(there)}, and that of ${other} ` +
        `${JSON.stringify(here)}. The file was left as it is. Name another file for the results, or make the sweep what it was.`,
      { file },
    );
  if (header.name !== wanted.name) throw refuse("name", header.name, wanted.name);
  const [there, here] = [header, wanted].map(({ objective: { mode, metric } }) => `${mode} ${metric}`);
  if (there !== here) throw refuse("objective", there, here);
  if (header.repeats !== wanted.repeats) throw refuse("number of repeats", header.repeats, wanted.repeats);
  const parameters = differing(header, wanted);
  if (parameters.length === 0) return;
  throw new SweepError(
    "other_model",
    `${file} has results of another model than ${other}: ${listed(parameters)} ${parameters.length === 1 ? "is" : "are"} not ` +
      "the same. The file was left as it is. Load the weights that it was begun with, or name another file for the results.",
    { file, parameters },
  );
}

/**
 * Reads the files of all ranks, whatever number of them wrote.
 *
 * @throws SweepError `bad_results`, `other_sweep`, `other_model` for a file that is none of them, or of another sweep
 */
export async function readKnown(path: string): Promise<{
  /** Undefined where nothing has been recorded yet. */
  readonly header: Header | undefined;
  readonly entries: readonly Entry[];
}> {
  const files = await readFile(path);
  const others = (await Promise.all((await otherRanks(path)).map(readFile))).flat();
  const all = [...files, ...others].filter(({ header }) => header !== undefined);
  const [first, ...rest] = all;
  for (const { file, header } of rest) checkSame(file, header!, first!.file, first!.header!);
  return {
    header: first?.header,
    entries: first === undefined ? [] : inOneOrder(all.map(({ entries }) => entries)),
  };
}

/**
 * Reads what sweeps have recorded, finished or not, while one is running too: the given file, and those of other MPI ranks
 * beside it. A last line that was never finished is left out. Nothing is written.
 *
 * @throws SweepError `bad_results` with the line that is not a record, or for a file in which nothing is recorded;
 *   `other_sweep`, `other_model` where the ranks' files do not belong together
 * @throws UnsupportedError `engine` where there are no files
 * @example
 * import { scale, store } from "surgical-theater";
 * import { defineSweep, readResults, runSweep } from "surgical-theater/sweep";
 *
 * const results = "/tmp/surgical-theater-halves.jsonl";
 * const sweep = defineSweep({
 *   name: "halves",
 *   store,
 *   model: { w: Float32Array.of(2) },
 *   evaluate: ({ w }) => ({ w: w[0]! }),
 *   minimize: "w",
 *   trials: [{ name: "half", modification: scale(0.5), layers: "all" }],
 * });
 * await runSweep(sweep, { results });
 * console.log((await readResults(results)).trials[0]!.metrics); // { w: [ 1 ] }
 */
export async function readResults(path: string): Promise<Results> {
  if (typeof path !== "string") throw new TypeError(`path must be a string, got ${describeValue(path)}.`);
  const { header, entries } = await readKnown(path);
  if (header !== undefined) return resultsOf(header, entries);
  throw new SweepError(
    "bad_results",
    `${path} is not there, or nothing has been recorded in it yet. Run the sweep, or name another file.`,
    { file: path },
  );
}
