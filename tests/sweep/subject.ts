/** A sweep of a few trials on typed arrays, and a folder for its results. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { store } from "../../src/index.ts";
import { ablation, defineSweep, noiseLevels, type Results, type Sweep, SweepError } from "../../src/sweep.ts";
import { bits, each, smallFloats } from "../support/bits.ts";

export type Model = Readonly<Record<string, Float32Array>>;
export type Metrics = "sum" | "largest";
export type Swept = Sweep<Parameters<typeof store.planTheater>[0], never, Model, Metrics>;

/** Layers `first`, `second`, `third`, of a kernel and a bias each. */
export function makeModel(): Model {
  const names = ["first", "second", "third"].flatMap((layer) => [`${layer}.kernel`, `${layer}.bias`]);
  return Object.fromEntries(names.map((name, i) => [name, smallFloats(4 + i, i + 1)]));
}

/** All bits of a model. */
export function bitsOf(model: Model): Readonly<Record<string, string>> {
  return each(model, bits);
}

export function measure(model: Model): Readonly<Record<Metrics, number>> {
  const values = Object.values(model).flatMap((weights) => [...weights]);
  return {
    sum: values.reduce((sum, value) => sum + value, 0),
    largest: values.reduce((largest, value) => Math.max(largest, value), -1),
  };
}

/** Nine trials: three layers without, and six of noise. */
export function sweepOf(changes: Partial<Record<keyof Swept, unknown>> = {}): Swept {
  return {
    ...defineSweep({
      name: "sums",
      store,
      model: makeModel(),
      evaluate: measure,
      maximize: "sum",
      trials: ({ layers }) => [
        ...ablation(layers),
        ...noiseLevels({ std: [0.1, 1], seeds: [1, 2, 3], layers: "first" }),
      ],
    }),
    ...changes,
  } as Swept;
}

/** A path for results in a folder that is removed after the test. */
export function freshPath(name = "results.jsonl"): string {
  const folder = mkdtempSync(join(tmpdir(), "surgical-theater-sweep-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, name);
}

/** A file with this content. */
export function fileWith(content: string | Uint8Array): string {
  const path = freshPath();
  writeFileSync(path, content);
  return path;
}

/** The lines of a file. */
export function linesOf(path: string): readonly string[] {
  return readFileSync(path, "utf8").split("\n");
}

/** What may be different each time. */
const incidental = new Set(["started", "finished", "rank", "openMs", "closeMs", "evaluateMs"]);

function essential(record: object): object {
  return Object.fromEntries(Object.entries(record).filter(([key]) => !incidental.has(key)));
}

/** What must not depend on how a sweep came to its results: everything but order, times and ranks. */
export function essence({ header, trials, failures, end }: Results): unknown {
  const sorted = (records: Results["trials"] | Results["failures"]): readonly object[] =>
    [...records].sort((a, b) => (a.name < b.name ? -1 : 1)).map(essential);
  return {
    header: essential(header),
    trials: sorted(trials),
    failures: sorted(failures),
    end: end?.identical,
  };
}

/** What a promise is rejected with; it must be. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

/** The SweepError that a promise is rejected with; it must be one. */
export async function sweepError(promise: Promise<unknown>): Promise<SweepError> {
  const error = await rejection(promise);
  if (error instanceof SweepError) return error;
  throw error;
}
